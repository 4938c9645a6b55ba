"""The store as one caller may use it: the role limits what it does, the scope what it
sees.

The last guard, under every route and command: one that forgot to check the role still
cannot do more.  A method that is not named here belongs to the service alone.
"""

from collections.abc import Sequence
from typing import Any, Final

from proxy.admin.control import ControlError
from proxy.endpoints.address import Refused
from proxy.endpoints.changes import Decide, RowChange
from proxy.endpoints.model import Cutover
from proxy.endpoints.pool_usage import PoolUsage, UserDays
from proxy.endpoints.table import EndpointTable
from proxy.endpoints.usage import Usage
from proxy.location.binding import Binding
from proxy.store import Actor, AuditRow, Conflict, Store, User
from proxy.store.access import Access, AccessKind, Role

READS: Final = frozenset(
    {"table_version", "registrar_version", "note", "nodes", "guarded"}
)
"""What every caller may ask, whatever the scope."""


class GuardedStore:
    """A Store for one token or person; closing it is its owner's business."""

    def __init__(self, store: Store, access: Access) -> None:
        self._store = store
        self._access = access

    def __getattr__(self, name: str) -> Any:
        if name in READS:
            return getattr(self._store, name)
        raise AttributeError(f"{name} is not for the console: see guarded_store.py")

    # -- changes -----------------------------------------------------------------

    async def change(
        self, actor: Actor, verb: str, decide: Decide, now: float
    ) -> list[RowChange]:
        """See Store; what is out of the scope stays as it is."""
        require(self._access, "operator")

        def judged(table: EndpointTable) -> Sequence[RowChange]:
            found = decide(table)
            allow(self._access, found)
            return found

        return await self._store.change(actor, verb, judged, now)

    async def remove_bindings(
        self, aor: str, actor: Actor, now: float
    ) -> list[Binding]:
        """See RegistrarStore."""
        require(self._access, "operator", aor)
        return await self._store.remove_bindings(aor, actor, now)

    async def set_user(self, user: User, verb: str, actor: Actor) -> None:
        """See RegistrarStore."""
        require(self._access, "operator", user.name)
        await self._store.set_user(user, verb, actor)

    async def remove_user(self, name: str, actor: Actor, now: float) -> bool:
        """See RegistrarStore."""
        require(self._access, "operator", name)
        return await self._store.remove_user(name, actor, now)

    async def set_note(self, name: str, body: str) -> None:
        """See LedgerStore; a runbook that a viewer looks at remembers nothing.

        A note is everybody's: who sees a part would note that all is well.
        """
        require_unscoped(self._access)
        if self._access.may("operator"):
            await self._store.set_note(name, body)

    async def forget_user(self, aor: str, actor: Actor, now: float) -> int:
        """See LedgerStore; it takes from the ledger of every endpoint."""
        require_everything(self._access)
        return await self._store.forget_user(aor, actor, now)

    async def note_look(
        self, actor: Actor, verb: str, call_id: str, now: float
    ) -> None:
        """See AccessStore; calls are of everybody."""
        require(self._access, "operator")
        require_unscoped(self._access)
        await self._store.note_look(actor, verb, call_id, now)

    async def set_access(
        self, access: Access, verb: str, actor: Actor, now: float, *, is_new: bool
    ) -> bool:
        """See AccessStore."""
        require_everything(self._access)
        return await self._store.set_access(access, verb, actor, now, is_new=is_new)

    async def remove_access(
        self, kind: AccessKind, name: str, verb: str, actor: Actor, now: float
    ) -> bool:
        """See AccessStore."""
        require_everything(self._access)
        return await self._store.remove_access(kind, name, verb, actor, now)

    # -- looks -------------------------------------------------------------------

    async def accesses(self) -> list[Access]:
        """See AccessStore."""
        require_everything(self._access)
        return await self._store.accesses()

    async def load_table(self) -> EndpointTable:
        """See Store: the part of the table that is in the scope."""
        return self._part(await self._store.load_table())

    def _part(self, table: EndpointTable) -> EndpointTable:
        access = self._access
        if not access.is_scoped:
            return table
        endpoints = [x for x in table.endpoints.values() if access.covers(x.key)]
        used = {fqdn for each in endpoints for fqdn in each.pools}
        cutover = table.cutover
        if cutover and not self._covers(cutover):
            cutover = None
        if cutover and cutover.is_open:
            used |= cutover.pools_before
        return EndpointTable(
            endpoints,
            [pool for pool in table.pools.values() if pool.fqdn.lower() in used],
            [x for x in table.learned_uris() if access.covers(x.endpoint_key)],
            table.version,
            cutover,
            # A row for every pool names no pool of theirs or of others: none is shown.
            [drain for drain in table.drains if drain.pool in used],
        )

    async def history(self, key: str | None = None, limit: int = 100) -> list[AuditRow]:
        """See Store."""
        if not self._access.is_scoped:
            return await self._store.history(key, limit)
        rows = await self._store.history(key, SEARCHED)
        return [row for row in rows if self._sees(row)][:limit]

    def _sees(self, row: AuditRow) -> bool:
        return row.kind in ("endpoint", "binding", "user") and self._access.covers(
            row.key
        )

    async def audit_row(self, number: int) -> AuditRow | None:
        """See Store."""
        row = await self._store.audit_row(number)
        if row is None or (self._access.is_scoped and not self._sees(row)):
            return None
        return row

    async def audit_batch(self, number: int) -> list[AuditRow]:
        """See Store; of a change that is partly out of the scope nothing."""
        rows = await self._store.audit_batch(number)
        if self._access.is_scoped and not all(map(self._sees, rows)):
            return []
        return rows

    async def cutovers(self) -> list[Cutover]:
        """See Store: those that are in the scope as a whole."""
        found = await self._store.cutovers()
        return [each for each in found if self._covers(each)]

    def _covers(self, cutover: Cutover) -> bool:
        return all(self._access.covers(each.after.key) for each in cutover.switches)

    async def bindings(self, aor: str | None, now: float) -> list[Binding]:
        """See RegistrarStore."""
        found = await self._store.bindings(aor, now)
        return [each for each in found if self._access.covers(each.aor)]

    async def users(self) -> list[User]:
        """See RegistrarStore."""
        found = await self._store.users()
        return [each for each in found if self._access.covers(each.name)]

    async def conflicts(self, endpoint_key: str | None = None) -> list[Conflict]:
        """See RegistrarStore."""
        found = await self._store.conflicts(endpoint_key)
        return [each for each in found if self._access.covers(each.endpoint_key)]

    async def usage(self, endpoint_key: str | None = None) -> list[Usage]:
        """See LedgerStore."""
        found = await self._store.usage(endpoint_key)
        return [each for each in found if self._access.covers(each.endpoint_key)]

    async def unknown(self) -> list[Usage]:
        """See LedgerStore; what has no name is of no scope."""
        found = await self._store.unknown()
        return [each for each in found if self._access.covers(each.endpoint_key)]

    async def pool_usage(self, endpoint_key: str | None = None) -> list[PoolUsage]:
        """See LedgerStore."""
        found = await self._store.pool_usage(endpoint_key)
        return [each for each in found if self._access.covers(each.endpoint_key)]

    async def user_days(self, endpoint_key: str | None = None) -> list[UserDays]:
        """See LedgerStore."""
        found = await self._store.user_days(endpoint_key)
        return [each for each in found if self._access.covers(each.endpoint_key)]

    async def close(self) -> None:
        """Nothing: the code that opened the store closes it."""


