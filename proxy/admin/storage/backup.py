"""``store backup``: everything a store knows, in one file, while it is in use.

Whatever the store is, the file is the same: SQLite, sealed with sums over its
tables (``store/sqlite/backup_file``).  So it restores into either.  It is written
beside its name, read back whole, and then gets its name.
"""

import os
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from proxy import __version__
from proxy.admin.control import ControlError
from proxy.admin.storage.rows import copy_rows
from proxy.store.errors import StoreError
from proxy.store.factory import open_copy, sqlite_path
from proxy.store.sqlite.backup_file import (
    Backup,
    BackupError,
    copy_live,
    examine,
    seal,
)
from proxy.store.sqlite.contents import Progress, TableSum, silent, sums_of
from proxy.store.sqlite.copying import SqliteCopy
from proxy.store.sqlite.errors import is_full
from proxy.store.sqlite.staging import flush, staging

_NAMED: Final = re.compile(r"waypost-\d{8}T\d{6}Z\.db\Z")
_PART: Final = "part.db"


async def back_up(
    url: str, wanted: Path, now: float, progress: Progress = silent
) -> Backup:
    """Write a backup of a store; of a folder a file in it, named after the instant.

    A backup of that name is replaced, any other file is not.  Raises ControlError, and
    StoreError for the store itself; either leaves what was there.
    """
    path = _named(wanted, now)
    _refuse_other(path, sqlite_path(url))
    try:
        with staging(path.parent) as folder:
            part = folder / _PART
            await write_part(url, part, now, progress)
            made = _read_back(part, path, progress)
            os.replace(part, path)
            flush(path.parent)
    except (OSError, sqlite3.Error) as error:
        raise ControlError(_not_written(path, error)) from None
    return replace(made, path=path)


def thin_out(folder: Path, keep: int) -> list[Path]:
    """Remove the oldest backups that ``back_up`` named itself; which they were."""
    named = sorted(each for each in folder.iterdir() if _NAMED.match(each.name))
    gone = named[:-keep]
    for each in gone:
        try:
            each.unlink()
        except OSError as error:
            raise ControlError(
                f"the backup is made, but {each} cannot be removed: {error.strerror}"
            ) from None
    return gone


async def write_part(url: str, part: Path, now: float, progress: Progress) -> None:
    """A sealed copy of a store in a new file, not read back yet.

    Raises StoreError for the store, OSError and sqlite3.Error for the file.
    """
    source = sqlite_path(url)
    if source is None:
        sums, origin = await _copy_rows(url, part, progress), "redis"
    elif not source.is_file():
        raise StoreError(f"there is no store {source}: there is nothing to save")
    else:
        sums, origin = copy_live(source, part, progress), "sqlite"
    seal(part, origin, __version__, now, sums)


async def _copy_rows(url: str, part: Path, progress: Progress) -> dict[str, TableSum]:
    """What a Redis keeps, as the tables of a file."""
    source = await open_copy(url, is_source=True)
    try:
        await source.freeze()
        target = SqliteCopy(part, is_scratch=True)
        try:
            await copy_rows(source, target, progress)
        finally:
            await target.close()
    except StoreError as error:
        if isinstance(error.__cause__, sqlite3.Error):
            raise error.__cause__ from None  # of the file, not of the store
        raise
    finally:
        await source.close()
    with closing(sqlite3.connect(part)) as db:
        return sums_of(db, "reading tables", progress)


def _named(wanted: Path, now: float) -> Path:
    if wanted.is_dir():
        return wanted / f"waypost-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}.db"
    return wanted


def _refuse_other(path: Path, store: Path | None) -> None:
    """A file that is no backup is not ours to replace, least of all the store."""
    if not os.path.lexists(path):
        return
    try:
        is_store = store is not None and path.samefile(store)
        is_backup = path.is_file() and examine(path).made_at is not None
    except (StoreError, OSError):
        is_store = is_backup = False
    if is_store:
        raise ControlError(f"{path} is the store itself: name another file")
    if not is_backup:
        raise ControlError(
            f"{path} is there already and is no whole backup: name another file, or "
            "move that one away"
        )


def _read_back(part: Path, path: Path, progress: Progress) -> Backup:
    try:
        return examine(part, progress)
    except BackupError:
        raise ControlError(
            f"what was written for {path} cannot be read back as it was: check the "
            "disk, or name a file on another one"
        ) from None


def _not_written(path: Path, error: OSError | sqlite3.Error) -> str:
    parent = path.parent
    if not os.path.isdir(parent):
        return f"{parent} is no folder: make it, or name a file in another one"
    if is_full(parent / _PART, error):
        return f"{parent} has no room for the backup: free some, or name another folder"
    why = error.strerror if isinstance(error, OSError) else str(error)
    return f"the backup {path} cannot be written ({why}): name another folder"
