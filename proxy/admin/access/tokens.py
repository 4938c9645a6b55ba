"""The verbs of tokens: make one, list them, revoke one, find the one that a caller
shows.

Like ``control``: functions over an ``Operator`` that return values and print nothing.
A token is random, so its SHA-256 is proof enough and no salt is needed.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.admin.control import ControlError, Operator
from proxy.endpoints.address import Refused, normalise_address
from proxy.store.access import MAX_ACCESSES, ROLES, Access, AccessKind, Role

PREFIX: Final = "waypost_"
"""What every token begins with, so that scanners for lost secrets know it."""
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@\-]{0,62}[A-Za-z0-9])?\Z")
LONGEST: Final = 3650 * 86_400.0


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was made: the only time that it is known."""

    token: str
    access: Access


async def new_token(
    operator: Operator,
    name: str,
    role: str,
    *,
    domains: Sequence[str] = (),
    endpoints: Sequence[str] = (),
    days: float | None = None,
    what_if: bool = False,
) -> NewToken:
    """Make a token; ``days`` until it ends, None for never."""
    token = PREFIX + secrets.token_urlsafe(32)
    access = await new_access(
        operator, "token", name, role, proof_of(token),
        domains=domains, endpoints=endpoints, days=days, what_if=what_if,
    )  # fmt: skip
    return NewToken(token, access)


async def new_access(
    operator: Operator,
    kind: AccessKind,
    name: str,
    role: str,
    proof: str,
    *,
    domains: Sequence[str] = (),
    endpoints: Sequence[str] = (),
    days: float | None = None,
    what_if: bool = False,
) -> Access:
    """Store a new token or person; raises ControlError."""
    now = operator.clock()
    access = Access(
        *(kind, checked_name(name), checked_role(role), proof),
        *_scope(operator, domains, endpoints),
        *(now, f"{operator.actor.name} ({operator.actor.origin})"),
        ends_at=None if days is None else now + _seconds(days),
    )
    there = await operator.store.accesses()
    if len(there) >= MAX_ACCESSES:
        raise ControlError(
            f"there are {MAX_ACCESSES} tokens and people, as many as can be: revoke "
            "some first"
        )
    is_there = any((each.kind, each.name) == (kind, name) for each in there)
    done = not is_there and (
        what_if
        or await operator.store.set_access(
            access, f"{kind}.new", operator.actor, now, is_new=True
        )
    )
    if not done:
        raise ControlError(
            f'there is a {kind} "{name}" already: choose another name, or '
            f"{_REMOVE[kind].format(name)} first",
            kind="conflict",
        )
    return access


_REMOVE: Final = {
    "token": '"waypost token revoke {}"',
    "person": '"waypost person remove {}"',
}
_LIST: Final = {"token": '"waypost token list"', "person": '"waypost person list"'}


async def list_access(operator: Operator, kind: AccessKind) -> list[Access]:
    """Every token, or every person, by name."""
    return [each for each in await operator.store.accesses() if each.kind == kind]


async def revoke_token(
    operator: Operator, name: str, *, what_if: bool = False
) -> Access:
    """End a token at once."""
    return await remove_access(operator, "token", name, "token.revoke", what_if)


async def remove_access(
    operator: Operator, kind: AccessKind, name: str, verb: str, what_if: bool = False
) -> Access:
    """Take a token or a person away; raises ControlError for a stranger."""
    found = await find_access(operator, kind, name)
    if not what_if:
        now = operator.clock()
        await operator.store.remove_access(kind, name, verb, operator.actor, now)
    return found


async def find_access(operator: Operator, kind: AccessKind, name: str) -> Access:
    """One by its name; raises ControlError."""
    for each in await list_access(operator, kind):
        if each.name == name:
            return each
    raise ControlError(
        f'there is no {kind} "{name}": {_LIST[kind]} names them', kind="missing"
    )


def token_holder(accesses: Iterable[Access], token: str) -> Access | None:
    """Whose token this is, ended ones too; None for a stranger's."""
    proof, found = proof_of(token), None
    for each in accesses:
        # Compare with all of them, in constant time.
        if each.kind == "token" and hmac.compare_digest(each.proof, proof):
            found = each
    return found


def proof_of(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def checked_name(name: str) -> str:
    """A name that can stand in a path and an audit line; raises ControlError."""
    if not _NAME.match(name):
        raise ControlError(
            f'"{name}" cannot be a name here: write letters, digits, "-", "_", "." '
            'and "@", at most 64'
        )
    return name


def checked_role(role: str) -> Role:
    """One of the roles; raises ControlError."""
    for each in ROLES:
        if role == each:
            return each
    raise ControlError(f'there is no role "{role}": write {", ".join(ROLES)}')


def _seconds(days: float) -> float:
    seconds = days * 86_400
    if not 0 < seconds <= LONGEST:
        raise ControlError(f"it cannot end in {days:g} days: write more than 0 to 3650")
    return seconds


def _scope(
    operator: Operator, domains: Sequence[str], endpoints: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    served = operator.rules.domains
    named = tuple(dict.fromkeys(each.strip().lower() for each in domains))
    for each in named:
        if each not in served:
            raise ControlError(
                f'"{each}" is not a domain we answer for '
                f"({', '.join(sorted(served))}): nothing would be in its scope"
            )
    try:
        keys = [normalise_address(each, served)[1] for each in endpoints]
    except Refused as refusal:
        raise ControlError(str(refusal)) from None
    return named, tuple(dict.fromkeys(keys))
