"""One event, one line: repetitions are counted instead of written.

Only warnings and errors are held back.  A traceback is written once a minute for the
place that raised it, whatever the values around it; any other line ten times a minute
if it says the same each time.  The next line of the kind says how many were held back.
"""

import sys
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from types import TracebackType
from typing import Any, Final

import structlog

from proxy import clock

WINDOW: Final = 60.0
"""Seconds in which a line counts as the same event."""
SAME_LINES: Final = 10
KINDS: Final = 256
"""Kinds of lines that are remembered; the one written longest ago gives way."""
_LEVELS: Final = ("warning", "error", "critical")

_Key = tuple[object, ...]


class Repeats:
    """A processor of structlog; ``held`` is how many lines it has kept back."""

    def __init__(self, now: Callable[[], float] = clock.monotonic) -> None:
        self._now = now
        # kind → (end of its window, told in it, held back in it)
        self._seen: OrderedDict[_Key, tuple[float, int, int]] = OrderedDict()
        self.held = 0

    def __call__(
        self, logger: object, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Let the line pass, or raise structlog.DropEvent."""
        if event.get("level") not in _LEVELS:
            return event
        error = _exception(event.get("exc_info"))
        if error is None:
            key: _Key = tuple((name, str(value)) for name, value in event.items())
            most = SAME_LINES
        else:
            key = event.get("event"), type(error), _place(error.__traceback__)
            most = 1
        now = self._now()
        end, told, held = self._seen.get(key, (0.0, 0, 0))
        if now < end and told >= most:
            self._seen[key] = end, told, held + 1
            self.held += 1
            raise structlog.DropEvent
        if now >= end:
            if held:
                event["repeated"] = held
            end, told, held = now + WINDOW, 0, 0
        self._seen[key] = end, told + 1, held
        self._seen.move_to_end(key)
        if len(self._seen) > KINDS:
            self._seen.popitem(last=False)
        return event


def _exception(told: object) -> BaseException | None:
    """What ``exc_info`` stands for, in its three spellings."""
    if isinstance(told, BaseException):
        return told
    if isinstance(told, tuple):
        return told[1] if isinstance(told[1], BaseException) else None
    return sys.exc_info()[1] if told else None


def _place(traceback: TracebackType | None) -> tuple[str, int]:
    """File and line where it was raised."""
    if traceback is None:
        return "", 0
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
