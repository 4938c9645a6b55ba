"""The file of an event log: one JSON value a line, for its owner alone, bounded.

It holds whatever the core held: keys, hashes of passwords, whole messages.  So the file
is always new, with mode 0600; an existing file is never written.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import structlog

log = structlog.get_logger()

LIMIT: Final = 64 * 1024 * 1024
"""Bytes after which an event log ends; the service goes on."""
FORMAT: Final = 1


class EventLogError(Exception):
    """An event log cannot be made, or cannot be read; a sentence."""


class EventLogFile:
    """Takes lines until the file or the disk is full, or it is closed."""

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        """Raises EventLogError."""
        self.path = path
        self._limit = limit
        self._size = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._file = os.open(path, flags, 0o600)
        except FileExistsError:
            raise EventLogError(
                f"{path} is there already: name a file that is not, or remove it"
            ) from None
        except OSError as error:
            why = error.strerror or error
            raise EventLogError(f"cannot record into {path}: {why}") from None
        self.is_open = True

    def restart(self) -> None:
        """Empty the file: the start is tried once more, with a new core."""
        if self.is_open:
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
            self._size = 0

    def write(self, line: dict[str, Any]) -> None:
        """Write a line at once, so that the event that ends the process is in it."""
        if not self.is_open:
            return
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        if self._size + len(data) > self._limit:
            self.close(f"{self._limit >> 20} MiB are full")
            return
        try:
            while data:
                written = os.write(self._file, data)
                self._size += written
                data = data[written:]
        except OSError as error:
            self.close(str(error))

    def close(self, reason: str = "the service ends") -> None:
        """Close the file; further lines are dropped."""
        if self.is_open:
            self.is_open = False
            os.close(self._file)
            log.warning("event_log.ended", file=str(self.path), reason=reason)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of an event log, without a last one that is incomplete.

    Raises EventLogError for what is no event log.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                try:
                    line = json.loads(text)
                except ValueError:
                    if text.endswith("\n"):
                        raise EventLogError(
                            f"{path}, line {number}: no JSON value"
                        ) from None
                    return
                if number == 1 and (
                    not isinstance(line, dict) or line.get("format") != FORMAT
                ):
                    raise EventLogError(f"{path} is no event log of this version")
                yield line
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise EventLogError(f"{path} cannot be read: {why}") from None
