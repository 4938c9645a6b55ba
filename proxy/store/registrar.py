"""The registrar's part of the store: bindings, users and conflicts.

Bindings are saved in groups.  ``save_bindings`` returns only when a power cut or
``kill -9`` can no longer lose any of them, because a 200 OK is a promise.
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from proxy.location.binding import Binding, BindingChange
from proxy.store.actor import Actor

MAX_CONFLICTS: Final = 1000
"""Conflicts that a store keeps: beyond that, the oldest go."""


@dataclass(frozen=True, slots=True)
class User:
    """A user that may register with a password.

    ``name`` is the digest user name, ``alice`` or ``alice@contoso.com``; ``ha1`` maps
    an algorithm's name to HA1 in hexadecimal (RFC 7616 section 3.4.2).
    """

    name: str
    realm: str
    ha1: Mapping[str, str]
    changed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Conflict:
    """A client that still registers for an address that is an endpoint now."""

    endpoint_key: str
    source: str
    user_agent: str
    contact: str
    first_at: float
    last_at: float
    count: int = 1


class RegistrarStore(Protocol):
    """Every method may raise StoreError.  Instants are seconds since the epoch."""

    def save_bindings(self, changes: Sequence[BindingChange]) -> Awaitable[None]:
        """Set and remove bindings, all or none; at most one change per contact."""

    async def bindings(self, aor: str | None, now: float) -> list[Binding]:
        """The live bindings of one AOR (``user@host``, lower case) or of all."""

    async def remove_bindings(
        self, aor: str, actor: Actor, now: float
    ) -> list[Binding]:
        """Remove the bindings of an AOR for an operator; returns them."""

    async def forget_bindings(self, before: float) -> int:
        """Delete bindings that expired before an instant; returns how many."""

    async def users(self) -> list[User]:
        """Every user by name."""

    async def set_user(self, user: User, verb: str, actor: Actor) -> None:
        """Write a user; it replaces an older one of that name."""

    async def remove_user(self, name: str, actor: Actor, now: float) -> bool:
        """Remove a user; False when there was none."""

    async def registrar_version(self) -> int:
        """A number that grows when an operator changes users or bindings; it is cheap
        to ask for."""

    async def note_conflict(self, conflict: Conflict) -> None:
        """Count a refused registration; one row per endpoint and source."""

    async def conflicts(self, endpoint_key: str | None = None) -> list[Conflict]:
        """Conflicts of one endpoint or of all, the newest first."""
