"""One front end for each client connection (decision 51).

A client's security association is with one front end ([MS-SIPAE]: ``targetname`` is
that server's FQDN).  So whatever a client of a first-hop listener sends towards the
default route goes to the front end that answered its first request.  When that front
end is gone, the association is gone too.  We then close the client's connection, as the
front end would have, and the client signs in anew.

Homes: a front end that answers REGISTER with 301 names the server where the user is at
home.  The client comes back to us, and its next REGISTER goes there (decision 52).
"""

from collections.abc import Callable
from typing import Final

from proxy.core import commands
from proxy.pools.front_end import FrontEnd, Lookup
from proxy.sip.flow import Flow, FlowTable

HOMES: Final = 100_000
"""Users whose home is remembered; a forgotten user is redirected once more."""
_NOT_ITS_FAULT: Final = "limit"
"""The reason of a failed connection that says nothing about the front end."""

Address = tuple[str, str, int]


class Affinity:
    """Which front end a client is pinned to, and where users are at home.

    ``out`` takes commands.  A front end that has closed its connection has ``timeout``
    seconds to take a new one.
    """

    __slots__ = ("_clients", "_flows", "_front_ends", "_homes", "_out", "timeout")

    def __init__(
        self,
        flows: FlowTable,
        out: Callable[[commands.Command], None],
        timeout: float,
    ) -> None:
        self._flows = flows
        self._out = out
        self.timeout = timeout
        self._front_ends: dict[Flow, FrontEnd] = {}
        self._clients: dict[Address, dict[Flow, None]] = {}
        self._homes: dict[str, Lookup] = {}

    # -- front ends --------------------------------------------------------------

    def front_end_of(self, flow: Flow) -> FrontEnd | None:
        """The front end of this client connection; None before its first answer."""
        return self._front_ends.get(flow)

    def pin(self, flow: Flow, front_end: FrontEnd) -> None:
        """``front_end`` has answered this client."""
        if not flow.is_open or flow in self._front_ends:
            return
        self._front_ends[flow] = front_end
        self._clients.setdefault(front_end.key, {})[flow] = None

    def clients_of(self, front_end: FrontEnd) -> list[Flow]:
        """The connections of the clients that are pinned to ``front_end``."""
        return list(self._clients.get(front_end.key, ()))

    def flow_closed(self, flow: Flow) -> None:
        """A connection has ended: a client's, or one to a front end.

        A front end may close an idle connection without being gone, so we connect to it
        once more to find out.
        """
        front_end = self._front_ends.pop(flow, None)
        if front_end is not None:
            clients = self._clients[front_end.key]
            del clients[flow]
            if not clients:
                del self._clients[front_end.key]
        elif flow.reliable:
            self._ask_again((flow.transport, flow.host, flow.port))

    def _ask_again(self, address: Address) -> None:
        client = next((f for f in self._clients.get(address, ()) if f.is_open), None)
        if client is None or self._flows.stream(*address) is not None:
            return
        front_end = self._front_ends[client]
        listener = self._flows.listener_for(
            front_end.transport, front_end.host, client.listener
        )
        if listener is not None:
            self._out(commands.Connect(front_end, listener, self.timeout))

    def connect_failed(self, front_end: FrontEnd, reason: str) -> None:
        """``front_end`` cannot be reached: close the connections of its clients, so
        that they sign in anew."""
        if reason == _NOT_ITS_FAULT:
            return
        for client in self.clients_of(front_end):
            self._out(commands.Close(client, "front end gone"))

    # -- homes -------------------------------------------------------------------

    def home_of(self, aor: str) -> Lookup | None:
        """Where a front end said that this user is at home."""
        return self._homes.get(aor)

    def note_home(self, aor: str, home: Lookup) -> None:
        """A front end has redirected this user."""
        self._homes.pop(aor, None)
        if len(self._homes) >= HOMES:
            del self._homes[next(iter(self._homes))]
        self._homes[aor] = home

    def forget_home(self, aor: str) -> None:
        """The home cannot be reached: let the default route name it again."""
        self._homes.pop(aor, None)
