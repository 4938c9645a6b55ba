"""The embedded store behind the asynchronous interface: one file, one thread.

Statements run in a thread, so that a commit (milliseconds of disk) never holds up the
event loop.  There is only one thread, so that calls keep their order.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

from proxy.endpoints.changes import Decide, RowChange
from proxy.endpoints.model import Cutover
from proxy.endpoints.pool_usage import PoolUsage, UserDays
from proxy.endpoints.table import EndpointTable
from proxy.endpoints.usage import Usage
from proxy.location.binding import Binding, BindingChange
from proxy.store.access import Access, AccessKind
from proxy.store.actor import Actor
from proxy.store.audit_row import AuditRow
from proxy.store.errors import StoreError
from proxy.store.news import Known, News
from proxy.store.nodes import NodeRecord
from proxy.store.registrar import Conflict, User
from proxy.store.sqlite.errors import store_error
from proxy.store.sqlite.file import BUSY_SECONDS, SqliteFile
from proxy.store.sqlite.thread import StoreThread

P = ParamSpec("P")
T = TypeVar("T")


class SqliteStore:
    """A Store in an SQLite file."""

    def __init__(self, file: SqliteFile, thread: StoreThread) -> None:
        self._file = file
        self._thread = thread
        self._is_closed = False

    @classmethod
    async def open(
        cls, path: Path, busy_seconds: float = BUSY_SECONDS
    ) -> "SqliteStore":
        """Open or make the file; raises StoreError."""
        thread = StoreThread()
        try:
            file = await thread.do(lambda: SqliteFile(path, busy_seconds))
        except BaseException:
            thread.end()
            raise
        return cls(file, thread)

    def _run(
        self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> "asyncio.Future[T]":
        if self._is_closed:
            raise StoreError("the store has been closed")
        meant = self._file

        def work() -> T:
            fresh = self._file.fresh()
            if fresh is not None:
                self._file = fresh
            if self._file is not meant:
                # This call, or one that waited before it, was meant for the old file;
                # the next one uses the new file.
                raise StoreError(
                    f"the store {meant.path} was put back and opened again",
                    is_passing=True,
                )
            try:
                return method(*args, **kwargs)
            except sqlite3.Error as error:
                raise store_error(self._file.path, error) from error

        return self._thread.do(work)

    async def load_table(self) -> EndpointTable:
        """See Store."""
        return await self._run(self._file.load_table)

    async def table_version(self) -> int:
        """See Store."""
        return await self._run(self._file.table_version)

    async def hmac_key(self) -> bytes:
        """See Store."""
        return await self._run(self._file.hmac_key)

    async def change(
        self, actor: Actor, verb: str, decide: Decide, now: float
    ) -> list[RowChange]:
        """See Store."""
        return await self._run(self._file.change, actor, verb, decide, now)

    async def history(self, key: str | None = None, limit: int = 100) -> list[AuditRow]:
        """See Store."""
        return await self._run(self._file.audit.history, key, limit)

    async def audit_row(self, number: int) -> AuditRow | None:
        """See Store."""
        return await self._run(self._file.audit.row, number)

    async def audit_batch(self, number: int) -> list[AuditRow]:
        """See Store."""
        return await self._run(self._file.audit.batch, number)

    async def cutovers(self) -> list[Cutover]:
        """See Store."""
        return await self._run(self._file.audit.cutovers)

    async def learn(
        self, uri: str, pool_fqdn: str, endpoint_key: str, now: float
    ) -> bool:
        """See Store."""
        return await self._run(self._file.learn, uri, pool_fqdn, endpoint_key, now)

    async def touch_learned(self, used: Mapping[str, float]) -> None:
        """See Store."""
        if used:
            await self._run(self._file.touch_learned, dict(used))

    async def forget_learned(self, before: float) -> int:
        """See Store."""
        return await self._run(self._file.forget_learned, before)

    def save_bindings(self, changes: Sequence[BindingChange]) -> Awaitable[None]:
        """See RegistrarStore.  A future, so that who awaits it needs no task."""
        return self._run(self._file.registrar.save_bindings, changes)

    async def bindings(self, aor: str | None, now: float) -> list[Binding]:
        """See RegistrarStore."""
        return await self._run(self._file.registrar.bindings, aor, now)

    async def remove_bindings(
        self, aor: str, actor: Actor, now: float
    ) -> list[Binding]:
        """See RegistrarStore."""
        return await self._run(self._file.registrar.remove_bindings, aor, actor, now)

    async def forget_bindings(self, before: float) -> int:
        """See RegistrarStore."""
        return await self._run(self._file.registrar.forget_bindings, before)

    async def news(self, mark: str) -> News:
        """See NewsStore."""
        return await self._run(self._file.news.news, mark)

    async def look_up(self, aors: Sequence[str], now: float) -> list[Known]:
        """See NewsStore."""
        return await self._run(self._file.news.look_up, aors, now)

    async def users(self) -> list[User]:
        """See RegistrarStore."""
        return await self._run(self._file.registrar.users)

    async def set_user(self, user: User, verb: str, actor: Actor) -> None:
        """See RegistrarStore."""
        await self._run(self._file.registrar.set_user, user, verb, actor)

    async def remove_user(self, name: str, actor: Actor, now: float) -> bool:
        """See RegistrarStore."""
        return await self._run(self._file.registrar.remove_user, name, actor, now)

    async def registrar_version(self) -> int:
        """See RegistrarStore."""
        return await self._run(self._file.registrar.registrar_version)

    async def note_conflict(self, conflict: Conflict) -> None:
        """See RegistrarStore."""
        await self._run(self._file.registrar.note_conflict, conflict)

    async def conflicts(self, endpoint_key: str | None = None) -> list[Conflict]:
        """See RegistrarStore."""
        return await self._run(self._file.registrar.conflicts, endpoint_key)

    async def add_usage(
        self,
        rows: Sequence[Usage],
        pools: Sequence[PoolUsage] = (),
        users: Sequence[UserDays] = (),
    ) -> None:
        """See LedgerStore."""
        if rows or pools or users:
            await self._run(self._file.ledger.add_usage, rows, pools, users)

    async def add_unknown(self, rows: Sequence[Usage]) -> None:
        """See LedgerStore."""
        if rows:
            await self._run(self._file.unknown.add_unknown, rows)

    async def unknown(self) -> list[Usage]:
        """See LedgerStore."""
        return await self._run(self._file.unknown.unknown)

    async def unknown_held(self) -> tuple[int, int]:
        """See LedgerStore."""
        return await self._run(self._file.unknown.held)

    async def pool_usage(self, endpoint_key: str | None = None) -> list[PoolUsage]:
        """See LedgerStore."""
        return await self._run(self._file.ledger.pool_usage, endpoint_key)

    async def user_days(self, endpoint_key: str | None = None) -> list[UserDays]:
        """See LedgerStore."""
        return await self._run(self._file.ledger.user_days, endpoint_key)

    async def forget_days(self, before: int) -> int:
        """See LedgerStore."""
        return await self._run(self._file.ledger.forget_days, before)

    async def forget_user(self, aor: str, actor: Actor, now: float) -> int:
        """See LedgerStore."""
        return await self._run(self._file.ledger.forget_user, aor, actor, now)

    async def usage(self, endpoint_key: str | None = None) -> list[Usage]:
        """See LedgerStore."""
        return await self._run(self._file.ledger.usage, endpoint_key)

    async def note(self, name: str) -> str:
        """See LedgerStore."""
        return await self._run(self._file.ledger.note, name)

    async def set_note(self, name: str, body: str) -> None:
        """See LedgerStore."""
        await self._run(self._file.ledger.set_note, name, body)

    async def accesses(self) -> list[Access]:
        """See AccessStore."""
        return await self._run(self._file.access.accesses)

    async def set_access(
        self, access: Access, verb: str, actor: Actor, now: float, *, is_new: bool
    ) -> bool:
        """See AccessStore."""
        method = self._file.access.set_access
        return await self._run(method, access, verb, actor, now, is_new)

    async def remove_access(
        self, kind: AccessKind, name: str, verb: str, actor: Actor, now: float
    ) -> bool:
        """See AccessStore."""
        method = self._file.access.remove_access
        return await self._run(method, kind, name, verb, actor, now)

    async def note_access_use(
        self, kind: AccessKind, name: str, at: float, source: str
    ) -> None:
        """See AccessStore."""
        await self._run(self._file.access.note_access_use, kind, name, at, source)

    async def note_look(
        self, actor: Actor, verb: str, call_id: str, now: float
    ) -> None:
        """See AccessStore."""
        await self._run(self._file.access.note_look, actor, verb, call_id, now)

    async def try_write(self, *, is_thorough: bool = False) -> None:
        """See Store."""
        await self._run(self._file.try_write, is_thorough)

    async def tidy(self) -> None:
        """See Store."""
        await self._run(self._file.tidy)

    async def hold_lease(self, name: str, holder: str, seconds: float) -> str:
        """See WatchStore."""
        return await self._run(self._file.watch.hold_lease, name, holder, seconds)

    async def add_guarded(self, cutover: int, counts: Mapping[str, int]) -> None:
        """See WatchStore."""
        await self._run(self._file.watch.add_guarded, cutover, dict(counts))

    async def guarded(self, cutover: int) -> dict[str, int]:
        """See WatchStore."""
        return await self._run(self._file.watch.guarded, cutover)

    async def announce_node(self, uri: str, seen_at: float) -> int:
        """See NodeStore."""
        return await self._run(self._file.announce_node, uri, seen_at)

    async def nodes(self) -> list[NodeRecord]:
        """See NodeStore."""
        return await self._run(self._file.nodes)

    async def close(self) -> None:
        """See Store."""
        if not self._is_closed:
            self._is_closed = True
            await self._thread.do(lambda: self._file.close())
            self._thread.end()
