"""One SQLite file, used from one thread: the statements of the embedded store.

Its methods block; ``store.py`` puts them behind the asynchronous interface.  WAL lets
readers go on while one process writes.  ``synchronous=FULL`` makes a commit survive a
power cut.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from proxy.endpoints.changes import Decide, RowChange
from proxy.endpoints.codec import (
    cutover_from_json,
    drain_from_json,
    endpoint_from_json,
    pool_from_json,
    row_to_json,
)
from proxy.endpoints.model import Cutover
from proxy.endpoints.table import EndpointTable
from proxy.sip.errors import MalformedMessage
from proxy.sip.uri import parse_uri
from proxy.store.actor import Actor
from proxy.store.errors import StoreError
from proxy.store.nodes import NodeRecord
from proxy.store.sqlite.access import SqliteAccess
from proxy.store.sqlite.audit import SqliteAudit
from proxy.store.sqlite.errors import store_error
from proxy.store.sqlite.learned import SqliteLearned
from proxy.store.sqlite.ledger import SqliteLedger
from proxy.store.sqlite.migrations import NEWEST, SchemaTooNew, migrate, schema_version
from proxy.store.sqlite.news import SqliteNews
from proxy.store.sqlite.place import REPLACED, SECRET, Identity, prepare, secret_of
from proxy.store.sqlite.registrar import SqliteRegistrar
from proxy.store.sqlite.unknown import SqliteUnknown
from proxy.store.sqlite.watch import SqliteWatch

BUSY_SECONDS: Final = 5.0
_TABLE: Final = {
    "endpoint": ("endpoints", "key"),
    "pool": ("pools", "fqdn"),
    "cutover": ("cutovers", "number"),
    "drain": ("drains", "key"),
}
SHORT_BUSY: Final = 0.25
THOROUGH_BYTES: Final = 32 * 1024

P = ParamSpec("P")
T = TypeVar("T")


def _mapped(method: Callable[P, T]) -> Callable[P, T]:
    """Turn the errors of SQLite into StoreError, here and nowhere else."""

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except sqlite3.Error as error:
            file = args[0]
            assert isinstance(file, SqliteFile)
            raise store_error(file.path, error) from error

    return call


class SqliteFile:
    """An open file with the newest schema; raises StoreError from every method."""

    def __init__(self, path: Path, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self._busy = busy_seconds
        self._data_version = -1
        self._version = 0
        prepare(path)
        before = Identity.of(path).file
        try:
            self._db = sqlite3.connect(
                path, timeout=busy_seconds, isolation_level=None, cached_statements=64
            )
        except sqlite3.Error as error:
            raise store_error(path, error) from error
        try:
            self._set_up(busy_seconds)
            self._identity = Identity.of(path)
            if self._identity.file != before:
                # A restore has just replaced the file: our writes would be lost.
                told = f"the store {path} was replaced while it was opened: try again"
                raise StoreError(told, is_passing=True)
        except BaseException:
            self._db.close()
            raise
        self._learned = SqliteLearned(self._db)
        self.registrar = SqliteRegistrar(self._db, self._transaction)
        self.news = SqliteNews(self._db, self.registrar)
        self.ledger = SqliteLedger(self._db, self._transaction)
        self.unknown = SqliteUnknown(self._db, self._transaction)
        self.audit = SqliteAudit(self._db)
        self.access = SqliteAccess(self._db, self._transaction)
        self.watch = SqliteWatch(self._db, self._transaction)

    @_mapped
    def _set_up(self, busy_seconds: float) -> None:
        self._use_wal(busy_seconds)
        self._db.execute("PRAGMA synchronous = FULL")
        try:
            if schema_version(self._db) != NEWEST:
                with self._transaction():
                    migrate(self._db)
        except SchemaTooNew as error:
            raise StoreError(
                f"{self.path} was written by a newer waypost (schema {error.found}, "
                f"this one knows up to {NEWEST}): upgrade this one, or restore the "
                "backup made before the upgrade"
            ) from None

    def _use_wal(self, busy_seconds: float) -> None:
        """Switch to WAL; SQLite does not wait here when another process does it too."""
        if self._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            return
        give_up = time.monotonic() + busy_seconds
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > give_up:
                    raise
                time.sleep(0.02)

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        self._db.execute(f"BEGIN {kind}")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @_mapped
    def load_table(self) -> EndpointTable:
        """The whole table, from one read transaction."""
        with self._transaction("DEFERRED"):
            return self._table(with_learned=True)

    def _table(self, *, with_learned: bool) -> EndpointTable:
        rows = self._db.execute
        return EndpointTable(
            [
                endpoint_from_json(json.loads(body))
                for (body,) in rows("SELECT body FROM endpoints ORDER BY key")
            ],
            [
                pool_from_json(json.loads(body))
                for (body,) in rows("SELECT body FROM pools ORDER BY fqdn")
            ],
            self._learned.rows() if with_learned else (),
            self._read_version(),
            self._cutover(),
            [
                drain_from_json(json.loads(body))
                for (body,) in rows("SELECT body FROM drains ORDER BY key")
            ],
        )

    def _cutover(self) -> Cutover | None:
        row = self._db.execute(
            "SELECT body FROM cutovers ORDER BY number DESC LIMIT 1"
        ).fetchone()
        return cutover_from_json(json.loads(row[0])) if row else None

    def _read_version(self) -> int:
        row = self._db.execute(
            "SELECT value FROM meta WHERE key = 'table_version'"
        ).fetchone()
        return int(row[0])

    def _next_version(self) -> int:
        row = self._db.execute(
            "UPDATE meta SET value = value + 1 WHERE key = 'table_version'"
            " RETURNING value"
        ).fetchall()
        return int(row[0][0])

    @_mapped
    def table_version(self) -> int:
        """The version; reads the row only when some process wrote since last time."""
        data_version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if data_version != self._data_version:
            # It was asked for first, so that a write in between is seen next time.
            self._data_version = data_version
            self._version = self._read_version()
        return self._version

    @_mapped
    def hmac_key(self) -> bytes:
        """The secret that was made with the file."""
        return bytes(self._db.execute(SECRET).fetchone()[0])

    @_mapped
    def change(
        self, actor: Actor, verb: str, decide: Decide, now: float
    ) -> list[RowChange]:
        """Decide, write and audit in one transaction."""
        with self._transaction():
            changes = list(decide(self._table(with_learned=False)))
            if not changes:
                return []
            version = self._next_version()
            for change in changes:
                self._write(change)
                self.audit.write(change, actor, verb, version, now)
        # Our own commit does not move our data_version.
        self._version = version
        return changes

    def _write(self, change: RowChange) -> None:
        table, column = _TABLE[change.kind]
        if change.after is not None:
            self._db.execute(
                f"INSERT OR REPLACE INTO {table} VALUES (?, ?)",
                (change.key, json.dumps(row_to_json(change.after))),
            )
            return
        self._db.execute(f"DELETE FROM {table} WHERE {column} = ?", (change.key,))
        if change.kind == "endpoint":
            self._learned.forget_endpoint(change.key)

    @_mapped
    def learn(self, uri: str, pool_fqdn: str, endpoint_key: str, now: float) -> bool:
        """Insert or use a learned URI of an endpoint that exists, a row for a pool."""
        key = parse_uri(uri.encode())
        if key.user is None:
            raise MalformedMessage("learned URI without a user")
        with self._transaction():
            changed = self._learned.learn(key.key, uri, pool_fqdn, endpoint_key, now)
            version = self._next_version() if changed else self._version
        self._version = version
        return changed

    @_mapped
    def touch_learned(self, used: Mapping[str, float]) -> None:
        """Times of last use, which only move forward; no new version of the table."""
        with self._transaction():
            self._learned.touch(used)

    @_mapped
    def forget_learned(self, before: float) -> int:
        """Delete what was last used before an instant."""
        with self._transaction():
            gone = self._learned.forget(before)
            if gone:
                version = self._next_version()
        if gone:
            self._version = version
        return gone

    @_mapped
    def announce_node(self, uri: str, seen_at: float) -> int:
        """Insert or move a node; its number."""
        with self._transaction():
            row = self._db.execute(
                "INSERT INTO nodes (uri, seen_at) VALUES (?, ?) ON CONFLICT (uri)"
                " DO UPDATE SET seen_at = excluded.seen_at RETURNING number",
                (uri, seen_at),
            ).fetchall()
        return int(row[0][0])

    @_mapped
    def nodes(self) -> list[NodeRecord]:
        """Every node by number."""
        rows = self._db.execute("SELECT number, uri, seen_at FROM nodes ORDER BY 1")
        return [NodeRecord(*row) for row in rows]

    @_mapped
    def try_write(self, is_thorough: bool) -> None:
        """Write a value that is never read.

        One page may still find room where a REGISTER does not.  So after a failure the
        check is ``is_thorough``; it does not wait long for locks.
        """
        body = bytes(THOROUGH_BYTES if is_thorough else 1)
        with self._impatient() if is_thorough else nullcontext(), self._transaction():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('probe', ?)", (body,))

    @contextmanager
    def _impatient(self) -> Iterator[None]:
        self._db.execute(f"PRAGMA busy_timeout = {int(SHORT_BUSY * 1000)}")
        try:
            yield
        finally:
            self._db.execute(f"PRAGMA busy_timeout = {int(self._busy * 1000)}")

    @_mapped
    def tidy(self) -> None:
        """Move the log's content into the file, and empty the log.

        SQLite does that by itself only after 4 MB, which a store of ours may never
        reach: all of it would stay in the log.  While somebody reads, it is left for
        the next time.
        """
        with self._impatient():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    # -- is it still the file that stands there? -----------------------------------

    def fresh(self) -> "SqliteFile | None":
        """The same store opened anew, if the file at the path is no longer the one that
        we have open; None if it is (decision 88).

        Raises StoreError when the path has another store, or nothing: writes into a
        file that nobody can find would be lost.
        """
        found = Identity.of(self.path)
        if found == self._identity:
            return None
        if found.file == self._identity.file:
            if self._identity.log is None:
                self._identity = found
                return None
            if found.log is not None:
                raise StoreError(f"the log {self.path}-wal {REPLACED}")
            # When SQLite closes, it writes the content of the lost log into the file.
            self.close()
        elif found.file is None or secret_of(self.path) != self.hmac_key():
            raise StoreError(f"the store {self.path} {REPLACED}")
        else:
            # SQLite sees that our file has moved, and leaves the new one's log alone.
            self.close()
        fresh = SqliteFile(self.path, self._busy)
        fresh.news.is_new_file = True
        return fresh

    def close(self) -> None:
        """Close the file."""
        self._db.close()
