"""Finds what the network has changed about flows between two turns of the core.

The flow table is the only thing that network and core share.  Before each turn the
event log says which connections came and went, and what else the network has written
into flows, so that a replay meets the same table.
"""

from operator import attrgetter
from typing import Any, Final

from proxy.server.event_log.codec import Codec
from proxy.sip.flow import Flow, FlowTable

STATE = (
    *("first_hop", "via_prefix", "peer_names", "peer_users"),
    *("is_proven", "half_open"),
)
"""The fields that the network writes.  The core writes some of them too; a replay then
sets the value that the core writes anyway."""
_state_of: Final = attrgetter(*STATE)


class FlowWatch:
    """Compares the table with what it was at the last look."""

    def __init__(self, flows: FlowTable, codec: Codec) -> None:
        self._flows = flows
        self._codec = codec
        self._ports: dict[int, int] = {}
        self._states: dict[int, tuple[Any, ...]] = {}
        self._watched: dict[int, Flow] = {}
        self._open: dict[int, Flow] = {}

    def look(self) -> dict[str, Any]:
        """What has changed; empty when nothing has."""
        found = {
            "listeners": self._bound(),
            "gone": self._gone(),
            "streams": self._opened(),
            "flows": self._changed(),
        }
        return {name: rows for name, rows in found.items() if rows}

    def _bound(self) -> list[list[int]]:
        """The ports that listeners have got: with port 0 the kernel chooses one."""
        rows = []
        for listener in self._flows.listeners:
            if self._ports.get(listener.index) != listener.port:
                self._ports[listener.index] = listener.port
                rows.append([listener.index, listener.port])
        return rows

    def _gone(self) -> list[int]:
        gone = [number for number, flow in self._open.items() if not flow.is_open]
        for number in gone:
            del self._open[number]
        return gone

    def _opened(self) -> list[list[Any]]:
        rows = []
        for flow in self._flows.streams():
            if flow not in self._codec.flows:
                number = self._codec.flows.of(flow)
                self._open[number] = flow
                rows.append(describe(number, flow))
                self.watch(number, flow)
        return rows

    def watch(self, number: int, flow: Flow) -> None:
        """Look at this flow from now on."""
        self._watched[number] = flow

    def _changed(self) -> list[list[Any]]:
        rows = []
        for number, flow in list(self._watched.items()):
            state = _state_of(flow)
            if self._states.get(number) != state:
                self._states[number] = state
                rows.append([number, *map(self._codec.write, state)])
            elif not flow.half_open and _is_settled(flow):
                del self._watched[number]  # the network will not change it any more
        return rows


def _is_settled(flow: Flow) -> bool:
    return not flow.is_open or (not flow.reliable and flow.is_proven)


def describe(number: int, flow: Flow) -> list[Any]:
    """Number, listener, address and connection of a flow."""
    index = flow.listener.shared.index
    return [number, index, flow.host, flow.port, flow.connection_id]
