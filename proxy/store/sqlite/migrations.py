"""The schema of the SQLite store, as numbered steps.

A step, once released, is never edited: a new one is added at the end.  Steps only add
(tables, columns, indexes), so that an older process that still runs keeps working
while a newer one migrates under it.
"""

import sqlite3
from typing import Final

STEPS: Final[tuple[tuple[str, ...], ...]] = (
    (
        # Rows are documents (endpoints/codec.py): their keys are what must be unique
        # or found, everything else is the codec's business on every kind of store.
        "CREATE TABLE endpoints (key TEXT PRIMARY KEY, body TEXT NOT NULL)"
        " WITHOUT ROWID",
        "CREATE TABLE pools (fqdn TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE learned (key TEXT PRIMARY KEY, uri TEXT NOT NULL,"
        " pool_fqdn TEXT NOT NULL, endpoint_key TEXT NOT NULL,"
        " learned_at REAL NOT NULL, last_used_at REAL NOT NULL) WITHOUT ROWID",
        "CREATE TABLE audit (number INTEGER PRIMARY KEY AUTOINCREMENT,"
        " version INTEGER NOT NULL, at REAL NOT NULL, actor TEXT NOT NULL,"
        " origin TEXT NOT NULL, verb TEXT NOT NULL, kind TEXT NOT NULL,"
        ' key TEXT NOT NULL, "before" TEXT, "after" TEXT)',
        "CREATE INDEX audit_by_key ON audit (key, number)",
        "INSERT INTO meta VALUES ('table_version', 0)",
        "INSERT INTO meta VALUES ('hmac_key', randomblob(32))",
    ),
    (
        # The columns of location/binding.py, in its order.
        "CREATE TABLE bindings (aor TEXT NOT NULL, key BLOB NOT NULL,"
        " uri BLOB NOT NULL, value BLOB NOT NULL, q REAL NOT NULL,"
        " expires_at REAL NOT NULL, registered_at REAL NOT NULL,"
        " call_id BLOB NOT NULL, cseq INTEGER NOT NULL, instance BLOB NOT NULL,"
        " reg_id INTEGER NOT NULL, epid TEXT NOT NULL, user_agent TEXT NOT NULL,"
        " source TEXT NOT NULL, path BLOB NOT NULL, flow BLOB NOT NULL,"
        " PRIMARY KEY (aor, key)) WITHOUT ROWID",
        # HA1 of RFC 7616 per algorithm, never a password.
        "CREATE TABLE users (name TEXT NOT NULL, algorithm TEXT NOT NULL,"
        " realm TEXT NOT NULL, ha1 TEXT NOT NULL, changed_at REAL NOT NULL,"
        " PRIMARY KEY (name, algorithm)) WITHOUT ROWID",
        "CREATE TABLE conflicts (endpoint_key TEXT NOT NULL, source TEXT NOT NULL,"
        " user_agent TEXT NOT NULL, contact TEXT NOT NULL, first_at REAL NOT NULL,"
        " last_at REAL NOT NULL, count INTEGER NOT NULL,"
        " PRIMARY KEY (endpoint_key, source)) WITHOUT ROWID",
        # Moves when an operator changes users or bindings under a running server.
        "INSERT INTO meta VALUES ('registrar_version', 0)",
    ),
    (
        "CREATE TABLE cutovers (number INTEGER PRIMARY KEY, body TEXT NOT NULL)",
        # The users of an endpoint: the columns of endpoints/usage.py, in its order.
        "CREATE TABLE usage (endpoint_key TEXT NOT NULL, aor TEXT NOT NULL,"
        " first_at REAL NOT NULL, last_at REAL NOT NULL, count INTEGER NOT NULL,"
        " failed INTEGER NOT NULL, user_agent TEXT NOT NULL, epid TEXT NOT NULL,"
        " source TEXT NOT NULL, PRIMARY KEY (endpoint_key, aor)) WITHOUT ROWID",
        # What a person ticked off in the runbook.
        "CREATE TABLE notes (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
    ),
    (
        # Which bindings were set or removed, for other processes on the file.
        "CREATE TABLE binding_changes (number INTEGER PRIMARY KEY AUTOINCREMENT,"
        " origin TEXT NOT NULL, aor TEXT NOT NULL, key BLOB NOT NULL)",
    ),
    (
        # The nodes that share this store: store/nodes.py.
        "CREATE TABLE nodes (number INTEGER PRIMARY KEY, uri TEXT NOT NULL UNIQUE,"
        " seen_at REAL NOT NULL)",
    ),
    (
        # Who may use the console: store/access.py.  The last use is apart, so that
        # noting one never brings back what was revoked at the same moment.
        "CREATE TABLE access (kind TEXT NOT NULL, name TEXT NOT NULL,"
        " body TEXT NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID",
        "CREATE TABLE access_used (kind TEXT NOT NULL, name TEXT NOT NULL,"
        " at REAL NOT NULL, source TEXT NOT NULL, PRIMARY KEY (kind, name))"
        " WITHOUT ROWID",
    ),
    (
        # Who does what only one may do, and what the guard has seen: store/watch.py.
        "CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL,"
        " machine TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID",
        "CREATE TABLE guard_counts (cutover INTEGER NOT NULL, what TEXT NOT NULL,"
        " count INTEGER NOT NULL, PRIMARY KEY (cutover, what)) WITHOUT ROWID",
    ),
    (
        # Two pools may hand out one service URI; each has its row.
        "CREATE TABLE learned_by_pool (key TEXT NOT NULL, pool_fqdn TEXT NOT NULL,"
        " uri TEXT NOT NULL, endpoint_key TEXT NOT NULL, learned_at REAL NOT NULL,"
        " last_used_at REAL NOT NULL, PRIMARY KEY (key, pool_fqdn)) WITHOUT ROWID",
        "INSERT INTO learned_by_pool SELECT key, pool_fqdn, uri, endpoint_key,"
        " learned_at, last_used_at FROM learned",
    ),
    (
        # What each pool made of an endpoint's calls, and who was there on which days:
        # endpoints/pool_usage.py.
        "CREATE TABLE usage_pools (endpoint_key TEXT NOT NULL, pool_fqdn TEXT NOT NULL,"
        " day INTEGER NOT NULL, cutover INTEGER NOT NULL, calls INTEGER NOT NULL,"
        " failed INTEGER NOT NULL, journeys INTEGER NOT NULL, times TEXT NOT NULL,"
        " PRIMARY KEY (endpoint_key, pool_fqdn, day, cutover)) WITHOUT ROWID",
        "CREATE TABLE usage_days (endpoint_key TEXT NOT NULL, pool_fqdn TEXT NOT NULL,"
        " aor TEXT NOT NULL, days TEXT NOT NULL,"
        " PRIMARY KEY (endpoint_key, pool_fqdn, aor)) WITHOUT ROWID",
    ),
    (
        # Who dialled what nobody serves: endpoints/unknown.py.
        "CREATE TABLE unknown (address TEXT NOT NULL, aor TEXT NOT NULL,"
        " first_at REAL NOT NULL, last_at REAL NOT NULL, count INTEGER NOT NULL,"
        " user_agent TEXT NOT NULL, epid TEXT NOT NULL, source TEXT NOT NULL,"
        " PRIMARY KEY (address, aor)) WITHOUT ROWID",
    ),
    (
        # Front ends that get no new dialogs: endpoints/drains.py.
        "CREATE TABLE drains (key TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
    ),
)
NEWEST: Final = len(STEPS)


class SchemaTooNew(Exception):
    """The file was written by a newer version of this program."""

    def __init__(self, found: int) -> None:
        super().__init__(found)
        self.found = found


def schema_version(connection: sqlite3.Connection) -> int:
    """The schema of a file: 0 when it is empty; raises SchemaTooNew."""
    known = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'"
    ).fetchone()
    if known is None:
        return 0
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    found = int(row[0]) if row else 0
    if found > NEWEST:
        raise SchemaTooNew(found)
    return found


def migrate(connection: sqlite3.Connection) -> int:
    """Bring a file to the newest schema inside the caller's transaction.

    Returns the schema it had before.
    """
    found = schema_version(connection)
    if found == 0:
        connection.execute(
            "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID"
        )
    for number in range(found + 1, NEWEST + 1):
        for statement in STEPS[number - 1]:
            connection.execute(statement)
        connection.execute(
            "INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (number,)
        )
    return found
