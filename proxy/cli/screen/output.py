"""Standard output and error of a command, and a result that cannot be written.

A disk may be full, a pipe or a stream closed, a terminal may know only ASCII.  A
character that the terminal lacks leaves as an escape.  A failed write raises
OutputFailed, and the command then says on standard error whether its change was made.
The service (``waypost serve``) has its own way of writing and never comes here.
"""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import IO, Any, Final, TextIO

_UTF: Final = ("utf-8", "utf8", "utf-16", "utf-32")


class OutputFailed(Exception):
    """Standard output takes nothing.  No OSError: others would handle those."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror or str(error))
        self.is_broken_pipe = error.errno == errno.EPIPE


class _Output(io.FileIO):
    """Standard output: what it does not take is an OutputFailed."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            raise OutputFailed(error) from None


class _Errors(io.FileIO):
    """Standard error: a failed write stops nothing."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return len(data)


class _Closed(io.RawIOBase):
    """In place of a standard output that was closed before we began."""

    is_given_up = False
    """What still waits in its buffer is discarded: from Python 3.13 on a stream that
    fails when it is thrown away has a traceback printed."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.is_given_up:
            return len(data)
        raise OutputFailed(OSError(errno.EBADF, os.strerror(errno.EBADF)))


def install() -> None:
    """Take standard output and error over, for a command in a process of its own."""
    is_closed = not _is_open(1)
    for number in range(3):
        # Else the store would be opened under one of these numbers.
        if not _is_open(number):
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115  for as long as we live
    before = sys.stdout
    sys.stdout = _text(_Closed(), before) if is_closed else standard_output(1, before)
    sys.stderr = _text(_Errors(2, "w", closefd=False), sys.stderr, by_line=True)


def standard_output(number: int, before: TextIO | None = None) -> TextIO:
    """A stream on a descriptor whose failures are OutputFailed."""
    return _text(_Output(number, "w", closefd=False), before)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _text(raw: io.RawIOBase, before: TextIO | None, by_line: bool = False) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=before.encoding if before is not None else "utf-8",
        errors="backslashreplace",
        line_buffering=by_line
        or raw.isatty()
        or bool(os.environ.get("PYTHONUNBUFFERED")),
    )


def give_up() -> None:
    """Discard what still waits, so that the interpreter ends without an error."""
    if _heard.get() is not None:
        return  # of somebody at another machine, who has gone
    before, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: SIM115
    raw = getattr(getattr(before, "buffer", None), "raw", None)
    if isinstance(raw, _Closed):
        raw.is_given_up = True
        return
    with contextlib.suppress(io.UnsupportedOperation):
        os.dup2(sys.stdout.fileno(), before.fileno())


def is_unicode(stream: IO[str] | None = None) -> bool:
    """Whether a stream (standard output without one) can show every character."""
    encoding = getattr(sys.stdout if stream is None else stream, "encoding", None)
    return (encoding or "utf-8").lower().startswith(_UTF)


def print_document(text: str) -> None:
    """A file for other programs.  It has no escapes: where it is not shown to a person
    and the character set lacks something, all of it is UTF-8.
    """
    buffer = getattr(sys.stdout, "buffer", None)
    if is_unicode() or sys.stdout.isatty() or buffer is None or _fits(text):
        print(text)
        return
    sys.stdout.flush()
    buffer.write(f"{text}\n".encode())
    buffer.flush()


def _fits(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return True


# -- what was done -------------------------------------------------------------------

_made: ContextVar[tuple[str, ...]] = ContextVar("made", default=())
_heard: ContextVar[Callable[[str], None] | None] = ContextVar("heard", default=None)
"""Who else hears of it at once."""


def made(what: str) -> None:
    """Note that a change has been made, for the case that its report cannot be."""
    _made.set((*_made.get(), what))
    heard = _heard.get()
    if heard is not None:
        heard(what)


def changes_made() -> str:
    """What was noted since ``forget``, as one clause."""
    found = _made.get()
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return found[0] + more if found else ""


def forget() -> None:
    """Begin anew: another command."""
    _made.set(())


def tell_of_changes(heard: Callable[[str], None]) -> None:
    """Have somebody hear of each change at once, in this context."""
    _heard.set(heard)
