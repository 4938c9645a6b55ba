"""Over which link a peer with a link-local IPv6 address is reached.

Such an address means a host together with its link alone (RFC 4007 section 4).  The
kernel names the link in the fourth part of a sender's address, and without it sends to
whatever link it finds first.  A message can name no link, and a flow has none; so what
was heard is kept in the flow table, by host: an answer may go to another port (RFC 3261
section 18.2.2).  Of one address at two links the one that was heard of last counts.  A
worker that hands a message on says its link as well.
"""

import socket
from collections.abc import Callable
from typing import Any

from proxy.sip.flow import Flow, FlowTable, Listener

Send = Callable[[bytes, tuple[str, int]], int]


class Links:
    """Those of the link-local peers of one listener."""

    __slots__ = ("_flows", "_listener", "_sendto")

    def __init__(self, listener: Listener, flows: FlowTable) -> None:
        self._listener = listener
        self._flows = flows

    # IPv6 addresses of the socket module have four parts, and mypyc holds us to a type.
    def met(self, address: tuple[Any, ...]) -> Flow:
        """The flow of a peer that has none yet; ``address`` is as it was received."""
        host, port = address[0], address[1]
        if len(address) > 3 and address[3]:
            self._flows.note_link(self._listener, host, address[3])
        return self._flows.udp(self._listener, host, port)

    def sender(self, opened: socket.socket) -> Send:
        """``sendto`` of a socket, for hosts and ports as flows have them."""
        if opened.family != socket.AF_INET6:
            return opened.sendto
        self._sendto: Callable[[bytes, tuple[Any, ...]], int] = opened.sendto
        return self._send

    def _send(self, data: bytes, address: tuple[str, int]) -> int:
        link = self._flows.link_of(self._listener, address[0])
        return self._sendto(data, (*address, 0, link) if link else address)
