"""The place of an SQLite file: makes the file, and tells whether it is still the same.

``file.py`` has what is in it.
"""

import errno
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proxy.store.errors import StoreError
from proxy.store.sqlite.errors import store_error

SECRET: Final = "SELECT value FROM meta WHERE key = 'hmac_key'"
REPLACED: Final = (
    "is not the file that was opened, it has been replaced or removed: put that one "
    "back, or restart waypost if the file that is there now is what you want"
)


def prepare(path: Path) -> None:
    """Make the file, readable by its owner alone (it holds secrets), and its directory.

    A file that root makes gets the owner of its directory: the service must be able to
    open a store that a command made before the first start.
    """
    try:
        if path.parent.parent.is_dir():
            path.parent.mkdir(mode=0o750, exist_ok=True)
        if not path.exists():
            path.touch(0o600)
            owner = path.parent.stat()
            if os.geteuid() == 0 != owner.st_uid:
                os.chown(path, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise store_error(path, error) from error


def obstacle(path: Path) -> StoreError | None:
    """The error that ``prepare`` would raise; None when it would succeed."""
    number = 0
    place = path.parent if os.path.lexists(path.parent) else path.parent.parent
    if not os.path.isdir(place):
        number = errno.ENOTDIR
    elif not os.access(place, os.W_OK | os.X_OK):
        number = errno.EACCES
    elif os.statvfs(place).f_bavail == 0:
        number = errno.ENOSPC
    if not number:
        return None
    return store_error(path, OSError(number, os.strerror(number)))


@dataclass(frozen=True, slots=True)
class Identity:
    """The file at a path and the log beside it, each by device and inode."""

    file: tuple[int, int] | None
    log: tuple[int, int] | None

    @classmethod
    def of(cls, path: Path) -> "Identity":
        """What is at the path now."""
        return cls(_numbers(f"{path}"), _numbers(f"{path}-wal"))


def _numbers(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def secret_of(path: Path) -> bytes | None:
    """The secret of a store, which its backups share; makes and changes nothing."""
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)
        try:
            return bytes(db.execute(SECRET).fetchone()[0])
        finally:
            db.close()
    except (sqlite3.Error, TypeError):
        return None
