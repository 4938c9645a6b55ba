"""One attempt to have a request answered: by whom, how, and what has come back yet.

What follows from that is ``response_context.py``; who comes next is ``candidates.py``.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from proxy.core.forwarding.candidates import Candidates
from proxy.core.forwarding.forwarder import Forwarder
from proxy.core.forwarding.waiting import Waiter
from proxy.pools.front_end import FrontEnd
from proxy.sip.flow import Flow
from proxy.sip.host import host_port
from proxy.transaction.client import ClientTransaction, ClientUser
from proxy.transaction.server import ServerTransaction
from proxy.transaction.timers import T1, TimerOwner

_UNHEARD: Final = frozenset({"calling", "trying"})
"""States of a client transaction to which nothing has come back."""
_CLIENTS: Final = frozenset({"client", "contact", "binding"})
_RELAYED: Final = frozenset({"dialog", "client", "contact", "default"})
_PROOF: Final = T1 - 0.01
"""Seconds for which a front end must have answered nobody to be called silent."""


class Searcher(ClientUser, Waiter, TimerOwner, Protocol):
    """Who makes the attempt: it waits for connections, and hears of the answers."""


class Attempt:
    """The running attempt of a search; the next one takes its place.

    ``front_end`` is None where a flow leads to the target.  ``transaction`` is None
    while a connection is awaited, and once the attempt has ended.  ``answered`` when
    it counts as taken on; ``is_reused`` when it went over a connection that was there
    before.  ``history`` has (front end, outcome, seconds) of those before it, outside
    dialogs.
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

        The reason when neither can be, else empty.
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
        """Send over ``flow``."""
        self.transaction = self._forwarder.forward(
            self._candidates, self.front_end, server, flow, user, now
        )
        self.answered = False

    def wait(
        self, user: Searcher, server: ServerTransaction | None, key: object
    ) -> bool:
        """Have ``user`` wait for a name or a connection; True when nobody has asked
        for it yet.

        A request without a transaction that there is no room for does not wait.
        """
        waiting, request = self._forwarder.waiting, self._candidates.request
        size = request.size if server is None and request is not None else 0
        return waiting.has_room(size) and waiting.add(key, user, size)

    # -- how it goes -------------------------------------------------------------

    @property
    def is_unheard(self) -> bool:
        """Nothing came back, from one that has to say something at once.

        A client's phone may sleep; a server says 100 within 200 ms (section 17.2.1).
        """
        transaction = self.transaction
        return (
            transaction is not None
            and transaction.state in _UNHEARD
            and self._candidates.target.rule not in _CLIENTS
        )

    @property
    def is_ringing(self) -> bool:
        """Whether it is an INVITE that may be cancelled: section 9.1 wants a
        provisional response first."""
        transaction = self.transaction
        return (
            transaction is not None
            and transaction.method == b"INVITE"
            and transaction.state == "proceeding"
        )

    @property
    def until(self) -> float:
        """When it has been silent for too long."""
        attempts = self._forwarder.attempts
        patience = attempts.first_answer
        if self.is_unheard:
            patience = min(attempts.silence, patience)
        return self.started + patience

    def is_proven_silent(self, now: float) -> bool:
        """Nothing came back, and not to this request alone."""
        health, front_end = self._forwarder.health, self.front_end
        return (
            front_end is not None
            and self.is_unheard
            and health.silent_for(front_end.address_key, now) >= _PROOF
        )

    def heard(self, status: int) -> None:
        """A provisional response has come."""
        self.is_reused = False  # somebody is there
        if self._forwarder.health.doubts and self.front_end is not None:
            self._forwarder.health.heard(self.front_end.address_key)
        # A pool that says 100 and then nothing has not answered; a next hop that we
        # only relay to has taken over with it.
        if status > 100 or self._candidates.target.rule in _RELAYED:
            self.answered = True

    def is_at(self, key: tuple[str, str, int]) -> bool:
        """Whether this is the address that is tried."""
        return self.front_end is not None and self.front_end.key == key

    def may_be_repeated(self, reason: str) -> bool:
        """Whether the same front end is tried once more, over a new connection.

        One that was open before may have been closed, for idleness or a restart, just
        when we wrote on it; that says nothing about the front end.
        """
        return self.is_reused and self.front_end is not None and reason != "timeout"

    def leave(self, now: float, reasons: Sequence[bytes] = ()) -> None:
        """Leave it behind: nothing is repeated, and what rings is cancelled."""
        is_ringing = self.is_ringing
        transaction, self.transaction = self.transaction, None
        if transaction is not None:
            transaction.give_up()
            if is_ringing:
                self._forwarder.cancel(transaction, now, reasons)

    # -- what is held for and against the front end --------------------------------

    def record(self, outcome: str, now: float) -> None:
        """Note how it ended, for the access line."""
        if not self._candidates.is_in_dialog:
            front_end = self.front_end
            name = (front_end.name or front_end.host) if front_end else "flow"
            self.history.append((name, outcome, now - self.started))

    def succeeded(self, now: float) -> None:
        """The front end works."""
        front_end, forwarder = self.front_end, self._forwarder
        if front_end is None:
            return
        health, candidates = forwarder.health, self._candidates
        if health.suspects or health.doubts:
            health.succeeded(self._blamed(front_end), now)
        if candidates.flow.first_hop and candidates.target.rule == "default":
            forwarder.affinity.pin(candidates.flow, front_end)

    def failed(self, reason: str, now: float, is_silent: bool = False) -> None:
        """The front end does not."""
        front_end = self.front_end
        if front_end is not None:
            blamed = self._blamed(front_end)
            self._forwarder.front_end_failed(blamed, reason, now, is_silent)

    def _blamed(self, front_end: FrontEnd) -> FrontEnd:
        """The front end as one of its pool's: inside a dialog an address is all that
        the Route has, but for the name that TLS must verify."""
        pool = self._candidates.target.pool
        if pool and not front_end.pool:
            return front_end._replace(pool=pool)
        return front_end

    @property
    def address(self) -> str:
        """Who is tried, for ms-diagnostics: name, host and port; empty for a flow."""
        front_end = self.front_end
        if front_end is None:
            return ""
        name = f"{front_end.name} " if front_end.name != front_end.host else ""
        return name + host_port(front_end.host, front_end.port)
