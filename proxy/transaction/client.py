"""Client transactions (RFC 3261 section 17.1, RFC 6026 section 8.4).

A transaction looks its transitions up in ``states.py`` and carries out their effects.
It keeps the bytes that were sent, to send them again.  Of an INVITE it keeps the lines
as well, because its ACK and its CANCEL are built from them (``companions.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from proxy.sip.flow import Flow
from proxy.sip.message import Response
from proxy.sip.plain_response import PlainResponse
from proxy.transaction.companions import Companions
from proxy.transaction.machine import ENDED, Transaction
from proxy.transaction.states import (
    INVITE_CLIENT,
    NON_INVITE_CLIENT,
    Input,
    compile_table,
)
from proxy.transaction.timers import (
    DURATIONS,
    T1,
    T2,
    TIMER_C,
    TRANSACTION_TIMEOUT,
    Timers,
)

MOST_STRANDED: Final = 10_000
"""INVITEs that are remembered after their connection has ended; the oldest go."""

AnyResponse = Response | PlainResponse
"""A final response of 300 or more is always a full Response."""


class ClientUser(Protocol):
    """The transaction user above a client transaction: a response context."""

    def response_received(
        self, transaction: ClientTransaction, response: AnyResponse, now: float
    ) -> None:
        """A new response, or a 2xx to INVITE, new or repeated (RFC 6026, 8.4)."""

    def transaction_failed(
        self, transaction: ClientTransaction, reason: str, now: float
    ) -> None:
        """No final response will come; ``reason`` is "timeout" or the transport's."""

    def still_waiting(self, transaction: ClientTransaction, now: float) -> None:
        """T1 has passed without a final response: the user now starts its deadlines."""

    def peer_silent(
        self, transaction: ClientTransaction, key: tuple[str, str, int], now: float
    ) -> None:
        """Another transaction has waited in vain for the peer at this address."""


class Effect:
    """What a step does besides changing the state; why a class, says ``server.py``."""

    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        """Do it."""


class ClientTransaction(Transaction[Effect]):
    """One request on its way to one place.

    ``data`` is the request as sent, ``lines`` its lines if it is an INVITE; both become
    empty when they are no longer needed.  ``heard`` is the response of this step.
    ``note`` is the user's, for what it needs when answers come.  ``is_given_up``: the
    search has moved on, so nothing is repeated, but an answer still counts.
    """

    __slots__ = (
        "_companions",
        "data",
        "failure",
        "heard",
        "is_given_up",
        "layer",
        "lines",
        "note",
        "user",
    )

    def __init__(
        self,
        layer: Clients,
        key: bytes,
        method: bytes,
        lines: Sequence[bytes],
        flow: Flow,
        user: ClientUser | None,
    ) -> None:
        if method == b"INVITE":
            self.begin(key, method, flow, _INVITE_STEPS, "calling")
            self.lines = lines
        else:
            self.begin(key, method, flow, _NON_INVITE_STEPS, "trying")
            self.lines = ()
        self.layer = layer
        self.data = b"\r\n".join(lines)
        self.user = user
        self.failure = ""
        self.heard: AnyResponse | None = None
        self.note: object = None
        self.is_given_up = False
        self._companions: Companions | None = None

    def __repr__(self) -> str:
        return f"<ClientTransaction {self.method.decode('latin-1')} {self.state}>"

    # -- what belongs to an INVITE -------------------------------------------------

    def companions(self) -> Companions | None:
        """What builds the ACK and the CANCEL; None once neither can be needed, and for
        any method but INVITE."""
        if self._companions is None and self.lines:
            self._companions = Companions(self.lines)
        return self._companions

    def give_up(self) -> None:
        """The search has moved on: do not repeat the request, and drop its body."""
        self.is_given_up = True
        with suppress(Exception):  # keeping too much is better than failing here
            self.keep_companions()

    def keep_companions(self) -> None:
        """Drop the request, but keep what builds its ACK and its CANCEL."""
        self.companions()
        self.data = b""
        self.lines = ()

    def forget_bytes(self) -> None:
        """Nothing will be sent again."""
        self.data = b""
        self.lines = ()
        self._companions = None

    # -- the machine ---------------------------------------------------------------

    def handle(
        self, input_: Input, now: float, response: AnyResponse | None = None
    ) -> None:
        """One step of the state machine."""
        if self.state == ENDED:
            return
        effects = self.step(input_)
        self.heard = response
        try:
            for effect in effects:
                effect.carry_out(self, now)
            if self.state == ENDED:
                self.layer.forget(self)
        except Exception:
            self.end_some_time(now)
            raise
        finally:
            self.heard = None

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
                self.step("broken")
            self.layer.live.pop(self.key, None)
        self.user = user

    def response_received(self, response: AnyResponse, now: float) -> None:
        """A response has our branch and our CSeq method (section 17.1.3)."""
        status = response.status
        # With its final response it need not be told when its stream ends.
        if status >= 200 and self.flow.reliable:
            self.layer.settle(self)
        if status >= 300:
            self.handle("300-699", now, response)
        elif status >= 200:
            self.handle("2xx", now, response)
        else:
            self.handle("100" if status == 100 else "1xx", now, response)

    def transport_failed(self, reason: str, now: float) -> None:
        """The flow is gone, or our datagram was refused (section 17.1.4)."""
        self.failure = reason
        self.handle("transport error", now)

    def connection_lost(self, reason: str, now: float) -> None:
        """The stream that carried the request has ended."""
        self.failure = reason
        self.handle("connection lost", now)

    def timer_fired(self, name: str, now: float) -> None:
        """TimerOwner."""
        # A shortcut for nearly every check; the table ignores it in these states too.
        if name == "check" and self.state in ("completed", "accepted", "terminated"):
            return
        self.handle(name, now)  # type: ignore[arg-type]


