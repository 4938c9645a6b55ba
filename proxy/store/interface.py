"""The store as everything else sees it: persistence behind one interface.

Nothing of a particular database may leak through here; every store keeps the same
promises:

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
        """The whole table as it is now, consistent in itself."""

    async def table_version(self) -> int:
        """The version of the table; cheap enough to ask four times a second."""

    async def hmac_key(self) -> bytes:
        """32 secret bytes shared by all users of this store, made once."""

    async def change(
        self, actor: Actor, verb: str, decide: Decide, now: float
    ) -> list[RowChange]:
        """Make the row changes that ``decide`` finds right, all or none.

        ``decide`` may be called more than once and must not have effects; what it
        raises comes out of here and nothing is written.
        """

    async def history(self, key: str | None = None, limit: int = 100) -> list[AuditRow]:
        """The newest row changes first, of one row or of all."""

    async def audit_row(self, number: int) -> AuditRow | None:
        """One row change by its number; None when there is none."""

    async def audit_batch(self, number: int) -> list[AuditRow]:
        """All row changes of the one that row was made in; none when it is none."""

    async def cutovers(self) -> list[Cutover]:
        """Every cutover with its switches, the newest first."""

    async def learn(
        self, uri: str, pool_fqdn: str, endpoint_key: str, now: float
    ) -> bool:
        """Remember that a pool handed out ``uri``; False when that changed nothing.

        Unknown endpoints are not an error: one may have been removed meanwhile.
        Raises MalformedMessage when ``uri`` is not a SIP URI with a user.
        """

    async def touch_learned(self, used: Mapping[str, float]) -> None:
        """Move the time of last use of learned URIs, given by key."""

    async def forget_learned(self, before: float) -> int:
        """Forget learned URIs last used before an instant; how many went."""

    async def try_write(self, *, is_thorough: bool = False) -> None:
        """Write a value that is never read, to find out whether writing works.

        ``is_thorough``: as much as a real change needs, and without much patience.
        """

    async def tidy(self) -> None:
        """Put files in order; for one process, from time to time."""

    async def close(self) -> None:
        """Give everything back; closing twice is allowed."""
