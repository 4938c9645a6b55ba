"""Logs: structlog to standard error, as JSON lines or for a console.

Event names are ``noun.verb`` in the past tense, keys are those of
``docs/observability.md``.  Bodies and credentials never get here.  Access lines have a
writer of their own (``access.py``), because a structlog call for each is too slow.
"""

import logging
import sys
from typing import TextIO, cast

import structlog

from proxy.sip.display import visible
from proxy.telemetry.outlet import outlet_of
from proxy.telemetry.repeats import Repeats

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
repeats = Repeats()
"""One for the process: a reload must not write again what was held back as repeated."""


class Bridge(logging.Handler):
    """Takes what libraries log through ``logging``, above all asyncio.

    Without it their lines would go straight to standard error.  A write there may wait
    for its reader, and a thousand equal events would be a thousand lines.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """One line of ours; never raises."""
        try:
            first = record.getMessage().partition("\n")[0]
            structlog.get_logger().log(
                record.levelno,
                "library.complained",
                library=record.name,
                reason=first,
                exc_info=record.exc_info,
            )
        except Exception:
            self.handleError(record)


def is_console(log_format: str, stream: TextIO) -> bool:
    """Whether lines are for people; ``auto`` means on a terminal, else JSON."""
    return log_format == "console" or (log_format == "auto" and stream.isatty())


def set_up_logs(log_format: str, level: str, stream: TextIO = sys.stderr) -> None:
    """Configure structlog for this process; ``log_format`` is auto, json or console."""
    renderer: structlog.types.Processor
    outlet = outlet_of(stream)
    outlet.is_console = is_console(log_format, stream)
    if outlet.is_console:
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty())
    else:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            repeats,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _on_one_line,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, outlet)),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    for handler in [x for x in root.handlers if isinstance(x, Bridge)]:
        root.removeHandler(handler)
    root.addHandler(Bridge(logging.WARNING))


def _on_one_line(
    logger: object, method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Escape line ends in values, which may come from strangers; not in a traceback."""
    for key, value in event.items():
        if key != "exception" and isinstance(value, str):
            event[key] = visible(value)
    return event
