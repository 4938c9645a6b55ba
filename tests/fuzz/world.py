"""The core under fire: a script of messages and mishaps, and what must hold after it.

An input is pieces between ``\\n--\\n``.  The first byte of a piece says who sends the
rest, or what else happens; ``%VIA%``, ``%ROUTE%`` and ``%CONTACT%`` in it stand for
what the proxy has just sent, so that answers find their way.
"""

import re
from ipaddress import ip_network

from proxy.core.commands import NoteFault, SaveBindings
from proxy.core.events import BindingsSaved
from proxy.core.settings import RegistrarSettings
from proxy.pools.front_end import Lookup
from proxy.sip.flow import Listener
from proxy.sip.limits import NO_LIMITS
from proxy.sip.message import parse_message
from tests.support.messages import lines_of
from tests.support.playbook import PROXY, Playbook

PEERS = {
    **{b"c": "client", b"C": "client/tcp", b"f": "fe1", b"F": "fe1/tcp"},
    **{b"g": "fe2", b"b": "bob", b"B": "bob/tcp", b"e": "edge", b"s": "stranger"},
}
DEFAULT = b"sip:10.0.2.1:5060"
MOST = 12  # pieces


class World(Playbook):
    """A playbook that keeps no script, and whose store says yes."""

    def __init__(self) -> None:
        super().__init__(
            listeners=(
                Listener("udp", PROXY, 5060, index=0),
                Listener("tcp", PROXY, 5060, index=1, first_hop=True),
            ),
            registrar=RegistrarSettings(
                "contoso.test",
                "contoso.test",
                trusted_networks=(ip_network("10.1.0.0/24"),),
            ),
            default_route=DEFAULT,
        )
        self.cached[Lookup("10.0.2.1", 5060)] = self.knows("10.0.2.1", "edge")

    def _note(self, line: str) -> None:
        pass

    def _carry_out(self, out) -> None:
        super()._carry_out(out)
        for command in out:
            if isinstance(command, SaveBindings):
                self._handle(BindingsSaved((command.ticket,)))
            elif isinstance(command, NoteFault):
                raise command.error  # a bug, though the guard has ended it well

    def piece(self, data: bytes) -> None:
        """One thing happens."""
        kind, rest = data[:1], data[1:]
        if kind in PEERS:
            peer = PEERS[kind]
            self.send(peer, self._filled(peer, rest))
        elif kind == b"t":
            self.advance(min(float(len(rest)) / 2, 40.0))
        elif kind == b"x":
            for flow in list(self.flows.streams())[:1]:
                self.closes(next(p for p in PEERS.values() if self.flow(p) is flow))
        elif kind == b"i" and any(name == "fe1" for name, _ in self.sent):
            self.icmp("fe1")
        self.settle(len(rest) % 7 != 0)

    def settle(self, is_reachable: bool) -> None:
        """Names are found, or are not; connections are made, or refused."""
        for host in list(self._lookups):
            self.resolves(host, *(("fe2",) if is_reachable else ()))
        for wanted in list(self._connecting):
            self.connects(wanted) if is_reachable else self.cannot_connect(wanted)

    def _filled(self, peer: str, data: bytes) -> bytes:
        asked = [d for p, d in self.sent if p == peer and d[:4] != b"SIP/"]
        all_sent = [d for _, d in self.sent] or [b""]
        via = b"\r\n".join(lines_of(asked[-1], "Via")) if asked else b""
        record = [x for d in all_sent for x in lines_of(d, "Record-Route")]
        route = record[-1].partition(b":")[2] if record else b""
        contact = [x for d in all_sent for x in lines_of(d, "Contact")]
        found = re.search(rb"<([^>]*)>", contact[-1]) if contact else None
        for mark, value in (
            *((b"%VIA%", via), (b"%ROUTE%", route)),
            (b"%CONTACT%", found[1] if found else b"sip:x@10.0.0.5"),
        ):
            data = data.replace(mark, value)
        return data


def core(data: bytes) -> None:
    """No exception, no line of a stranger's making, nothing left behind."""
    world = World()
    for piece in data.split(b"\n--\n")[:MOST]:
        world.piece(piece)
    for _, sent in world.sent:
        check(sent)
    for _ in range(30):
        world.settle(False)
        world.advance(20.0)
    assert len(world.core.transactions) == 0
    assert world.core.waiting.parked == {} and world.core.way_back.parked == {}
    assert world.core.timers.deadline() is None


def check(sent: bytes) -> None:
    """What we send is a SIP message, and as long as it says."""
    head = sent.partition(b"\r\n\r\n")[0].replace(b"\r\n", b"")
    assert b"\r" not in head and b"\n" not in head, "a line of a stranger's making"
    if not sent.startswith(b"SIP/2.0 "):
        parse_message(sent, NO_LIMITS)
