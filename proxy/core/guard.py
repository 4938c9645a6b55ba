"""After a bug of ours one request is answered 500, and everything else goes on.

Every way into the core, and every loop over several requests, calls a guard when
something raises (decision 23).  The guard ends what the failed step may have left half
done: the server transaction, the search and whatever waits for it.  It tells the shell
once.  When the ending fails as well, the request ends without an answer.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from proxy.core import commands
from proxy.core.answers.refusals import Refusals
from proxy.core.forwarding.late_success import LateSuccess
from proxy.core.forwarding.response_context import ResponseContext
from proxy.core.validation import Refusal
from proxy.sip.errors import MalformedMessage
from proxy.sip.flow import Flow
from proxy.sip.grammar import logical_lines
from proxy.sip.message import Request, UnreadableRequest, parse_message
from proxy.sip.names import canonical_name
from proxy.transaction.answered import Answered
from proxy.transaction.client import AnyResponse, ClientTransaction
from proxy.transaction.server import ServerTransaction, drop

_HEAD: Final = 400
"""Bytes of a message that a log line may show."""
_CREDENTIALS: Final = ("authorization", "proxy-authorization")


class Guard:
    """Ends what failed; ``count`` is how many bugs have been met.

    ``out`` takes commands.  No method raises.
    """

    __slots__ = ("_out", "count", "refusals")

    def __init__(self, refusals: Refusals, out: list[commands.Command]) -> None:
        self.refusals = refusals
        self._out = out
        self.count = 0

    # -- what can fail -------------------------------------------------------------

    def message(self, flow: Flow, data: bytes, error: Exception) -> None:
        """A message without a transaction has failed: answer once, and forget it."""
        self.report("message.failed", error, data, flow)
        with suppress(Exception):
            request = parse_message(data, stream=flow.reliable)
            if isinstance(request, Request):
                self.refusals.unreadable(UnreadableRequest(request, "", 500), flow)

    def request(
        self,
        request: Request,
        flow: Flow,
        server: ServerTransaction,
        error: Exception,
        now: float,
    ) -> None:
        """A request with a server transaction, and perhaps a search, has failed."""
        if not isinstance(error, MalformedMessage):
            self.report("message.failed", error, _bytes_of(request), flow)
        user = server.user
        if isinstance(user, ResponseContext):
            user.abort(now)
        self.answer(request, flow, server, error, now)

    def response(
        self,
        transaction: ClientTransaction,
        response: AnyResponse,
        data: bytes,
        flow: Flow,
        error: Exception,
        now: float,
    ) -> None:
        """A response has failed.  A 2xx goes back all the same: after one to INVITE the
        callee believes that there is a call."""
        self.report("message.failed", error, data, flow)
        user = transaction.user
        server = None
        if isinstance(user, (ResponseContext, LateSuccess)):
            server = user.server
        if (
            server is not None
            and 200 <= response.status < 300
            and server.state in ("trying", "proceeding")
        ):
            with suppress(Exception):
                server.respond(response.status, response.forwarded(), now)
        transaction.user = None
        self.end_user(user, error, now)

    def timer(self, owner: object, name: str, error: Exception, now: float) -> None:
        """A timer of a transaction or a search has failed, or the end of its
        connection."""
        if isinstance(owner, ResponseContext):
            self.search(owner, error, now)
            return
        self.report("timer.failed", error, b"%r " % owner + name.encode())
        if isinstance(owner, Answered):
            owner.go_on(now)
        if isinstance(owner, (ServerTransaction, ClientTransaction)):
            user = owner.user
            owner.end_some_time(now)
            owner.user = None
            self.end_user(user, error, now)

    def search(self, search: ResponseContext, error: Exception, now: float) -> None:
        """A search has failed when it was to go on."""
        request = search.candidates.request
        head = b"" if request is None else _bytes_of(request)
        self.report("search.failed", error, head, search.candidates.flow)
        self.end_user(search, error, now)

    def event(self, event: object, error: Exception) -> None:
        """An event has failed as a whole; ``aftermath.py`` ends whatever waited."""
        self.report("event.failed", error, type(event).__name__.encode())

    # -- what is done about it -------------------------------------------------------

    def report(
        self, what: str, error: Exception, data: bytes = b"", flow: Flow | None = None
    ) -> None:
        """Tell the shell of the error, with the head of the message that met it."""
        self.count += 1
        head = b""
        with suppress(Exception):  # a head that cannot be masked is not shown
            head = _head_of(data)
        self._out.append(commands.NoteFault(what, error, head, flow))

    def answer(
        self,
        request: Request,
        flow: Flow,
        server: ServerTransaction,
        error: Exception,
        now: float,
    ) -> None:
        """Give the request a final answer if it has none; end it if that fails."""
        if server.state not in ("trying", "proceeding"):
            return
        refusal = Refusal(500)
        if isinstance(error, MalformedMessage):
            refusal = Refusal(error.status, error.reason)
        try:
            self.refusals.answer(request, flow, server, refusal, now)
        except Exception:
            drop(server)

    def end_user(self, user: object, error: Exception, now: float) -> None:
        """End the search that a failed transaction belonged to."""
        if not isinstance(user, ResponseContext):
            return
        request, server = user.candidates.request, user.server
        user.abort(now)
        if server is not None and request is not None:
            self.answer(request, user.candidates.flow, server, error, now)
        elif server is not None and server.state in ("trying", "proceeding"):
            drop(server)


def _bytes_of(request: Request) -> bytes:
    return b"\r\n".join(request.lines)


def _head_of(data: bytes) -> bytes:
    """The beginning of a message, and nothing of its credentials."""
    head = data[:_HEAD].partition(b"\r\n\r\n")[0]
    return b"\r\n".join(
        line
        for line in logical_lines(head)
        if canonical_name(line.partition(b":")[0]) not in _CREDENTIALS
    )
