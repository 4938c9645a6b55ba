"""What SQLite complains about, in sentences that say what to do."""

import os
import pwd
import sqlite3
from pathlib import Path

from proxy.store.interface import StoreError


def store_error(path: Path, error: sqlite3.Error | OSError) -> StoreError:
    """The error of the store for an error of SQLite or the file system."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    return StoreError(f"the store {path} {_sentence(path, error, primary)}")


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
            return f"cannot be written: {_ownership(path)}"
        case sqlite3.SQLITE_IOERR:
            return f"has a disk error ({error}): check the file system and its mount"
    if path.is_dir():
        return "is a directory: name a file in it, such as waypost.db"
    if not path.parent.is_dir():
        return (
            f"cannot be made because {path.parent} does not exist: make that "
            "directory, or change url in section [store] of the configuration"
        )
    if code == sqlite3.SQLITE_CANTOPEN or isinstance(error, PermissionError):
        return f"cannot be opened: {_ownership(path)}"
    return f"does not work: {error}"


def _ownership(path: Path) -> str:
    """Who may write here, and who we are."""
    place = path if path.exists() else path.parent
    try:
        owner = pwd.getpwuid(place.stat().st_uid).pw_name
        me = pwd.getpwuid(os.geteuid()).pw_name
    except (KeyError, OSError):
        return f"check owner and mode of {place}"
    if owner == me:
        return f"check the mode of {place} and whether its file system is read-only"
    return (
        f"{place} belongs to {owner} and you are {me}: run the command as {owner} "
        f"(sudo -u {owner} waypost ...)"
    )
