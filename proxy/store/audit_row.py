"""One entry of the history that every store keeps of its changes."""

from dataclasses import dataclass
from typing import Literal

from proxy.endpoints.changes import Kind
from proxy.endpoints.codec import Row
from proxy.store.actor import Actor


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row change that was made.

    ``number`` is its place in the history.  The rows of one transaction share
    ``version``, the version of the table that it made.  For users, bindings, tokens and
    people the history only says that they were changed: ``before`` and ``after`` are
    None.  When the ledger has forgotten a user, ``key`` does not name the user.
    """

    number: int
    version: int
    at: float
    actor: Actor
    verb: str
    kind: Kind | Literal["user", "binding", "token", "person", "call", "usage"]
    key: str
    before: Row | None
    after: Row | None
