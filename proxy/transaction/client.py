"""Client transactions (RFC 3261 section 17.1, RFC 6026 section 8.4).

A transaction looks its transitions up in ``states.py`` and carries out their effects.
It keeps the request as the bytes that were sent; the ACK and CANCEL that belong to it
are built from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from proxy.sip.limits import MessageLimits
from proxy.sip.message import Request, Response, parse_message
from proxy.sip.plain_response import PlainResponse
from proxy.transaction.states import (
    INVITE_CLIENT,
    NON_INVITE_CLIENT,
    Input,
    compile_table,
)
from proxy.transaction.timers import T1, T2, T4, TRANSACTION_TIMEOUT

if TYPE_CHECKING:
    from proxy.sip.flow import Flow
    from proxy.transaction.layer import TransactionLayer


AnyResponse = Response | PlainResponse
"""A final response of 300 or more is always a full Response."""


class ClientUser(Protocol):
    """The transaction user above a client transaction: a response context."""

    def response_received(
        self, transaction: ClientTransaction, response: AnyResponse, now: float
    ) -> None:
        """A response that is no retransmission (a 2xx to INVITE may be one)."""

    def transaction_failed(
        self, transaction: ClientTransaction, reason: str, now: float
    ) -> None:
        """No final response will come: ``timeout`` or the transport's reason."""

    def still_waiting(self, transaction: ClientTransaction, now: float) -> None:
        """T1 has passed without a final response: time to think of deadlines."""

    def peer_silent(
        self, transaction: ClientTransaction, key: tuple[str, str, int], now: float
    ) -> None:
        """Somebody else has waited for the peer with this address in vain."""


class ClientTransaction:
    """One request on its way to one place.

    ``data`` are the bytes sent; empty once they cannot be needed any more.  ``note`` is
    a slot for the user, who finds in it what the answers need.
    ``is_given_up`` is set when the search has moved on: nothing is repeated then, but
    an answer is still understood.
    """

    __slots__ = (
        "data",
        "failure",
        "flow",
        "is_given_up",
        "key",
        "layer",
        "method",
        "note",
        "retransmit_after",
        "state",
        "steps",
        "user",
    )

    def __init__(
        self,
        layer: TransactionLayer,
        key: bytes,
        method: bytes,
        data: bytes,
        flow: Flow,
        user: ClientUser | None,
    ) -> None:
        self.layer = layer
        self.key = key
        self.method = method
        self.data = data
        self.flow = flow
        self.user = user
        self.retransmit_after = T1
        self.failure = ""
        self.note: object = None
        self.is_given_up = False
        if method == b"INVITE":
            self.steps = _INVITE_STEPS
            self.state = "calling"
        else:
            self.steps = _NON_INVITE_STEPS
            self.state = "trying"

    def give_up(self) -> None:
        """The search has moved on: nothing is repeated, and no body is kept."""
        self.is_given_up = True
        if self.method == b"INVITE":  # an ACK or a CANCEL may still be made of it
            with suppress(Exception):  # to keep too much is better than to fail now
                self.data = _companion(self.data, b"INVITE", None)
        else:
            self.data = b""

    def __repr__(self) -> str:
        return f"<ClientTransaction {self.method.decode('latin-1')} {self.state}>"

    def handle(self, input_: Input, now: float, response: AnyResponse | None) -> None:
        """One step of the state machine."""
        if self.state == "terminated":
            return
        self.state, effects = self.steps[self.state][input_]
        try:
            for effect in effects:
                effect(self, now, response)
            if self.state == "terminated":
                self.layer.forget_client(self)
        except Exception:
            self.end_some_time(now)
            raise

    def end_some_time(self, now: float) -> None:
        """A step was left half-way, perhaps without the timer that would end us.

        Our user stays known: whoever catches the exception has to tell it.
        """
        user = self.user
        try:
            if self.state == "terminated":
                self.layer.forget_client(self)
            else:
                self.layer.timers.start("broken", TRANSACTION_TIMEOUT, self, now)
        except Exception:
            self.state = "terminated"
            self.layer.clients.pop(self.key, None)
        self.user = user

    def response_received(self, response: AnyResponse, now: float) -> None:
        """A response whose branch and CSeq method are ours."""
        status = response.status
        if status >= 200 and self.flow.reliable:
            self.layer.settle(self)
        if status >= 300:
            self.handle("300-699", now, response)
        elif status >= 200:
            self.handle("2xx", now, response)
        else:
            self.handle("100" if status == 100 else "1xx", now, response)

    def transport_failed(self, reason: str, now: float) -> None:
        """The flow is gone, or refused our datagram."""
        self.failure = reason
        self.handle("transport error", now, None)

    def connection_lost(self, reason: str, now: float) -> None:
        """The stream that the request went over has ended."""
        self.failure = reason
        self.handle("connection lost", now, None)

    def timer_fired(self, name: str, now: float) -> None:
        """TimerOwner."""
        if name == "check" and self.state in ("completed", "accepted", "terminated"):
            return  # listed as ignored; this is how nearly every check ends
        if name == "broken":
            self.state = "terminated"
            self.layer.forget_client(self)
            return
        self.handle(name, now, None)  # type: ignore[arg-type]


def _resend(transaction: ClientTransaction, now: float, _: AnyResponse | None) -> None:
    if not transaction.flow.reliable and not transaction.is_given_up:
        transaction.layer.send(transaction.flow, transaction.data)
        transaction.layer.retransmissions_sent += 1