class _Resend(Effect):
    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        # Sections 17.1.1.2 and 17.1.2.2: only an unreliable transport repeats requests.
        if not transaction.flow.reliable and not transaction.is_given_up:
            transaction.layer.send(transaction.flow, transaction.data)
            transaction.layer.resent += 1


class _PassUp(Effect):
    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        user, response = transaction.user, transaction.heard
        if user is not None and response is not None:
            user.response_received(transaction, response, now)


class _ReportWaiting(Effect):
    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        if transaction.user is not None:
            transaction.user.still_waiting(transaction, now)


class _StartSlowTimers(Effect):
    """The check fired at T1: start A or E and B or F as if they had always run."""

    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        timers = transaction.layer.timers
        name = "timer B" if transaction.method == b"INVITE" else "timer F"
        timers.start(name, TRANSACTION_TIMEOUT - T1, transaction, now)
        _START_REPEATING.carry_out(transaction, now)


class _StartRepeating(Effect):
    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        if transaction.flow.reliable:
            return
        name, after = "timer A", transaction.retransmit_after * 2
        # Section 17.1.1.2: timer A doubles without an upper limit, until timer B fires.
        if transaction.method != b"INVITE":
            # Section 17.1.2.2: timer E doubles up to T2.  Once a provisional response
            # has come it is T2 at once, because the other side has the request.
            name, after = "timer E", min(after, T2)
            if transaction.state == "proceeding":
                after = T2
        transaction.retransmit_after = after
        transaction.layer.timers.start(name, after, transaction, now)


def _start(transaction: ClientTransaction, name: Input, now: float) -> None:
    """Start a timer that ends a state; zero seconds, as on a stream, end it at once."""
    seconds = DURATIONS[name][transaction.flow.reliable]
    if seconds:
        transaction.layer.timers.start(name, seconds, transaction, now)
    else:
        transaction.handle(name, now)


class _StartD(Effect):
    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        # Section 17.1.1.2: until timer D each repetition of the failure gets its ACK.
        transaction.keep_companions()
        _start(transaction, "timer D", now)


class _StartK(Effect):
    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        # Section 17.1.2.2: all that comes from now on is a repetition.
        transaction.forget_bytes()
        transaction.user = None
        _start(transaction, "timer K", now)


class _StartM(Effect):
    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        # RFC 6026 section 8.4: repetitions of the 2xx still go up, because the caller
        # sends their ACK.  The INVITE is neither sent again nor cancelled any more.
        transaction.forget_bytes()
        _start(transaction, "timer M", now)


