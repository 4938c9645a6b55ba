"""A dialog through the proxy, seen from both of its ends.

`Call` sets it up in a playbook: who calls whom, with which Contacts, through which
proxies.  `up` and `down` are requests inside it, built as RFC 3261 section 12.2 has it:
each end takes its route set and its remote target from what it was sent.
"""

from proxy.sip.fields import parse_name_addr
from proxy.sip.grammar import split_values
from tests.support.messages import ALIAS, read, request, response
from tests.support.playbook import HOSTS, PORTS, Playbook

CALLER, CALLEE = "<sip:alice@contoso.test>;tag=alice-1", ";tag=pool-1"


def routes_of(message: bytes) -> list[str]:
    """The Record-Route values in order."""
    return [x.decode() for x in read(message).values("record-route")]


def target_of(message: bytes, instead: str) -> str:
    """The URI of its Contact."""
    value = read(message).value("contact")
    first = split_values(value)[0] if value else b""
    return parse_name_addr(first).uri.decode() if first else instead


def below(answer: bytes, *proxies: str) -> bytes:
    """An answer that has passed proxies which had record-routed too, nearest last."""
    lines = b"".join(f"Record-Route: {x}\r\n".encode() for x in proxies)
    start, end, rest = answer.partition(b"\r\n")
    return start + end + lines + rest


class Call:
    """An INVITE from `caller`, which `callee` has answered with a 200.

    `contact` and `their_contact` are whole values, empty for none.  `before` are lines
    that a proxy on the caller's side has added, `behind` the Record-Route values of
    proxies on the callee's side.
    """

    def __init__(
        self,
        play: Playbook,
        caller: str = "client",
        callee: str = "fe1",
        *,
        uri: str = ALIAS,
        method: str = "INVITE",
        contact: str = "",
        their_contact: str = "",
        via: str | list[str] | None = None,
        before: tuple[str, ...] = (),
        behind: tuple[str, ...] = (),
        status: int = 200,
        call_id: str = "call-1",
    ) -> None:
        self.play, self.caller, self.callee, self.uri = play, caller, callee, uri
        self.call_id = call_id
        self._branch = 0
        lines = [f"Contact: {contact}"] if contact else []
        transport = "TCP" if "/" in caller else "UDP"
        data = request(
            *(f"{method} {uri}", *before, *lines),
            via=via or self._via(caller, transport),
            call_id=call_id,
        )
        play.send(caller, data)
        self.settle()
        self.invite = play.request_at(callee, method)
        more = [f"Contact: {their_contact}"] if their_contact else []
        play.send(callee, below(response(self.invite, status, *more), *behind))
        self.settle()
        self.learn()

    def settle(self) -> None:
        """What was seen until now does not matter; connections are made."""
        self.play._script.clear()
        for peer in list(self.play._connecting):
            self.play.connects(peer)
            self.play._script.clear()

    def learn(self) -> None:
        """Each end reads its route set and its remote target."""
        answer = self.play.last(self.caller)
        self.answer = answer
        self.up_routes = routes_of(answer)[::-1]
        self.up_target = target_of(answer, self.uri)
        self.down_routes = routes_of(self.invite)
        self.down_target = target_of(self.invite, "sip:alice@contoso.test")

    def _via(self, peer: str, transport: str) -> str:
        self._branch += 1
        name = peer.partition("/")[0]
        where = f"{HOSTS[name]}:{PORTS.get(name, 5060)}"
        return f"SIP/2.0/{transport} {where};branch=z9hG4bK-d{self._branch}{name}"

    def up(
        self, method: str, *extra: str, peer: str = "", uri: str = "", **more
    ) -> str:
        """The caller, or `peer`, sends this towards the callee; what the proxy did."""
        peer = peer or self.caller
        routes = more.pop("routes", self.up_routes)
        return self._send(
            peer,
            f"{method} {uri or self.up_target}",
            *(f"Route: {x}" for x in routes),
            *extra,
            **{"from_": CALLER, "to": f"<{self.uri}>{CALLEE}", **more},
        )

    def down(
        self, method: str, *extra: str, peer: str = "", uri: str = "", **more
    ) -> str:
        """The callee, or `peer`, sends this towards the caller; what the proxy did."""
        peer = peer or self.callee
        routes = more.pop("routes", self.down_routes)
        return self._send(
            peer,
            f"{method} {uri or self.down_target}",
            *(f"Route: {x}" for x in routes),
            *extra,
            **{"from_": f"<{self.uri}>{CALLEE}", "to": CALLER, **more},
        )

    def _send(self, peer: str, start: str, *lines: str, **more) -> str:
        transport = "TCP" if "/" in peer else "UDP"
        more.setdefault("via", self._via(peer, transport))
        cseq = 1 if start.startswith("ACK") else 7
        data = request(start, *lines, cseq=cseq, call_id=self.call_id, **more)
        self.play.send(peer, data)
        seen = [line.partition(" ")[2] for line in self.play._script]
        self.play._script.clear()
        return "; ".join(line for line in seen if not line.endswith("< 100 Trying"))
