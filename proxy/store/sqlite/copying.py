"""An SQLite file as one end of a move; its methods block, for nothing else runs."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from proxy.store.copying import META, Rows, Values, keyed
from proxy.store.sqlite.errors import store_error
from proxy.store.sqlite.file import SqliteFile


class SqliteCopy:
    """Rows of the tables as they are."""

    def __init__(self, path: Path, *, is_scratch: bool = False) -> None:
        SqliteFile(path).close()  # makes or migrates it
        self._path = path
        self._db = sqlite3.connect(path, isolation_level=None)
        # A scratch file is flushed once, when it is complete.
        level = "OFF" if is_scratch else "FULL"
        self._db.execute(f"PRAGMA synchronous = {level}")

    async def freeze(self) -> None:
        """See StoreCopy."""
        self._db.execute("BEGIN")
        self._db.execute("SELECT count(*) FROM meta").fetchone()

    async def read(self, section: str) -> Rows:
        """See StoreCopy."""
        where = f"WHERE key IN {META}" if section == "meta" else ""
        try:
            rows = self._db.execute(f"SELECT * FROM {section} {where}").fetchall()
        except sqlite3.Error as error:
            raise store_error(self._path, error) from error
        return keyed(section, rows)

    async def write(self, section: str, rows: Sequence[Values]) -> None:
        """See StoreCopy."""
        marks = ", ".join("?" * len(rows[0]))
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                f"INSERT OR REPLACE INTO {section} VALUES ({marks})", rows
            )
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise store_error(self._path, error) from error
        await asyncio.sleep(0)

    async def close(self) -> None:
        """See StoreCopy."""
        self._db.close()
