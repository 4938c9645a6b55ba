"""What became of a request outside a dialog, once it is over.

The core makes one record for each such request.  Access log, metrics, ledger, guard and
recorder read many of them together later.  The class is in this package because it is
the one that all of these may import.
"""

from collections.abc import Sequence

from proxy.sip.flow import Flow
from proxy.sip.message import Request
from proxy.sip.native import mypyc_attr


@mypyc_attr(acyclic=True)
class Finished:
    """The record of one request.

    ``attempts`` are (front end, outcome, seconds) in the order tried; the front end is
    given by name or address.  ``status`` is that of the response that went back.
    ``seconds`` is the time until it did, ``answered`` that until the first response
    other than 100.  ``request`` is the request itself, so that only a reader that wants
    a header field has to look for it.
    """

    __slots__ = (
        "answered",
        "attempts",
        "endpoint",
        "pool",
        "request",
        "rule",
        "seconds",
        "source",
        "status",
    )

    def __init__(
        self,
        request: Request,
        source: Flow,
        status: int,
        seconds: float,
        rule: str,
        endpoint: str,
        pool: str,
        attempts: Sequence[tuple[str, str, float]],
        answered: float,
    ) -> None:
        self.request = request
        self.source = source
        self.status = status
        self.seconds = seconds
        self.rule = rule
        self.endpoint = endpoint
        self.pool = pool
        self.attempts = attempts
        self.answered = answered


Group = list[tuple[Finished, float]]
"""Several records, each with its wall-clock time in seconds."""
