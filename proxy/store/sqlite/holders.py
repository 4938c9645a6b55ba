"""Finds the process that has an SQLite file open, by the locks on the file."""

import fcntl
import os
import struct
from pathlib import Path
from typing import Final

_LOCK: Final = "hhqqi"
"""struct flock: type, whence, start, length, process."""
_FIRST: Final = 0x40000000
_BYTES: Final = 512
"""The bytes that SQLite locks; a connection to a file with a log always holds one."""


def holder_of(path: Path) -> str:
    """The other process that has it open, in words; empty when none has.  Raises
    OSError."""
    pid = pid_of(path)
    return "" if pid is None else named(pid)


def pid_of(path: Path) -> int | None:
    """The process that has it open, 0 or less for one of another container; None when
    none has.  Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        wanted = struct.pack(_LOCK, fcntl.F_WRLCK, os.SEEK_SET, _FIRST, _BYTES, 0)
        found = struct.unpack(_LOCK, fcntl.fcntl(handle, fcntl.F_GETLK, wanted))
    finally:
        os.close(handle)
    return None if found[0] == fcntl.F_UNLCK else int(found[4])


def named(pid: int) -> str:
    """A process in words for people; one of another container has no number here."""
    if pid <= 0:
        return "a process of another container"
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        words = []
    names = [os.path.basename(each.decode(errors="replace")) for each in words]
    for at, name in enumerate(names):
        if name in ("waypost", "proxy"):
            verbs = [word for word in names[at + 1 :] if word.isalpha()]
            return f'"waypost {" ".join(verbs[:1])}" (process {pid})'.replace(' "', '"')
    return f"process {pid} ({names[0]})" if names and names[0] else f"process {pid}"
