"""Who may use the console: named tokens and people, and the store's part of it.

Only proofs are stored, never a token or a password: SHA-256 of a token, which is
random, and scrypt of a password, which is not.
"""

from dataclasses import dataclass
from typing import Final, Literal, Protocol

from proxy.store.actor import Actor

AccessKind = Literal["token", "person"]
Role = Literal["viewer", "operator", "admin"]
ROLES: Final[tuple[Role, ...]] = ("viewer", "operator", "admin")
MAX_ACCESSES: Final = 1000
"""Tokens and people that a store keeps: every request is compared with all tokens."""


@dataclass(frozen=True, slots=True)
class Access:
    """A token or a person.

    ``domains`` and ``endpoints`` (``user@host``, lower case) are the scope; both empty
    is everything.  ``ends_at`` is None for one that does not end.  ``used_at`` and
    ``used_from`` tell of the last use and are kept apart from the rest.
    """

    kind: AccessKind
    name: str
    role: Role
    proof: str
    domains: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    created_at: float = 0.0
    created_by: str = ""
    ends_at: float | None = None
    used_at: float = 0.0
    used_from: str = ""

    @property
    def is_scoped(self) -> bool:
        """Not for everything."""
        return bool(self.domains or self.endpoints)

    def has_ended(self, now: float) -> bool:
        """Its time is over."""
        return self.ends_at is not None and now >= self.ends_at

    def may(self, role: Role) -> bool:
        """Whether this may do what ``role`` may."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def covers(self, key: str) -> bool:
        """Whether an endpoint or AOR (``user@host``) is in the scope."""
        if not self.is_scoped:
            return True
        return key in self.endpoints or key.partition("@")[2] in self.domains


def access_to_json(access: Access) -> list[object]:
    """What is stored of one, as JSON values; kind, name and last use are beside it."""
    return [
        *(access.role, access.proof, list(access.domains), list(access.endpoints)),
        *(access.created_at, access.created_by, access.ends_at),
    ]


def access_from_json(
    kind: AccessKind,
    name: str,
    values: list[object],
    used_at: float = 0.0,
    used_from: str = "",
) -> Access:
    """What ``access_to_json`` wrote, with its last use."""
    role, proof, domains, endpoints, created_at, created_by, ends_at = values
    return Access(
        *(kind, name, role, proof, tuple(domains), tuple(endpoints)),  # type: ignore[arg-type]
        *(created_at, created_by, ends_at, used_at, used_from),  # type: ignore[arg-type]
    )


class AccessStore(Protocol):
    """Every method may raise StoreError."""

    async def accesses(self) -> list[Access]:
        """Every token and person, tokens last, by name."""

    async def set_access(
        self, access: Access, verb: str, actor: Actor, now: float, *, is_new: bool
    ) -> bool:
        """Write one whole; False, and nothing is written, when ``is_new`` and there is
        one of that name, or not ``is_new`` and there is none."""

    async def remove_access(
        self, kind: AccessKind, name: str, verb: str, actor: Actor, now: float
    ) -> bool:
        """Take one away; False when there was none."""

    async def note_access_use(
        self, kind: AccessKind, name: str, at: float, source: str
    ) -> None:
        """Note a last use; not in the history."""

    async def note_look(
        self, actor: Actor, verb: str, call_id: str, now: float
    ) -> None:
        """Write into the history that somebody looked at a call; nothing changes."""
