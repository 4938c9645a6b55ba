"""Logs: structlog to standard error, as JSON lines or for a console.

Event names are ``noun.verb`` in the past tense, keys are those of
``docs/observability.md``.  Bodies and credentials never get here.  Access lines have a
writer of their own (``access.py``): a log call per message would be too dear.
"""

import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog

from proxy.sip.grammar import visible

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class Unfailing:
    """A stream whose reader may go away: its lines are lost then, nothing else.

    An exception from a log call would end whatever wanted to tell something: the
    drain after SIGTERM, the task that follows the store.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """As a stream does; never raises."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """As a stream does; never raises."""
        with suppress(OSError):
            self._stream.flush()


def is_console(log_format: str, stream: TextIO) -> bool:
    """What ``auto`` means: a console on a terminal, JSON elsewhere."""
    return log_format == "console" or (log_format == "auto" and stream.isatty())


def set_up_logs(log_format: str, level: str, stream: TextIO = sys.stderr) -> None:
    """Configure structlog for this process; ``log_format`` is auto, json or console."""
    renderer: structlog.types.Processor
    if is_console(log_format, stream):
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty())
    else:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _on_one_line,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, Unfailing(stream))),
        cache_logger_on_first_use=True,
    )


def _on_one_line(
    logger: object, method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Values may come from strangers; only a traceback has lines."""
    for key, value in event.items():
        if key != "exception" and isinstance(value, str):
            event[key] = visible(value)
    return event