class _Ack(Effect):
    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        # Section 17.1.1.3: the ACK of a failure has the To of the response.
        companions, response = transaction.companions(), transaction.heard
        if companions is not None and isinstance(response, Response):
            ack = companions.ack(response.lines[response.index["to"]])
            transaction.layer.send(transaction.flow, b"\r\n".join(ack))


class _Report(Effect):
    """Tell the user that no answer will come, with ``reason`` or the transport's."""

    def __init__(self, reason: str = "") -> None:
        self._reason = reason

    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        if transaction.user is not None:
            reason = self._reason or transaction.failure
            transaction.user.transaction_failed(transaction, reason, now)


class _Strand(Effect):
    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        transaction.layer.strand(transaction, now)


_START_REPEATING: Final = _StartRepeating()
_EFFECTS: Final[dict[str, Effect]] = {
    "resend": _Resend(),
    "ack": _Ack(),
    "pass up": _PassUp(),
    "report timeout": _Report("timeout"),
    "report transport error": _Report(),
    "report waiting": _ReportWaiting(),
    "start slow timers": _StartSlowTimers(),
    "start A": _START_REPEATING,
    "start D": _StartD(),
    "start E": _START_REPEATING,
    "start K": _StartK(),
    "start M": _StartM(),
    "strand": _Strand(),
}
_INVITE_STEPS: Final = compile_table(INVITE_CLIENT, _EFFECTS)
_NON_INVITE_STEPS: Final = compile_table(NON_INVITE_CLIENT, _EFFECTS)


class Clients:
    """All client transactions of one process, by key; ``send`` puts bytes on a flow.

    ``on_stream`` has, by flow, those that still wait for an answer on a stream;
    ``stranded`` has, by branch, the INVITEs whose connection has ended.
    """

    __slots__ = ("live", "on_stream", "resent", "send", "started", "stranded", "timers")

    def __init__(self, send: Callable[[Flow, bytes], None], timers: Timers) -> None:
        self.send = send
        self.timers = timers
        self.live: dict[bytes, ClientTransaction] = {}
        # In order: what a lost connection takes along is tried again as it was sent.
        self.on_stream: dict[Flow, dict[ClientTransaction, None]] = {}
        self.stranded: dict[bytes, ClientTransaction] = {}
        self.started = 0
        self.resent = 0

    def open(
        self,
        key: bytes,
        method: bytes,
        lines: Sequence[bytes],
        flow: Flow,
        user: ClientUser | None,
        now: float,
    ) -> ClientTransaction:
        """Send a request and watch over it; ``key`` is its branch."""
        transaction = ClientTransaction(self, key, method, lines, flow, user)
        # Start the timer first: then the transaction ends even if a later line fails.
        self.timers.start("check", T1, transaction, now)
        self.live[key] = transaction
        self.started += 1
        if flow.reliable:
            self.on_stream.setdefault(flow, {})[transaction] = None
        self.send(flow, transaction.data)
        return transaction

    def forget(self, transaction: ClientTransaction) -> None:
        """Drop a terminated transaction."""
        if self.live.get(transaction.key) is transaction:
            del self.live[transaction.key]
        transaction.user = None
        if self.stranded and self.stranded.get(transaction.key) is transaction:
            del self.stranded[transaction.key]
        if transaction.flow.reliable:
            self.settle(transaction)

    def settle(self, transaction: ClientTransaction) -> None:
        """A final response has come, so do not tell this one when its stream ends."""
        waiting = self.on_stream.get(transaction.flow)
        if waiting is not None:
            waiting.pop(transaction, None)

    def strand(self, transaction: ClientTransaction, now: float) -> None:
        """Keep an INVITE for timer C: its answer may use a new stream (18.2.2)."""
        if len(self.stranded) >= MOST_STRANDED:
            self.stranded.pop(next(iter(self.stranded)))
        self.live.pop(transaction.key, None)
        self.timers.start("timer C", TIMER_C, transaction, now)
        self.stranded[transaction.key] = transaction
