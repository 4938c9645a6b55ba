"""Logs a warning when the event loop is not our own, which costs least."""

import asyncio
import sys

import structlog

from proxy.net.event_loop import DirectEventLoop, missing_parts

log = structlog.get_logger()


def tell_of_plain_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Warn if asyncio's own loop serves although this is Linux; to be called once."""
    if sys.platform != "linux" or isinstance(loop, DirectEventLoop):
        return
    log.warning(
        "loop.plain",
        missing=missing_parts(loop),
        advice="this Python's event loop has changed inside: all works, and each "
        "message costs more; tell us the version, and use an older one until then",
    )
