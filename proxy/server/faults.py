"""Logs our own bugs, and sources that guess or scan, with one line for each.

All bugs are counted.  ``telemetry/repeats.py`` holds repeated lines back, so that each
place of the code is logged once a minute.
"""

from typing import Final

import structlog

from proxy.core.commands import NoteSuspect
from proxy.sip.display import visible
from proxy.sip.flow import Flow

log = structlog.get_logger()

_ADVICE: Final = {
    "guessing": "wrong passwords: from now on one try in six seconds is looked at; "
    "block the source in the firewall unless you know it",
    "scanning": "it dials many unknown addresses, and gets late answers; block it in "
    "the firewall unless you know it, else name it in [proxy] trusted_networks",
}


class FaultLog:
    """Logs bugs of ours; ``count`` is how many there have been."""

    def __init__(self) -> None:
        self.count = 0

    def note(
        self, what: str, error: Exception, head: bytes = b"", flow: Flow | None = None
    ) -> None:
        """One fault; ``what`` is the event's name, ``head`` begins the message."""
        self.count += 1
        log.error(
            what,
            flow=repr(flow) if flow is not None else "",
            head=head.decode("utf-8", "backslashreplace"),
            exc_info=error,
        )


def tell_suspect(command: NoteSuspect) -> None:
    """Log a source that guesses passwords or scans, and what to do about it."""
    log.warning(
        f"source.{command.what}",
        source=command.source,
        last=visible(command.example),
        advice=_ADVICE[command.what],
    )
