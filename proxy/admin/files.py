"""Files that are whole or not there: written beside, then renamed."""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Final

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_NO_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
"""What file systems without hard links answer."""


READER: ContextVar[Callable[[Path], bytes] | None] = ContextVar("reader", default=None)
WRITER: ContextVar[Callable[[Path, bytes], None] | None] = ContextVar(
    "writer", default=None
)
"""Where a command is run for somebody at another machine, the files are there."""


def read_whole(path: Path, limit: int = -1) -> bytes:
    """What somebody named on the line holds, ``limit`` bytes of it at most.

    Raises OSError.
    """
    reader = READER.get()
    if reader is not None:
        data = reader(path)
        return data if limit < 0 else data[:limit]
    with path.open("rb") as file:
        return file.read(limit)


def write_whole(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Replace a file, or make it; a failure (OSError) leaves what was there.

    A file that is there keeps its mode and, as far as we may, its owner; a link stays
    one and what is no plain file (a terminal, a pipe) is written to.  ``mode`` is that
    of a new file, less the umask.
    """
    writer = WRITER.get()
    if writer is not None:
        writer(path, data)
        return
    path = Path(os.path.realpath(path))
    try:
        before = path.stat()
    except FileNotFoundError:
        before = None
    if before is not None and not stat.S_ISREG(before.st_mode):
        path.write_bytes(data)
        return
    with _beside(path, data, mode) as beside:
        if before is not None:
            with contextlib.suppress(PermissionError):
                os.chown(beside, before.st_uid, before.st_gid)
            os.chmod(beside, stat.S_IMODE(before.st_mode))
        os.replace(beside, path)


def make_whole(path: Path, data: bytes, mode: int) -> None:
    """Make a file that is not there, whole from its first instant.

    Raises FileExistsError when there is one, else OSError.
    """
    with _beside(path, data, mode) as beside:
        try:
            os.link(beside, path)
        except OSError as error:
            if error.errno not in _NO_LINKS or path.exists():
                raise
            os.replace(beside, path)


@contextlib.contextmanager
def _beside(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """A file of ours in the same folder, flushed; nothing is left of it afterwards."""
    beside = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}")
    handle = os.open(beside, _NEW, mode)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield beside
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)


def printed(name: str) -> str:
    """A file for PowerShell: in the package, or in config/ of a checkout."""
    here = Path(__file__).parents[1]
    packed = here / "config" / name
    checkout = here.parent / "config/powershell" / name
    return (packed if packed.exists() else checkout).read_text("ascii")
