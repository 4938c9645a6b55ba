"""Client transactions (RFC 3261 section 17.1, RFC 6026 section 8.4).

A transaction looks its transitions up in ``states.py`` and carries out their effects.
It keeps the request as the bytes that were sent, and of an INVITE the lines: the ACK
and the CANCEL that belong to it are built from them (``companions.py``).
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
"""INVITEs that are remembered after the end of their connection."""

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


class Effect:
    """What a step does beside changing the state; why a class, says ``server.py``."""

    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        """Do it."""


class ClientTransaction(Transaction[Effect]):
    """One request on its way to one place.

    ``data`` are the bytes sent, ``lines`` those of an INVITE; empty once they cannot be
    needed any more.  ``heard`` is the response that is being taken.  ``note`` is a slot
    for the user, who finds in it what the answers need.  ``is_given_up`` is set when
    the search has moved on: nothing is repeated then, an answer is still understood.
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
        """What builds the ACK and the CANCEL; None once neither can be wanted, as for
        any other method."""
        if self._companions is None and self.lines:
            self._companions = Companions(self.lines)
        return self._companions

    def give_up(self) -> None:
        """The search has moved on: nothing is repeated, and no body is kept."""
        self.is_given_up = True
        with suppress(Exception):  # to keep too much is better than to fail now
            self.keep_companions()

    def keep_companions(self) -> None:
        """The request will not be sent again; an ACK or a CANCEL may be."""
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
        """A step was left half-way, perhaps without the timer that would end us.

        Our user stays known: whoever catches the exception has to tell it.
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
        """A response whose branch and CSeq method are ours."""
        status = response.status
        # What has its final response does not care how its stream ends.
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
        self.handle("transport error", now)

    def connection_lost(self, reason: str, now: float) -> None:
        """The stream that the request went over has ended."""
        self.failure = reason
        self.handle("connection lost", now)

    def timer_fired(self, name: str, now: float) -> None:
        """TimerOwner."""
        # The table says the same; this is how nearly every check ends.
        if name == "check" and self.state in ("completed", "accepted", "terminated"):
            return
        self.handle(name, now)  # type: ignore[arg-type]


class _Resend(Effect):
    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        # Sections 17.1.1.2 and 17.1.2.2: timers A and E are of unreliable transports.
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
    """The check has fired at T1: go on as if A or E and B or F had always run."""

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
        # Section 17.1.1.2: timer A doubles without an upper end; timer B ends it.
        if transaction.method != b"INVITE":
            # Section 17.1.2.2: timer E doubles up to T2, and is T2 once a provisional
            # response has come: the other side has the request, and works on it.
            name, after = "timer E", min(after, T2)
            if transaction.state == "proceeding":
                after = T2
        transaction.retransmit_after = after
        transaction.layer.timers.start(name, after, transaction, now)


def _start(transaction: ClientTransaction, name: Input, now: float) -> None:
    """Start a timer that ends a state; on a stream it may be over at once."""
    seconds = DURATIONS[name][transaction.flow.reliable]
    if seconds:
        transaction.layer.timers.start(name, seconds, transaction, now)
    else:
        transaction.handle(name, now)


class _StartD(Effect):
    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        # Each repetition of the failure gets the ACK again (section 17.1.1.2).
        transaction.keep_companions()
        _start(transaction, "timer D", now)


class _StartK(Effect):
    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        # Section 17.1.2.2: what comes until timer K is a repetition, and nobody's news.
        transaction.forget_bytes()
        transaction.user = None
        _start(transaction, "timer K", now)


class _StartM(Effect):
    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        # RFC 6026 section 8.4: repetitions of the 2xx still go up, for the ACK is the
        # caller's; an INVITE that has been accepted is neither sent nor cancelled.
        transaction.forget_bytes()
        _start(transaction, "timer M", now)


class _Ack(Effect):
    def carry_out(self, transaction: ClientTransaction, now: float) -> None:
        companions, response = transaction.companions(), transaction.heard
        if companions is not None and isinstance(response, Response):
            ack = companions.ack(response.lines[response.index["to"]])
            transaction.layer.send(transaction.flow, b"\r\n".join(ack))


class _Report(Effect):
    """No answer will come: ``reason``, or the transport's."""

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

    ``on_stream`` are those that still wait for an answer on a stream, ``stranded`` the
    INVITEs whose connection has ended, by branch.
    """

    __slots__ = ("live", "on_stream", "resent", "send", "started", "stranded", "timers")

    def __init__(self, send: Callable[[Flow, bytes], None], timers: Timers) -> None:
        self.send = send
        self.timers = timers
        self.live: dict[bytes, ClientTransaction] = {}
        # A dictionary for its order: what a lost connection takes along is tried
        # again in the order in which it was sent.
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
        # The timer first: what has one ends, whatever fails from here on.
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
        """A final response is there: the end of its stream means nothing any more."""
        waiting = self.on_stream.get(transaction.flow)
        if waiting is not None:
            waiting.pop(transaction, None)

    def strand(self, transaction: ClientTransaction, now: float) -> None:
        """The connection of an INVITE has ended: remember it as long as it may ring."""
        if len(self.stranded) >= MOST_STRANDED:
            self.stranded.pop(next(iter(self.stranded)))
        self.live.pop(transaction.key, None)
        self.timers.start("timer C", TIMER_C, transaction, now)
        self.stranded[transaction.key] = transaction