SEARCHED: Final = 10_000
"""Rows of the history that are looked through for those of a scope."""


def require(access: Access, role: Role, key: str = "") -> None:
    """Refuse a caller with less than a role, or a key outside the scope."""
    if not access.may(role):
        raise ControlError(
            f'the {access.kind} "{access.name}" has the role {access.role}, and this '
            f"needs {role}",
            kind="forbidden",
        )
    if key and not access.covers(key):
        raise ControlError(_out_of_scope(access, key), kind="forbidden")


def require_everything(access: Access) -> None:
    """Refuse a caller that is not an admin over everything: tokens, people and the
    ledger have no scope."""
    require(access, "admin")
    require_unscoped(access)


def require_unscoped(access: Access) -> None:
    """Refuse whoever is for a part only."""
    if access.is_scoped:
        text = _out_of_scope(access, "what belongs to the whole service")
        raise ControlError(text, kind="forbidden")


def allow(access: Access, changes: Sequence[RowChange]) -> None:
    """Refuse changes of rows that are not in the scope; raises Refused."""
    for change in changes:
        keys = _keys_of(change) if access.is_scoped else []
        strange = next((key for key in keys if not access.covers(key)), None)
        if strange is not None:
            raise Refused(_out_of_scope(access, strange), "forbidden")


def _keys_of(change: RowChange) -> list[str]:
    """The endpoints that a change is about; no caller with a scope has all of a
    pool."""
    if isinstance(change.row, Cutover):
        return [each.after.key for each in change.row.switches]
    return [change.key]


def _out_of_scope(access: Access, what: str) -> str:
    scope = ", ".join((*access.domains, *access.endpoints))
    return f'the {access.kind} "{access.name}" is for {scope}, which leaves out {what}'
