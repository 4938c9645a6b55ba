"""The interface of the store, for everything that uses it.

Nothing of a particular database may show here.  Every store keeps the same promises:

* ``change`` reads, decides, writes and audits in one transaction, and returns only
  when a power cut or ``kill -9`` can no longer lose it.
* Several processes may use one store at the same time.
* ``table_version`` grows with every change that a request could notice.
"""

from collections.abc import Mapping
from typing import Protocol

from proxy.endpoints.changes import Decide, RowChange
from proxy.endpoints.model import Cutover
from proxy.endpoints.table import EndpointTable
from proxy.store.access import AccessStore
from proxy.store.actor import Actor
from proxy.store.audit_row import AuditRow
from proxy.store.ledger import LedgerStore
from proxy.store.news import NewsStore
from proxy.store.nodes import NodeStore
from proxy.store.registrar import RegistrarStore
from proxy.store.watch import WatchStore


class Store(
    RegistrarStore,
    LedgerStore,
    AccessStore,
    NewsStore,
    NodeStore,
    WatchStore,
    Protocol,
):
    """Every method may raise StoreError."""

    async def load_table(self) -> EndpointTable:
        """The whole table as it is at one moment."""

    async def table_version(self) -> int:
        """The version of the table; cheap enough to ask four times a second."""

    async def hmac_key(self) -> bytes:
        """32 secret bytes shared by all users of this store, made once."""

    async def change(
        self, actor: Actor, verb: str, decide: Decide, now: float
    ) -> list[RowChange]:
        """Make the row changes that ``decide`` returns for the present table, all or
        none.

        ``decide`` may be called more than once, so it must have no effects.  What it
        raises goes to the caller, and nothing is written.
        """

    async def history(self, key: str | None = None, limit: int = 100) -> list[AuditRow]:
        """The row changes of one row or of all, the newest first."""

    async def audit_row(self, number: int) -> AuditRow | None:
        """One row change by its number; None when there is none."""

    async def audit_batch(self, number: int) -> list[AuditRow]:
        """All row changes of the transaction that made this one; empty when there is no
        row of that number."""

    async def cutovers(self) -> list[Cutover]:
        """Every cutover with its switches, the newest first."""

    async def learn(
        self, uri: str, pool_fqdn: str, endpoint_key: str, now: float
    ) -> bool:
        """Save that a pool handed out ``uri``; False when that changed nothing.

        An unknown endpoint is no error, because it may have been removed meanwhile.
        Raises MalformedMessage when ``uri`` is not a SIP URI with a user.
        """

    async def touch_learned(self, used: Mapping[str, float]) -> None:
        """Set the time of last use of learned URIs, by key; it only moves forward."""

    async def forget_learned(self, before: float) -> int:
        """Forget learned URIs last used before an instant; returns how many."""

    async def try_write(self, *, is_thorough: bool = False) -> None:
        """Write a value that is never read, to find out whether writing works.

        With ``is_thorough`` it writes as much as a real change needs, and does not wait
        long for locks.
        """

    async def tidy(self) -> None:
        """Put files in order; one process calls this from time to time."""

    async def close(self) -> None:
        """Close the store; closing twice is allowed."""
