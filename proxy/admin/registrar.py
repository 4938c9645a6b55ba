"""The registrar's verbs: users and bindings.

Like ``control``: functions over an ``Operator`` that return values and print nothing.
A password is never stored, only its HA1 for each algorithm.
"""

import unicodedata

from proxy.admin.control import ControlError, Operator
from proxy.config import Config
from proxy.endpoints.address import Refused, normalise_address
from proxy.location.binding import Binding
from proxy.sip.digest import ha1_of
from proxy.store.registrar import User

MIN_PASSWORD = 8


async def new_user(
    operator: Operator,
    config: Config,
    name: str,
    password: str,
    *,
    what_if: bool = False,
) -> User:
    """Let somebody register with a password."""
    user = _user(operator, config, name, password)
    if any(known.name == user.name for known in await operator.store.users()):
        raise ControlError(
            f'there is a user "{user.name}" already: "waypost user set {user.name}" '
            "gives it another password",
            kind="conflict",
        )
    if not what_if:
        await operator.store.set_user(user, "user.new", operator.actor)
    return user


async def set_user(
    operator: Operator,
    config: Config,
    name: str,
    password: str,
    *,
    what_if: bool = False,
) -> User:
    """Give a user another password."""
    user = _user(operator, config, name, password)
    await _find_user(operator, user.name)
    if not what_if:
        await operator.store.set_user(user, "user.set", operator.actor)
    return user


async def remove_user(operator: Operator, name: str, *, what_if: bool = False) -> User:
    """Take the right to register away; bindings stay until they expire."""
    user = await _find_user(operator, name.strip().removeprefix("sip:"))
    if not what_if:
        await operator.store.remove_user(user.name, operator.actor, operator.clock())
    return user


async def _find_user(operator: Operator, name: str) -> User:
    for user in await operator.store.users():
        if user.name == name:
            return user
    raise ControlError(
        f'there is no user "{name}": "waypost user list" names them', kind="missing"
    )


def _user(operator: Operator, config: Config, name: str, password: str) -> User:
    name = unicodedata.normalize("NFC", name.strip()).removeprefix("sip:")
    try:
        plain = name if "@" in name else f"{name}@{config.proxy.domains[0]}"
        normalise_address(plain, config.domains)
    except Refused as refusal:
        raise ControlError(str(refusal)) from None
    if len(password) < MIN_PASSWORD:
        raise ControlError(f"a password needs at least {MIN_PASSWORD} characters")
    realm = config.realm
    ha1 = {a: ha1_of(a, name, realm, password) for a in config.registrar.algorithms}
    return User(name, realm, ha1, operator.clock())


async def get_bindings(operator: Operator, aor: str | None = None) -> list[Binding]:
    """The live bindings of one address or of all, by address and best first."""
    key = None if aor is None else _key(aor)
    found = await operator.store.bindings(key, operator.clock())
    return sorted(found, key=lambda b: (b.aor, -b.q, -b.registered_at))


async def remove_bindings(
    operator: Operator, aor: str, *, what_if: bool = False
) -> list[Binding]:
    """Take the bindings of an address away; its client may register again."""
    key, now = _key(aor), operator.clock()
    if what_if:
        gone = await operator.store.bindings(key, now)
    else:
        gone = await operator.store.remove_bindings(key, operator.actor, now)
    if not gone:
        raise ControlError(
            f'nobody is registered as "{aor}": "waypost binding list" shows who is',
            kind="missing",
        )
    return gone


def _key(aor: str) -> str:
    try:
        return normalise_address(aor)[1]
    except Refused as refusal:
        raise ControlError(str(refusal)) from None
