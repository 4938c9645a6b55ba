"""Server transactions (RFC 3261 section 17.2, RFC 6026 section 7.1).

A transaction absorbs retransmissions and repeats its last response.  It keeps that
response as bytes, and nothing of the request.  Once only repetitions of the request can
come, ``answered.py`` keeps it as a key and those bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from proxy.sip.counted import Counted
from proxy.sip.fields import ViaHead, tag_of
from proxy.sip.flow import Flow
from proxy.sip.grammar import logical_lines, unfold
from proxy.sip.message import Request
from proxy.sip.names import canonical_name
from proxy.transaction.answered import Answered
from proxy.transaction.budget import COPIES, OVERHEAD, Budget
from proxy.transaction.machine import ENDED, Transaction
from proxy.transaction.states import (
    INVITE_SERVER,
    NON_INVITE_SERVER,
    Input,
    compile_table,
)
from proxy.transaction.timers import DURATIONS, T2, TRANSACTION_TIMEOUT, Timers


class ServerUser(Protocol):
    """The transaction user above a server transaction: a response context."""

    def request_abandoned(self, transaction: ServerTransaction, now: float) -> None:
        """The way back is gone: no response can reach the client any more."""


class Effect:
    """What a step does besides changing the state; this base does nothing.

    Each effect is a class and not a function: compiled code calls a method directly,
    but to call a function out of a table it packs and unpacks the arguments.
    """

    def carry_out(self, transaction: ServerTransaction, now: float) -> None:
        """Do it."""


class ServerTransaction(Transaction[Effect]):
    """One request of a client, until nobody can ask for its answer any more.

    ``flow`` is where responses go.  ``response`` is the last one sent and ``status``
    its status, 0 before the first.  ``sent_by`` is the top Via of the request up to its
    branch: where the client listens if its connection ends (section 18.2.2).
    """

    __slots__ = (
        "charge",
        "charged",
        "is_in_dialog",
        "is_waited_for",
        "layer",
        "response",
        "sent_by",
        "status",
        "user",
    )

    def __init__(
        self,
        layer: Servers,
        key: bytes,
        method: bytes,
        flow: Flow,
        sent_by: ViaHead | None = None,
    ) -> None:
        if method == b"INVITE":
            self.begin(key, method, flow, _INVITE_STEPS, "proceeding")
        else:
            self.begin(key, method, flow, _NON_INVITE_STEPS, "trying")
        self.layer = layer
        self.sent_by = sent_by
        # Bytes charged to the account of the flow that brought the request.
        self.charge = 0
        self.charged = flow
        # Whether the request had a To tag; set only where ``prove`` may ask for it.
        self.is_in_dialog = False
        self.is_waited_for = True
        self.user: ServerUser | None = None
        self.response = b""
        self.status = 0

    def __repr__(self) -> str:
        return f"<ServerTransaction {self.method.decode('latin-1')} {self.state}>"

    @property
    def is_challenged(self) -> bool:
        """True after 401 or 407: a legacy client then repeats its request with
        credentials, without sending the ACK first."""
        return self.state == "completed" and self.status in (401, 407)

    def handle(self, input_: Input, now: float) -> None:
        """One step of the state machine."""
        if self.state == ENDED:
            return
        effects = self.step(input_)
        try:
            for effect in effects:
                effect.carry_out(self, now)
            if self.state == ENDED:
                self.layer.forget(self)
        except Exception:
            if _SEND in effects:
                self._send_again()
            self.end_some_time(now)
            raise

    def _send_again(self) -> None:
        with suppress(Exception):
            self.layer.send(self.flow, self.response)

    def end_some_time(self, now: float) -> None:
        """A step broke off, perhaps before it started a timer: end after 64*T1.

        ``user`` stays set: the guard, which gets the exception, ends it (decision 23).
        """
        user = self.user
        try:
            if self.state == ENDED:
                self.layer.forget(self)
            else:
                self.layer.timers.start("broken", TRANSACTION_TIMEOUT, self, now)
        except Exception:
            with suppress(Exception):
                self.settle()
            drop(self)
        self.user = user

    def respond(self, status: int, data: bytes, now: float) -> None:
        """Send a response, if the state still allows one."""
        input_: Input = "1xx" if status < 200 else "2xx" if status < 300 else "300-699"
        if self.state == ENDED:
            return
        # A response that is not sent must not replace the one that is repeated.
        if _SEND in self.effects_of(input_):
            self.response = data
            self.status = status
        self.handle(input_, now)
        # Once a final response is out, the end of the client's connection is no news.
        if status >= 200:
            self.settle()
        if status >= 200 and self.charge:
            # From now on charge the answer and the key, no longer the request.
            self.hold(OVERHEAD + len(self.key) + len(self.response))

    def settle(self) -> None:
        """The client no longer waits for our answer; counted once."""
        if self.is_waited_for:
            self.is_waited_for = False
            self.charged.waiting -= 1

    def hold(self, bytes_: int) -> None:
        """Charge this many bytes in place of those charged before."""
        self.layer.budget.charge(self.charged, bytes_ - self.charge)
        self.charge = bytes_

    def prove(self, request: Request) -> None:
        """An ACK with the To tag of our answer proves that its sender hears us.

        The branch alone proves nothing, because the sender of the INVITE chose it.  Nor
        does a tag that the INVITE already had (decision 86).
        """
        if self.response and not self.is_in_dialog:
            sent = _to_tag_in(self.response)
            if sent is not None and sent == request.to_tag():
                self.flow.hears_us = True

    def accepts_ack(self, request: Request) -> bool:
        """True when an ACK with our key is for our own non-2xx response.

        The ACK of an RFC 2543 client has no branch to match, so its To tag must be the
        one that we sent (section 17.2.3).
        """
        if self.state != "completed" or not self.key.startswith(b"2543\n"):
            return True
        return _to_tag_in(self.response) == request.to_tag()

    def timer_fired(self, name: str, now: float) -> None:
        """TimerOwner."""
        self.handle(name, now)  # type: ignore[arg-type]


def drop(transaction: ServerTransaction) -> None:
    """Forget a transaction whose ordinary end has failed; nothing here can fail."""
    layer, charge = transaction.layer, transaction.charge
    with suppress(Exception):
        transaction.step("broken")
    transaction.user = None
    transaction.charge = 0
    layer.live.pop(transaction.key, None)
    account = transaction.charged.account
    if account is not None:
        layer.budget.held -= charge
        account.held -= charge


def _to_tag_in(response: bytes) -> bytes | None:
    """The To tag of a response that we have sent."""
    for line in logical_lines(response.partition(b"\r\n\r\n")[0])[1:]:
        name, _, value = line.partition(b":")
        if canonical_name(name) == "to":
            return tag_of(unfold(value.strip()))
    return None


# The effects of the tables; ``states.py`` says which step has which.


class _Send(Effect):
    def carry_out(self, transaction: ServerTransaction, now: float) -> None:
        layer, flow = transaction.layer, transaction.flow
        layer.responses_sent[transaction.status // 100].n += 1
        # Section 18.2.2: the response goes over the connection of the request as long
        # as it is open.
        if flow.is_open or layer.way_lost is None:
            layer.send(flow, transaction.response)
        else:
            layer.way_lost(transaction, now)


class _Resend(Effect):
    def carry_out(self, transaction: ServerTransaction, now: float) -> None:
        # Section 17.2.1: before the first response there is nothing to repeat.
        if transaction.response:
            transaction.layer.send(transaction.flow, transaction.response)
            transaction.layer.resent += 1


class _PassUp(Effect):
    """Nothing to do: the core routes every ACK of a 2xx itself (section 13.2.2.4)."""


class _ReportTransportError(Effect):
    def carry_out(self, transaction: ServerTransaction, now: float) -> None:
        if transaction.user is not None:
            transaction.user.request_abandoned(transaction, now)


class _StartG(Effect):
    def carry_out(self, transaction: ServerTransaction, now: float) -> None:
        # Section 17.2.1: over UDP the failure of an INVITE is repeated until its ACK
        # comes.  A legacy client sends no such ACK, so it gets every repetition.
        if not transaction.flow.reliable:
            transaction.layer.timers.start(
                "timer G", transaction.retransmit_after, transaction, now
            )
            transaction.retransmit_after = min(transaction.retransmit_after * 2, T2)


def _start(transaction: ServerTransaction, name: Input, now: float) -> None:
    """Start a timer that ends a state; zero seconds, as on a stream, end it at once."""
    seconds = DURATIONS[name][transaction.flow.reliable]
    if seconds:
        transaction.layer.timers.start(name, seconds, transaction, now)
    else:
        transaction.handle(name, now)


class _StartH(Effect):
    def carry_out(self, transaction: ServerTransaction, now: float) -> None:
        # The final response is out: only its bytes are needed, so the search can go.
        transaction.user = None
        _start(transaction, "timer H", now)


class _StartI(Effect):
    def carry_out(self, transaction: ServerTransaction, now: float) -> None:
        _start(transaction, "timer I", now)


class _StartJ(Effect):
    def carry_out(self, transaction: ServerTransaction, now: float) -> None:
        transaction.user = None  # as with timer H
        if transaction.flow.reliable:
            _start(transaction, "timer J", now)
        else:
            transaction.layer.put_away(transaction, now)


class _StartL(Effect):
    def carry_out(self, transaction: ServerTransaction, now: float) -> None:
        # RFC 6026 section 7.1: a repeated INVITE gets no answer, because the callee
        # repeats its 2xx itself.  So the bytes need not be kept.
        transaction.response = b""
        if transaction.flow.reliable:
            # Its connection may end; a repeated 2xx must then find another one, for
            # which ``way_lost`` needs the transaction.
            _start(transaction, "timer L", now)
        else:
            transaction.layer.put_away(transaction, now)


_SEND: Final = _Send()
_EFFECTS: Final[dict[str, Effect]] = {
    "send": _SEND,
    "resend": _Resend(),
    "pass up": _PassUp(),
    "report transport error": _ReportTransportError(),
    "start G": _StartG(),
    "start H": _StartH(),
    "start I": _StartI(),
    "start J": _StartJ(),
    "start L": _StartL(),
}
_INVITE_STEPS: Final = compile_table(INVITE_SERVER, _EFFECTS)
_NON_INVITE_STEPS: Final = compile_table(NON_INVITE_SERVER, _EFFECTS)


class Servers:
    """All server transactions of one process, by key; ``send`` puts bytes on a flow.

    ``live`` has those with a state, ``answered`` those that only repeat their answer.
    ``way_lost`` is called for a response whose connection has ended (section 18.2.2).
    ``responses_sent`` counts by class of status: index 2 is for 200 to 299.
    """

    __slots__ = (
        "answered",
        "budget",
        "live",
        "resent",
        "responses_sent",
        "send",
        "started",
        "timers",
        "way_lost",
    )

    def __init__(
        self, send: Callable[[Flow, bytes], None], timers: Timers, budget: Budget
    ) -> None:
        self.send = send
        self.timers = timers
        self.budget = budget
        self.way_lost: Callable[[ServerTransaction, float], None] | None = None
        self.live: dict[bytes, ServerTransaction] = {}
        self.answered = Answered(timers, budget)
        self.started = 0
        self.resent = 0
        self.responses_sent = [Counted() for _ in range(7)]

    def open(
        self, key: bytes, method: bytes, flow: Flow, size: int, sent_by: ViaHead | None
    ) -> ServerTransaction:
        """Start the server transaction of a new request of ``size`` bytes."""
        transaction = ServerTransaction(self, key, method, flow, sent_by)
        transaction.charge = COPIES * size + OVERHEAD
        self.budget.charge(flow, transaction.charge)
        flow.waiting += 1
        self.live[key] = transaction
        self.started += 1
        return transaction

    def __len__(self) -> int:
        return len(self.live) + len(self.answered.answers)

    def put_away(self, transaction: ServerTransaction, now: float) -> None:
        """Move a transaction that only repeats its answer from now on."""
        key, charged = transaction.key, transaction.charged
        if self.live.get(key) is not transaction:
            return  # it has been moved already: this is the callee's repeated 2xx
        account = charged.account or self.budget.account(charged)
        self.answered.put(key, transaction.response, account, now)
        del self.live[key]
        transaction.hold(0)

    def repeat(self, answer: bytes, flow: Flow) -> None:
        """A request has come again; ``answer`` is empty after the 2xx to an INVITE,
        where nothing is repeated."""
        if answer:
            self.send(flow, answer)
            self.resent += 1

    def send_late(self, flow: Flow, status: int, data: bytes) -> None:
        """Send another 2xx to an INVITE that has had its answer (RFC 6026)."""
        self.responses_sent[status // 100].n += 1
        self.send(flow, data)

    def forget(self, transaction: ServerTransaction) -> None:
        """Drop a terminated transaction."""
        if self.live.get(transaction.key) is transaction:
            del self.live[transaction.key]
        transaction.user = None
        transaction.settle()
        transaction.hold(0)