def _pass_up(
    transaction: ClientTransaction, now: float, response: AnyResponse | None
) -> None:
    user = transaction.user
    if user is not None and response is not None:
        user.response_received(transaction, response, now)


def _report_waiting(
    transaction: ClientTransaction, now: float, _: AnyResponse | None
) -> None:
    if transaction.user is not None:
        transaction.user.still_waiting(transaction, now)


def _start_slow_timers(
    transaction: ClientTransaction, now: float, _: AnyResponse | None
) -> None:
    """The check has fired at T1: go on as if A or E and B or F had always run."""
    timers = transaction.layer.timers
    invite = transaction.steps is _INVITE_STEPS
    rest = TRANSACTION_TIMEOUT - T1
    timers.start("timer B" if invite else "timer F", rest, transaction, now)
    if invite:
        _start_a(transaction, now, None)
    else:
        _start_e(transaction, now, None)


def _start_a(transaction: ClientTransaction, now: float, _: AnyResponse | None) -> None:
    if not transaction.flow.reliable:
        transaction.retransmit_after *= 2
        transaction.layer.timers.start(
            "timer A", transaction.retransmit_after, transaction, now
        )


def _start_e(transaction: ClientTransaction, now: float, _: AnyResponse | None) -> None:
    if not transaction.flow.reliable:
        doubled = min(transaction.retransmit_after * 2, T2)
        transaction.retransmit_after = (
            T2 if transaction.state == "proceeding" else doubled
        )
        transaction.layer.timers.start(
            "timer E", transaction.retransmit_after, transaction, now
        )


def _start_d(transaction: ClientTransaction, now: float, _: AnyResponse | None) -> None:
    """At least 32 s on UDP, none on a stream (RFC 3261 section 17.1.1.2)."""
    _end_after(transaction, "timer D", TRANSACTION_TIMEOUT, now)


def _start_k(transaction: ClientTransaction, now: float, _: AnyResponse | None) -> None:
    transaction.data = b""
    transaction.user = None
    _end_after(transaction, "timer K", T4, now)


def _end_after(
    transaction: ClientTransaction, name: str, delay: float, now: float
) -> None:
    if transaction.flow.reliable:
        transaction.state = "terminated"
    else:
        transaction.layer.timers.start(name, delay, transaction, now)


def _start_m(transaction: ClientTransaction, now: float, _: AnyResponse | None) -> None:
    transaction.data = b""
    transaction.layer.timers.start("timer M", TRANSACTION_TIMEOUT, transaction, now)


def _ack(
    transaction: ClientTransaction, now: float, response: AnyResponse | None
) -> None:
    if isinstance(response, Response):
        data = acknowledge(transaction.data, response)
        transaction.layer.send(transaction.flow, data)


def _report_timeout(
    transaction: ClientTransaction, now: float, _: AnyResponse | None
) -> None:
    if transaction.user is not None:
        transaction.user.transaction_failed(transaction, "timeout", now)


def _report_transport_error(
    transaction: ClientTransaction, now: float, _: AnyResponse | None
) -> None:
    if transaction.user is not None:
        transaction.user.transaction_failed(transaction, transaction.failure, now)


def _strand(transaction: ClientTransaction, now: float, _: AnyResponse | None) -> None:
    transaction.layer.strand(transaction, now)


_EFFECTS: Final = {
    "resend": _resend,
    "ack": _ack,
    "pass up": _pass_up,
    "report timeout": _report_timeout,
    "report transport error": _report_transport_error,
    "report waiting": _report_waiting,
    "start slow timers": _start_slow_timers,
    "start A": _start_a,
    "start D": _start_d,
    "start E": _start_e,
    "start K": _start_k,
    "start M": _start_m,
    "strand": _strand,
}
_INVITE_STEPS: Final = compile_table(INVITE_CLIENT, _EFFECTS)
_NON_INVITE_STEPS: Final = compile_table(NON_INVITE_CLIENT, _EFFECTS)


def acknowledge(data: bytes, response: Response) -> bytes:
    """The ACK for a non-2xx ``response`` to the INVITE ``data`` (section 17.1.1.3)."""
    return _companion(data, b"ACK", response.lines[response.index["to"]])


def cancel(data: bytes, reasons: Sequence[bytes] = ()) -> bytes:
    """The CANCEL for the INVITE ``data`` (section 9.1); its branch is the INVITE's.

    ``reasons`` are whole Reason lines (RFC 3326), the only thing that a CANCEL says
    beyond its INVITE.
    """
    return _companion(data, b"CANCEL", None, reasons)


NO_LIMITS: Final = MessageLimits(*([1 << 30] * 8))
"""What we sent carries our own lines as well, so it may exceed what we accept."""


def _companion(
    data: bytes, method: bytes, to_line: bytes | None, more: Sequence[bytes] = ()
) -> bytes:
    request = parse_message(data, NO_LIMITS)
    assert isinstance(request, Request)
    lines = request.lines
    index = request.index
    kept = [
        b"%b %b SIP/2.0" % (method, request.uri),
        lines[index["via"]],
        *(lines[i] for i, name in enumerate(request.names) if name == "route"),
        b"Max-Forwards: 70",
        lines[index["from"]],
        to_line or lines[index["to"]],
        lines[index["call-id"]],
        b"CSeq: %d %b" % (request.cseq()[0], method),
        *more,
        b"Content-Length: 0",
        b"\r\n",
    ]
    return b"\r\n".join(kept)
