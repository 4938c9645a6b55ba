"""The verbs of people: those who sign in to the page with a name and a password.

scrypt takes 32 MiB and some tens of milliseconds for each try, so ``check_password``
belongs into a thread, and one at a time.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from proxy.admin.access.tokens import (
    checked_role,
    find_access,
    new_access,
    remove_access,
)
from proxy.admin.control import ControlError, Operator
from proxy.store.access import Access

SHORTEST: Final = 12
LONGEST: Final = 1024
_COST: Final = {"n": 1 << 15, "r": 8, "p": 1, "maxmem": 64 * 1024 * 1024, "dklen": 32}
_NOBODY: Final = "scrypt$AAAAAAAAAAAAAAAAAAAAAA==$" + "A" * 43 + "="
"""A proof that fits no password, so that an unknown name takes as long."""


async def new_person(
    operator: Operator,
    name: str,
    role: str,
    password: str,
    *,
    domains: Sequence[str] = (),
    endpoints: Sequence[str] = (),
    days: float | None = None,
    what_if: bool = False,
) -> Access:
    """Let somebody sign in."""
    return await new_access(
        operator, "person", name, role, password_proof(password),
        domains=domains, endpoints=endpoints, days=days, what_if=what_if,
    )  # fmt: skip


async def set_person(
    operator: Operator,
    name: str,
    *,
    password: str | None = None,
    role: str = "",
    what_if: bool = False,
) -> Access:
    """Give somebody another password, or another role."""
    person = await find_access(operator, "person", name)
    if role:
        person = replace(person, role=checked_role(role))
    if password is not None:
        person = replace(person, proof=password_proof(password))
    if not what_if:
        await operator.store.set_access(
            person, "person.set", operator.actor, operator.clock(), is_new=False
        )
    return person


async def remove_person(
    operator: Operator, name: str, *, what_if: bool = False
) -> Access:
    """End somebody's access; open sessions end with it."""
    return await remove_access(operator, "person", name, "person.remove", what_if)


def password_proof(password: str) -> str:
    """What is stored of a password; raises ControlError for one that is too short."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise ControlError(f"a password here needs {SHORTEST} to {LONGEST} characters")
    salt = secrets.token_bytes(16)
    return f"scrypt${_text(salt)}${_text(_derive(password, salt))}"


def check_password(
    accesses: Iterable[Access], name: str, password: str
) -> Access | None:
    """The person of that name and password; None, after the same time, for others."""
    found = next((x for x in accesses if (x.kind, x.name) == ("person", name)), None)
    _, salt, wanted = (found.proof if found else _NOBODY).split("$")
    derived = _derive(password[:LONGEST], base64.b64decode(salt))
    is_right = hmac.compare_digest(_text(derived), wanted)
    return found if is_right else None


def _derive(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "replace"), salt=salt, **_COST)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
