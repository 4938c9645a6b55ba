"""Whatever order things happen in: no exception, one final answer, nothing left over.

Callers, a pool of two front ends and the network take turns at random: requests and
their repetitions, CANCELs, answers early, late and twice, refusals by ICMP, connections
that open, fail and break, and time that passes.
"""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from tests.support.messages import ALIAS, read, request, response
from tests.support.playbook import HOSTS, Playbook

LONGEST = 600.0
"""Seconds: Timer C, and all that comes after it."""
STEPS = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("answer"), st.integers(0, 9), st.sampled_from(
        [100, 180, 183, 200, 202, 302, 401, 404, 486, 487, 500, 503, 600])),
    st.tuples(st.just("icmp"), st.sampled_from(["fe1", "fe2"])),
    st.tuples(st.just("connection"), st.booleans()),
    st.tuples(st.just("close"), st.sampled_from(["client/tcp", "fe1/tcp", "fe2/tcp"])),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.01, 0.5, 2.0, 5.0, 13.0, 40.0])),
)  # fmt: skip
METHODS = ("INVITE", "INVITE", "INVITE", "SUBSCRIBE", "MESSAGE", "INFO")


class World(Playbook):
    """A playbook that does not insist on being told what it sees."""

    def _note(self, line: str) -> None:
        pass

    def take(self, step: tuple) -> None:
        """Let one thing happen."""
        getattr(self, f"on_{step[0]}")(*step[1:])

    def on_ask(self, number: int, over_tcp: bool) -> None:
        """A caller asks, or repeats what it has asked before."""
        peer = "client/tcp" if over_tcp else "client"
        transport = "TCP" if over_tcp else "UDP"
        self.send(peer, asking(number, METHODS[number], transport))

    def on_cancel(self, number: int) -> None:
        """A CANCEL for an INVITE that may never have been."""
        self.send("client", asking(number, "CANCEL", "UDP"))

    def on_answer(self, back: int, status: int) -> None:
        """A front end answers one of the last requests it got, perhaps once more."""
        asked = [(p, d) for p, d in self.sent if p[:2] == "fe" and d[:4] != b"SIP/"]
        if back < len(asked):
            peer, data = asked[-1 - back]
            if data[:4] != b"ACK " and self.is_up(peer):
                self.send(peer, response(data, status))

    def on_icmp(self, peer: str) -> None:
        """The machine of a front end gives the last datagram back."""
        if any(name == peer for name, _ in self.sent):
            self.icmp(peer)

    def on_connection(self, is_made: bool) -> None:
        """The oldest connection that is wanted can be had, or not."""
        for peer in list(self._connecting)[:1]:
            self.connects(peer) if is_made else self.cannot_connect(peer)

    def on_close(self, peer: str) -> None:
        """A connection breaks."""
        if self.is_up(peer):
            self.closes(peer)

    def on_wait(self, seconds: float) -> None:
        """Time passes."""
        self.advance(seconds)

    def is_up(self, peer: str) -> bool:
        """True for datagrams, and for a connection that exists."""
        name, _, transport = peer.partition("/")
        streams = self.flows.streams()
        return not transport or any(flow.host == HOSTS[name] for flow in streams)


def asking(number: int, method: str, transport: str) -> bytes:
    """Request number so-and-so of a caller, or the CANCEL for it."""
    name = f"{number}{transport}"
    return request(
        f"{method} {ALIAS}",
        transport=transport,
        branch=f"z9hG4bK-{name}",
        call_id=name,
    )


@given(st.lists(STEPS, min_size=5, max_size=40), st.sampled_from(["udp", "tcp"]))
def test_every_request_gets_its_answer_and_nothing_stays_behind(steps, transport):
    world = World(transport=transport)
    for step in steps:
        world.take(step)
    for _ in range(100):
        world.on_connection(False)
        world.advance(LONGEST / 100)

    core = world.core
    assert len(core.transactions) == 0
    assert core.waiting.parked == {} and core.way_back.parked == {}
    assert not world._connecting
    assert core.timers.deadline() is None
    finals = defaultdict(set)
    for peer, data in world.sent:
        if peer[:6] == "client" and data[:4] == b"SIP/":
            answer = read(data)
            if answer.status >= 200:
                key = answer.required("call-id"), answer.cseq()[1]
                finals[key].add(answer.status)
    for statuses in finals.values():
        # A 2xx that comes late goes back all the same (RFC 3261 section 16.7).
        assert len({status for status in statuses if status >= 300}) <= 2
    for step in steps:
        if step[0] == "ask" and not step[2]:
            key = b"%dUDP" % step[1], METHODS[step[1]].encode()
            assert finals[key], f"{key} was never answered"
