"""Reports our own bugs: counts each, and logs it once a minute for each place.

The log itself holds repetitions back (``telemetry/repeats.py``).
"""

import structlog

from proxy.sip.flow import Flow

log = structlog.get_logger()


class FaultLog:
    """``count`` is how many there have been."""

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
