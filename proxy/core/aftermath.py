"""Ends whatever waited for an event when a bug of ours broke off its handling.

The guard reports the bug.  Each part of the core that parks requests then gives up
those that waited for this event.
"""

from contextlib import suppress

from proxy.core import events
from proxy.core.forwarding.waiting import Waiting
from proxy.core.forwarding.way_back import WayBack
from proxy.core.guard import Guard
from proxy.core.registrar.registrar import Registrar
from proxy.core.routing.parked import LookUps
from proxy.transaction.layer import TransactionLayer


class Aftermath:
    """Knows which part of the core parks requests for which event."""

    __slots__ = (
        "_guard",
        "_look_ups",
        "_registrar",
        "_transactions",
        "_waiting",
        "_way_back",
    )

    def __init__(
        self,
        guard: Guard,
        waiting: Waiting,
        way_back: WayBack,
        transactions: TransactionLayer,
        look_ups: LookUps,
        registrar: Registrar | None,
    ) -> None:
        self._guard = guard
        self._waiting = waiting
        self._way_back = way_back
        self._transactions = transactions
        self._look_ups = look_ups
        self._registrar = registrar

    def end_waiting(self, event: events.Event, error: Exception, now: float) -> None:
        """End all that waited for ``event``; each request is answered 500."""
        match event:
            case events.FlowOpened():
                self._end_parked(event.front_end.connection_key, error, now)
                with suppress(Exception):
                    self._way_back.opened(event.front_end, event.flow)
                self._way_back.give_up(event.front_end, error, now)
            case events.ConnectFailed():
                self._end_parked(event.front_end.connection_key, error, now)
                self._way_back.give_up(event.front_end, error, now)
            case events.Resolved():
                self._end_parked(event.lookup, error, now)
            case events.FlowClosed():
                for transaction in self._transactions.on_stream.pop(event.flow, ()):
                    self._guard.timer(transaction, event.reason, error, now)
            case events.LookedUp():
                self._look_ups.give_up(event.aor, error, now)
            case events.BindingsSaved() | events.BindingsNotSaved():
                if self._registrar is not None:
                    self._registrar.give_up(event.tickets, error, now)

    def _end_parked(self, key: object, error: Exception, now: float) -> None:
        for search in self._waiting.parked.pop(key, ()):
            if search.waiting_for == key:
                self._guard.end_user(search, error, now)
