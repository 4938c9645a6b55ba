"""Puts a whole file in the place of a store, or changes nothing (decision 139).

The log of the old file is a danger: SQLite would replay it into the new file beside it.
So we first move its content into the old file, which works only when nobody else has
that open.  Then one rename decides: ``kill -9`` leaves the old store or the new one.
The functions block.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proxy.store.errors import StoreError
from proxy.store.sqlite.contents import Contents, contents_of
from proxy.store.sqlite.errors import ownership, store_error
from proxy.store.sqlite.holders import holder_of
from proxy.store.sqlite.staging import flush

_BUSY: Final = 2.0
_BROKEN: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BESIDE: Final = ("-wal", "-shm", "-journal")

Judge = Callable[[Contents | None], None]
"""Raises when that store must not be replaced; None: it cannot be read."""


@dataclass(frozen=True, slots=True)
class Present:
    """The file at a path; ``contents`` is None when it cannot be read.

    ``holder`` is the process that has it open, in words.
    """

    is_there: bool
    contents: Contents | None = None
    problem: str = ""
    holder: str = ""


def present_at(path: Path) -> Present:
    """The file that would be replaced, read while others write it; raises StoreError
    when we may not replace it.

    One that is in use cannot be replaced either: see ``refuse_holder``.
    """
    if not path.exists():
        return Present(False)
    _refuse_owner(path)
    holder = holder_of(path)
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY)) as db:
            found = contents_of(db)
    except sqlite3.Error as error:
        if not _is_broken(error):
            raise store_error(path, error) from None
        return Present(True, None, str(error), holder)
    if found is None and path.stat().st_size:
        return Present(True, None, "it is no store of Waypost", holder)
    return Present(True, found, holder=holder)


def install(part: Path, path: Path, kept: Path, judge: Judge) -> bool:
    """Put ``part`` in the place of a store; False when there was none before.

    The old file is kept as ``kept``.  Raises StoreError, OSError and what ``judge``
    raises; everything is then as it was.
    """
    if not path.exists():
        judge(None)
        _move_beside(path, kept)  # a log without its file
        os.rename(part, path)
        flush(path.parent)
        return False
    _refuse_owner(path)
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=_BUSY)) as db:
            _fold_log(db, path)
            judge(contents_of(db))
            _take_place(part, path, kept)
    except sqlite3.Error as error:
        if not _is_broken(error):
            raise store_error(path, error) from None
        refuse_holder(path)
        judge(None)
        _move_beside(path, kept)
        _take_place(part, path, kept)
    flush(path.parent)
    return True


def _fold_log(db: sqlite3.Connection, path: Path) -> None:
    """Move the log into its file, and lock that against all others until we close."""
    try:
        mode = db.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
        if mode == "delete":
            db.execute("BEGIN EXCLUSIVE")
            return
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
    raise _in_use(path, holder_of(path) or "another process")


def _take_place(part: Path, path: Path, kept: Path) -> None:
    try:
        os.link(path, kept)
    except OSError:
        os.rename(path, kept)  # no hard links here
    os.replace(part, path)


def _move_beside(path: Path, kept: Path) -> None:
    for each in _BESIDE:
        with suppress(FileNotFoundError):
            os.rename(f"{path}{each}", f"{kept}{each}")


def forget_links(path: Path) -> None:
    """Remove second names of a store, which an ``install`` leaves that is killed before
    its rename."""
    for kept in path.parent.glob(f"{path.name}.before-restore-*"):
        with suppress(OSError):
            if kept.samefile(path):
                kept.unlink()


def _refuse_owner(path: Path) -> None:
    if os.geteuid() not in (0, path.stat().st_uid):
        raise StoreError(f"the store {path} cannot be replaced: {ownership(path)}")


def refuse_holder(path: Path) -> None:
    """Raise StoreError while a process has the store open, if there is one."""
    holder = holder_of(path) if path.exists() else ""
    if holder:
        raise _in_use(path, holder)


def _in_use(path: Path, holder: str) -> StoreError:
    return StoreError(
        f"the store {path} is in use by {holder}: stop the service and its console "
        '("systemctl stop waypost waypost-console"), restore, and start them again'
    )


def _is_broken(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN
