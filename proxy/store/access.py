"""The store's part for the console: named tokens, and people.

Only proofs are stored, never a token or a password.  The proof of a token, which is
random, is its SHA-256; that of a password, which can be guessed, is scrypt.
"""

from dataclasses import dataclass
from typing import Final, Literal, Protocol

from proxy.store.actor import Actor

AccessKind = Literal["token", "person"]
Role = Literal["viewer", "operator", "admin"]
ROLES: Final[tuple[Role, ...]] = ("viewer", "operator", "admin")
MAX_ACCESSES: Final = 1000
"""Tokens and people that a store keeps; the token of a request is compared with all."""


@dataclass(frozen=True, slots=True)
class Access:
    """A token or a person.

    ``domains`` and ``endpoints`` (``user@host``, lower case) are the scope; when both
    are empty, that is everything.  ``ends_at`` is None for one that does not end.
    ``used_at`` and ``used_from`` are the last use, and are stored apart from the rest.
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
        """Whether it is not for everything."""
        return bool(self.domains or self.endpoints)

    def has_ended(self, now: float) -> bool:
        """Whether its time is over."""
        return self.ends_at is not None and now >= self.ends_at

    def may(self, role: Role) -> bool:
        """Whether it may do what ``role`` may."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def covers(self, key: str) -> bool:
        """Whether an endpoint or AOR (``user@host``) is in the scope."""
        if not self.is_scoped:
            return True
        return key in self.endpoints or key.partition("@")[2] in self.domains


def access_to_json(access: Access) -> list[object]:
    """The stored values in JSON's types, without kind, name and last use, which have
    columns of their own."""
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
    """The reverse of ``access_to_json``, with the last use."""
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
        """Write a token or person.

        With ``is_new`` the name must be free, without it the name must exist; else
        nothing is written, and the result is False.
        """

    async def remove_access(
        self, kind: AccessKind, name: str, verb: str, actor: Actor, now: float
    ) -> bool:
        """Remove a token or person; False when there was none."""

    async def note_access_use(
        self, kind: AccessKind, name: str, at: float, source: str
    ) -> None:
        """Note the last use, without a row in the history."""

    async def note_look(
        self, actor: Actor, verb: str, call_id: str, now: float
    ) -> None:
        """Write into the history that somebody has looked at a call."""
