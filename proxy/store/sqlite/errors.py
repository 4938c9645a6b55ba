"""What SQLite complains about, in sentences that say what to do."""

import errno
import os
import pwd
import sqlite3
from pathlib import Path
from typing import Final

from proxy.store.errors import StoreError

_PASSING: Final = frozenset(
    {
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED),
        *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR),
    }
)
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def store_error(path: Path, error: sqlite3.Error | OSError) -> StoreError:
    """The error of the store for an error of SQLite or the file system."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if is_full(path, error):
        # SQLite has several codes for it, depending on the file that cannot grow.
        primary = sqlite3.SQLITE_FULL
    told = f"the store {path} {_sentence(path, error, primary)}"
    return StoreError(told, is_passing=primary in _PASSING)


def is_full(path: Path, error: sqlite3.Error | OSError) -> bool:
    """Whether an error means that the file's disk is full."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return True
    if code not in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        return False
    try:
        left = os.statvfs(path.parent)
    except OSError:
        return False
    return left.f_bavail == 0 or left.f_ffree == 0 < left.f_files


def _sentence(path: Path, error: Exception, code: int | None) -> str:
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return (
                "is locked by another process: wait for it (a backup?) and try again; "
                f'"fuser {path}" names it'
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return (
                f"is damaged or not an SQLite file ({error}): restore a backup, or "
                "move it away and start with an empty one"
            )
        case sqlite3.SQLITE_FULL:
            return "has no room to write: free space on its file system"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return f"cannot be written: {ownership(path)}"
        case sqlite3.SQLITE_IOERR:
            return f"has a disk error ({error}): check the file system and its mount"
    # os.path, because a folder that we may not look into makes Path raise.
    if os.path.isdir(path):
        return "is a directory: name a file in it, such as waypost.db"
    if not os.path.isdir(path.parent):
        what = "is not a directory" if os.path.exists(path.parent) else "does not exist"
        return (
            f"cannot be made because {path.parent} {what}: make that "
            "directory, or change url in section [store] of the configuration"
        )
    if code == sqlite3.SQLITE_CANTOPEN or isinstance(error, PermissionError):
        return f"cannot be opened: {ownership(path)}"
    return f"does not work: {error}"


def ownership(path: Path) -> str:
    """The account that may write here, our own, and what to do about it."""
    place = path if os.path.exists(path) else path.parent
    try:
        owner = pwd.getpwuid(place.stat().st_uid).pw_name
        me = pwd.getpwuid(os.geteuid()).pw_name
    except (KeyError, OSError):
        return f"check owner and mode of {place}"
    if owner == me:
        return f"check the mode of {place} and whether its file system is read-only"
    files = f"{path}*" if place == path else str(place)
    give = f'"chown {me}: {files}", as root, gives it to {me}'
    if owner == "root":
        # Nobody wants that: somebody used sudo without -u, or put a backup back.
        return f"{place} belongs to root and you are {me}: {give}"
    return (
        f"{place} belongs to {owner} and you are {me}: run the command as {owner} "
        f"(sudo -u {owner} waypost ...); if {me} is who the service runs as, {give}"
    )
