"""A backup: one SQLite file that is whole, with sums over its tables as a seal.

The tables are those of the store.  The table ``backup`` says when, from what and by
which version it was made, with the rows and the SHA-256 of each table: a byte that
changed on the way shows.  Blocking.
"""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proxy.store.errors import StoreError
from proxy.store.sqlite.contents import (
    SEAL,
    Contents,
    Progress,
    TableSum,
    contents_of,
    silent,
    sums_of,
)
from proxy.store.sqlite.errors import store_error
from proxy.store.sqlite.staging import flush

_WAL_FORMAT: Final = 2
_FORMAT_AT: Final = 18
"""Where the head of an SQLite file says whether there may be a log beside it."""
_BUSY: Final = 10.0
_OF_THE_SOURCE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True, slots=True)
class Backup:
    """What a file holds.

    ``made_at`` is None for a plain copy of a store's file, which nobody has sealed.
    When that had a log beside it, some of what it knew may be there.
    """

    path: Path
    contents: Contents
    made_at: float | None
    made_by: str = ""
    origin: str = ""
    size: int = 0
    may_lack_its_log: bool = False


class BackupError(StoreError):
    """A file is no backup, or a damaged one; a backup cannot be written."""


def copy_live(
    source: Path, target: Path, progress: Progress = silent
) -> dict[str, TableSum]:
    """A consistent copy of a store that is in use; what it holds by the source.

    One read transaction spans the copy and the sums: writers go on meanwhile, and the
    copy need not begin again whenever one of them commits.  Raises StoreError for the
    source, OSError and sqlite3.Error for the target.
    """
    with closing(_open_source(source)) as db, closing(_connect_new(target)) as copy:

        def report(status: int, left: int, pages: int) -> None:
            progress("copying pages", pages - left, pages)

        try:
            db.backup(copy, pages=1000, progress=report)
            return sums_of(db, "reading tables", progress)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in _OF_THE_SOURCE:
                raise store_error(source, error) from None
            raise


def _open_source(path: Path) -> sqlite3.Connection:
    """A store in one read transaction; raises StoreError."""
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY)
    except sqlite3.Error as error:
        raise store_error(path, error) from None
    try:
        db.execute("BEGIN")
        if contents_of(db) is None:
            raise StoreError(f"{path} is no store of Waypost: there is nothing to save")
    except BaseException as error:
        db.close()
        if isinstance(error, sqlite3.Error):
            raise store_error(path, error) from None
        raise
    return db


def _connect_new(path: Path) -> sqlite3.Connection:
    """A file of ours that becomes the backup by a rename: flushed once, at its end."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    return db


def seal(
    path: Path, origin: str, made_by: str, now: float, sums: dict[str, TableSum]
) -> None:
    """Make a copy one file without a log, and note its sums; raises sqlite3.Error."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = DELETE").fetchone()
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN IMMEDIATE")
        db.execute(f"CREATE TABLE {SEAL} (name TEXT PRIMARY KEY, value) WITHOUT ROWID")
        rows: list[tuple[str, object]] = [
            *(("made_at", now), ("made_by", made_by), ("origin", origin)),
            *((f"rows {name}", each.rows) for name, each in sums.items()),
            *((f"sha256 {name}", each.digest) for name, each in sums.items()),
        ]
        db.executemany(f"INSERT INTO {SEAL} VALUES (?, ?)", rows)
        db.execute("COMMIT")
    flush(path)
    _forget_cached(path)


def _forget_cached(path: Path) -> None:
    """So that what is read next comes from the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def examine(
    part: Path, progress: Progress = silent, path: Path | None = None
) -> Backup:
    """Read all of a backup, or of a store's plain copy; changes nothing.

    ``path`` is the name of which ``part`` is a copy.  Raises BackupError when it is
    none, is damaged, or cannot be read.
    """
    path = path or part
    try:
        with part.open("rb"):
            size = part.stat().st_size
        if os.path.exists(f"{path}-wal") and os.path.getsize(f"{path}-wal"):
            raise BackupError(
                f"{path} has a log beside it ({path.name}-wal), so it is a store and "
                f'not a backup: "WAYPOST_STORE_URL=sqlite:///{path.absolute()} waypost '
                'store backup FILE" makes a backup of it'
            )
        uri = f"{part.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as db:
            return _examine(db, part, path, size, progress)
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}") from None
    except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
        raise BackupError(
            f"{path} is damaged or no backup of Waypost ({error}): take another one"
        ) from None


def _examine(
    db: sqlite3.Connection, part: Path, path: Path, size: int, progress: Progress
) -> Backup:
    progress("checking pages", 0, 1)
    problems = [row[0] for row in db.execute("PRAGMA integrity_check(3)")]
    if problems != ["ok"]:
        raise BackupError(f"{path} is damaged ({problems[0]}): take another one")
    contents = contents_of(db)
    if contents is None:
        raise BackupError(f"{path} is a database, but not of Waypost: take another")
    known = db.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (SEAL,)
    ).fetchone()
    if known is None:
        lacks = _has_log_format(part)
        return Backup(path, contents, None, size=size, may_lack_its_log=lacks)
    noted = dict(db.execute(f"SELECT name, value FROM {SEAL}").fetchall())
    found = sums_of(db, "checking tables", progress)
    wanted = {
        name.partition(" ")[2]: TableSum(int(noted.get(f"rows {name[7:]}", -1)), value)
        for name, value in noted.items()
        if name.startswith("sha256 ")
    }
    for name in sorted({*found, *wanted}):
        if found.get(name) != wanted.get(name):
            raise BackupError(
                f'{path} is damaged (the table "{name}" is not what was written): '
                "take another one"
            )
    made = float(noted["made_at"]), str(noted["made_by"]), str(noted["origin"])
    return Backup(path, contents, *made, size)


def _has_log_format(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(_FORMAT_AT)
        return file.read(1) == bytes([_WAL_FORMAT])
