"""Server transactions (RFC 3261 section 17.2, RFC 6026 section 7.1).

A transaction absorbs retransmissions and repeats its last response.  It keeps that
response as bytes and nothing of the request.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from proxy.sip.fields import tag_of
from proxy.sip.message import Request, parse_message
from proxy.transaction.budget import OVERHEAD
from proxy.transaction.states import (
    INVITE_SERVER,
    NON_INVITE_SERVER,
    Input,
    compile_table,
)
from proxy.transaction.timers import T1, T2, T4, TRANSACTION_TIMEOUT

if TYPE_CHECKING:
    from proxy.sip.flow import Flow
    from proxy.transaction.layer import TransactionLayer


class ServerUser(Protocol):
    """The transaction user above a server transaction: a response context."""

    def request_abandoned(self, transaction: ServerTransaction, now: float) -> None:
        """The way back is gone: no response can reach the client any more."""


class ServerTransaction:
    """One request of a client, until nobody can ask for its answer any more.

    ``flow`` is where responses go.  ``response`` is the last one sent; ``status`` its
    status, 0 before the first.
    """

    __slots__ = (
        "charge",
        "charged",
        "flow",
        "is_in_dialog",
        "is_waited_for",
        "key",
        "layer",
        "method",
        "response",
        "retransmit_after",
        "state",
        "status",
        "steps",
        "user",
    )

    def __init__(
        self,
        layer: TransactionLayer,
        key: bytes,
        method: bytes,
        flow: Flow,
        user: ServerUser | None = None,
    ) -> None:
        self.layer = layer
        self.key = key
        self.method = method
        self.flow = flow
        # Bytes on the account of the flow that the request came by.
        self.charge = 0
        self.charged = flow
        # The request brought a To tag; noted where ``prove`` may ask.
        self.is_in_dialog = False
        self.is_waited_for = True
        self.user = user
        self.response = b""
        self.status = 0
        self.retransmit_after = T1
        if method == b"INVITE":
            self.steps = _INVITE_STEPS
            self.state = "proceeding"
        else:
            self.steps = _NON_INVITE_STEPS
            self.state = "trying"

    def __repr__(self) -> str:
        return f"<ServerTransaction {self.method.decode('latin-1')} {self.state}>"

    @property
    def is_challenged(self) -> bool:
        """True after 401 or 407, when a legacy client repeats without an ACK."""
        return self.state == "completed" and self.status in (401, 407)

    def handle(self, input_: Input, now: float) -> None:
        """One step of the state machine."""
        if self.state == "terminated":
            return
        self.state, effects = self.steps[self.state][input_]
        try:
            for effect in effects:
                effect(self, now)
            if self.state == "terminated":
                self.layer.forget_server(self)
        except Exception:
            if _send in effects:
                self._send_again()
            self.end_some_time(now)
            raise

    def _send_again(self) -> None:
        with suppress(Exception):
            self.layer.send(self.flow, self.response)

    def end_some_time(self, now: float) -> None:
        """A step was left half-way, perhaps without the timer that would end us.

        Our user stays known: whoever catches the exception has to tell it.
        """
        user = self.user
        try:
            if self.state == "terminated":
                self.layer.forget_server(self)
            else:
                self.layer.timers.start("broken", TRANSACTION_TIMEOUT, self, now)
        except Exception:
            with suppress(Exception):
                self.settle()
            drop(self)
        self.user = user

    def respond(self, status: int, data: bytes, now: float) -> None:
        """Hand a response down; the state decides whether it may still leave."""
        input_: Input = "1xx" if status < 200 else "2xx" if status < 300 else "300-699"
        if self.state == "terminated":
            return
        # A response that the state does not let out must not replace the last one.
        if _send in self.steps[self.state][input_][1]:
            self.response = data
            self.status = status
        self.handle(input_, now)
        if status >= 200:
            self.settle()
        if status >= 200 and self.charge:
            # From now on the answer, and no longer the request; of that only the key.
            self.hold(OVERHEAD + len(self.key) + len(self.response))

    def settle(self) -> None:
        """Nobody waits for our answer any more."""
        if self.is_waited_for:
            self.is_waited_for = False
            self.charged.waiting -= 1

    def hold(self, bytes_: int) -> None:
        """Account for so many bytes, and for what was held before no more."""
        self.layer.budget.charge(self.charged, bytes_ - self.charge)
        self.charge = bytes_

    def prove(self, request: Request) -> None:
        """An ACK with the To tag of our answer: whoever sent it has heard us.

        The branch alone says nothing, for the sender of the INVITE has chosen it; nor
        does a tag that the INVITE had already.
        """
        if self.response and not self.is_in_dialog:
            sent = tag_of(parse_message(self.response).required("to"))
            if sent is not None and sent == request.to_tag():
                self.flow.hears_us = True

    def accepts_ack(self, request: Request) -> bool:
        """True when an ACK with our key is for our own non-2xx response.

        RFC 2543 ACKs name no branch, so the To tag must be the one we sent
        (RFC 3261 section 17.2.3).
        """
        if self.state != "completed" or not self.key.startswith(b"2543\n"):
            return True
        sent = parse_message(self.response)
        return tag_of(sent.required("to")) == request.to_tag()

    def timer_fired(self, name: str, now: float) -> None:
        """TimerOwner."""
        if name == "broken":
            self.state = "terminated"
            self.layer.forget_server(self)
            return
        self.handle(name, now)  # type: ignore[arg-type]


def drop(transaction: ServerTransaction) -> None:
    """Forget it without a call that could fail: what should end it has failed."""
    layer, charge = transaction.layer, transaction.charge
    transaction.state = "terminated"
    transaction.user = None
    transaction.charge = 0
    layer.servers.pop(transaction.key, None)
    account = transaction.charged.account
    if account is not None:
        layer.budget.held -= charge
        account.held -= charge


def _send(transaction: ServerTransaction, now: float) -> None:
    layer, flow = transaction.layer, transaction.flow
    layer.responses_sent[transaction.status // 100] += 1
    if flow.is_open or layer.way_lost is None:
        layer.send(flow, transaction.response)
    else:
        layer.way_lost(transaction, now)


def _resend(transaction: ServerTransaction, now: float) -> None:
    if transaction.response:
        transaction.layer.send(transaction.flow, transaction.response)
        transaction.layer.retransmissions_sent += 1


def _pass_up(transaction: ServerTransaction, now: float) -> None:
    """The ACK of a 2xx belongs to the core, which routes every such ACK itself."""


def _report_transport_error(transaction: ServerTransaction, now: float) -> None:
    if transaction.user is not None:
        transaction.user.request_abandoned(transaction, now)


def _start_g(transaction: ServerTransaction, now: float) -> None:
    if not transaction.flow.reliable:
        transaction.layer.timers.start(
            "timer G", transaction.retransmit_after, transaction, now
        )
        transaction.retransmit_after = min(transaction.retransmit_after * 2, T2)


def _start_h(transaction: ServerTransaction, now: float) -> None:
    transaction.user = None
    transaction.layer.timers.start("timer H", TRANSACTION_TIMEOUT, transaction, now)


def _start_i(transaction: ServerTransaction, now: float) -> None:
    _end_after(transaction, "timer I", T4, now)


def _start_j(transaction: ServerTransaction, now: float) -> None:
    transaction.user = None
    _end_after(transaction, "timer J", TRANSACTION_TIMEOUT, now)


def _end_after(
    transaction: ServerTransaction, name: str, delay: float, now: float
) -> None:
    """A stream repeats nothing, so there is nothing to wait for."""
    if transaction.flow.reliable:
        transaction.state = "terminated"
    else:
        transaction.layer.timers.start(name, delay, transaction, now)


def _start_l(transaction: ServerTransaction, now: float) -> None:
    # RFC 6026: a retransmitted INVITE is absorbed without an answer, the callee
    # repeats its 2xx itself; so the bytes need not be kept.
    transaction.response = b""
    transaction.layer.timers.start("timer L", TRANSACTION_TIMEOUT, transaction, now)


_EFFECTS: Final = {
    "send": _send,
    "resend": _resend,
    "pass up": _pass_up,
    "report transport error": _report_transport_error,
    "start G": _start_g,
    "start H": _start_h,
    "start I": _start_i,
    "start J": _start_j,
    "start L": _start_l,
}
_INVITE_STEPS: Final = compile_table(INVITE_SERVER, _EFFECTS)
_NON_INVITE_STEPS: Final = compile_table(NON_INVITE_SERVER, _EFFECTS)
