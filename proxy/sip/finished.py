"""A request outside a dialog that has ended, and what became of it.

The core makes one for each; access log, metrics, ledger, guard and recorder read it
later, and many at once.  It is here because all of them know this package.
"""

from collections.abc import Sequence

from proxy.sip.flow import Flow
from proxy.sip.message import Request
from proxy.sip.native import mypyc_attr


@mypyc_attr(acyclic=True)
class Finished:
    """``attempts`` are (front end, outcome, seconds) in the order tried; a front end is
    its name or address.

    ``status`` is what went back; ``seconds`` how long it took, and ``answered`` how
    long until the first response other than 100 went back.  The request comes along
    unread.
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
"""Several, each with its wall-clock seconds."""
