"""One attempt to have a request answered: where it went, and what has come back.

``response_context.py`` decides what follows, ``candidates.py`` what comes next.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from proxy.core.answers.unreached import TOO_LARGE
from proxy.core.forwarding.candidates import Candidates
from proxy.core.forwarding.forwarder import Forwarder
from proxy.core.forwarding.waiting import Waiter
from proxy.pools.front_end import FrontEnd
from proxy.sip.flow import Flow
from proxy.sip.host import host_port
from proxy.transaction.budget import bytes_of
from proxy.transaction.client import ClientTransaction, ClientUser
from proxy.transaction.server import ServerTransaction
from proxy.transaction.timers import T1, TimerOwner

_UNHEARD: Final = frozenset({"calling", "trying"})
"""States of a client transaction that has had no response."""
_CLIENTS: Final = frozenset({"client", "contact", "binding"})
_RELAYED: Final = frozenset({"dialog", "client", "contact", "default"})
_NOT_ITS_FAULT: Final = frozenset({TOO_LARGE, "limit"})
"""Reasons that say nothing about a front end: anybody may send us more than a datagram
holds, and "limit" means that we have no descriptor or memory left."""
_PROOF: Final = T1 - 0.01
"""Seconds without an answer to anybody after which a front end counts as silent."""


class Searcher(ClientUser, Waiter, TimerOwner, Protocol):
    """The response context that makes the attempt: it waits for connections, and gets
    the responses."""


class Attempt:
    """The running attempt of a search; the next one takes its place.

    ``front_end`` is None where a flow leads to the target.  ``transaction`` is None
    while a connection is awaited, and once the attempt has ended.  ``answered`` is set
    when the other side counts as having taken the request on.  ``is_reused`` is set
    when the request went over a connection that was open before.  ``history`` has, for
    requests outside dialogs, (front end, outcome, seconds) of the ended attempts.
    """

    __slots__ = (
        "_candidates",
        "_forwarder",
        "answered",
        "front_end",
        "history",
        "is_reused",
        "started",
        "transaction",
    )

    def __init__(
        self, forwarder: Forwarder, candidates: Candidates, now: float
    ) -> None:
        self._forwarder = forwarder
        self._candidates = candidates
        self.front_end: FrontEnd | None = None
        self.transaction: ClientTransaction | None = None
        self.history: list[tuple[str, str, float]] = []
        self.started = now
        self.answered = self.is_reused = False

    # -- its beginning -----------------------------------------------------------

    def begin(self, front_end: FrontEnd | None, now: float) -> None:
        """Turn to this front end, or to the flow that the target has."""
        self.front_end = front_end
        self.started = now
        self.is_reused = False

    def start(
        self, user: Searcher, server: ServerTransaction | None, now: float
    ) -> str:
        """Send to the front end, or have ``user`` wait for a connection to it.

        Returns the reason when neither is possible, else an empty text.
        """
        front_end, forwarder = self.front_end, self._forwarder
        assert front_end is not None
        self.is_reused = False
        listener = forwarder.listener_for(front_end, self._candidates.flow)
        if listener is None:
            return f"no {front_end.transport} listener"
        flow = forwarder.way_to(front_end, listener, self._candidates)
        if flow is not None:
            self.is_reused = flow.reliable
            self.send(user, server, flow, now)
        elif self.wait(user, server, front_end.connection_key):
            forwarder.connect(front_end, listener)
        return ""

    def send(
        self,
        user: ClientUser,
        server: ServerTransaction | None,
        flow: Flow,
        now: float,
    ) -> None:
        """Send the request over ``flow``."""
        self.transaction = self._forwarder.forward(
            self._candidates, self.front_end, server, flow, user, now
        )
        self.answered = False

    def wait(
        self, user: Searcher, server: ServerTransaction | None, key: object
    ) -> bool:
        """Have ``user`` wait for a look-up or a connection; True when nobody has asked
        for it yet.

        An ACK or a BENOTIFY for which there is no room does not wait, and is lost.
        """
        waiting, request = self._forwarder.waiting, self._candidates.request
        size = 0
        if server is None and request is not None:
            size = bytes_of(request.size, len(request.lines))
        return waiting.has_room(size) and waiting.add(key, user, size)

    # -- how it goes -------------------------------------------------------------

    @property
    def is_unheard(self) -> bool:
        """Whether a server has sent nothing back.

        A server sends 100 within 200 ms (section 17.2.1).  A client's phone may sleep,
        so its silence says nothing.
        """
        transaction = self.transaction
        return (
            transaction is not None
            and transaction.state in _UNHEARD
            and self._candidates.target.rule not in _CLIENTS
        )

    @property
    def is_ringing(self) -> bool:
        """Whether this is an INVITE that may be cancelled: section 9.1 demands a
        provisional response first."""
        transaction = self.transaction
        return (
            transaction is not None
            and transaction.method == b"INVITE"
            and transaction.state == "proceeding"
        )

    @property
    def until(self) -> float:
        """The instant from which on its silence has lasted too long."""
        attempts = self._forwarder.attempts
        patience = attempts.first_answer
        if self.is_unheard:
            patience = min(attempts.silence, patience)
        return self.started + patience

    def is_proven_silent(self, now: float) -> bool:
        """Whether the front end has answered neither this request nor any other one."""
        health, front_end = self._forwarder.health, self.front_end
        return (
            front_end is not None
            and self.is_unheard
            and health.silent_for(front_end.address_key, now) >= _PROOF
        )

    def heard(self, status: int) -> None:
        """A provisional response has come."""
        self.is_reused = False  # the connection works
        if self._forwarder.health.doubts and self.front_end is not None:
            self._forwarder.health.heard(self.front_end.address_key)
        # A pool that sends 100 and then nothing has not answered.  A next hop that we
        # only relay to has taken over with its 100 (decision 14).
        if status > 100 or self._candidates.target.rule in _RELAYED:
            self.answered = True

    def is_at(self, key: tuple[str, str, int]) -> bool:
        """Whether this attempt is at this address."""
        return self.front_end is not None and self.front_end.key == key

    def may_be_repeated(self, reason: str) -> bool:
        """Whether to try the same front end once more, over a new connection.

        The peer may have closed an idle connection just when we wrote on it.  That says
        nothing about the front end.
        """
        return self.is_reused and self.front_end is not None and reason != "timeout"

    def leave(self, now: float, reasons: Sequence[bytes] = ()) -> None:
        """Give the attempt up: repeat nothing, and cancel an INVITE that rings."""
        is_ringing = self.is_ringing
        transaction, self.transaction = self.transaction, None
        if transaction is not None:
            transaction.give_up()
            if is_ringing:
                self._forwarder.cancel(transaction, now, reasons)

    # -- what is held for and against the front end --------------------------------

    def record(self, outcome: str, now: float) -> None:
        """Note how the attempt ended, for the access log."""
        if not self._candidates.is_in_dialog:
            front_end = self.front_end
            name = (front_end.name or front_end.host) if front_end else "flow"
            self.history.append((name, outcome, now - self.started))

    def succeeded(self, now: float) -> None:
        """The front end has answered: count it for the front end."""
        front_end, forwarder = self.front_end, self._forwarder
        if front_end is None:
            return
        health, candidates = forwarder.health, self._candidates
        if health.suspects or health.doubts:
            health.succeeded(self._blamed(front_end), now)
        if candidates.flow.first_hop and candidates.target.rule == "default":
            forwarder.affinity.pin(candidates.flow, front_end)

    def failed(self, reason: str, now: float, is_silent: bool = False) -> None:
        """The front end has failed: count it against the front end, unless the request
        itself or this machine is to blame."""
        front_end = self.front_end
        if front_end is not None and reason not in _NOT_ITS_FAULT:
            blamed = self._blamed(front_end)
            self._forwarder.front_end_failed(blamed, reason, now, is_silent)

    def _blamed(self, front_end: FrontEnd) -> FrontEnd:
        """The front end with its pool filled in: inside a dialog the token gives only
        an address, and a name where TLS must verify one."""
        pool = self._candidates.target.pool
        if pool and not front_end.pool:
            return front_end._replace(pool=pool)
        return front_end

    @property
    def address(self) -> str:
        """Name, host and port tried, for ms-diagnostics; empty for a flow."""
        front_end = self.front_end
        if front_end is None:
            return ""
        name = f"{front_end.name} " if front_end.name != front_end.host else ""
        return name + host_port(front_end.host, front_end.port)
