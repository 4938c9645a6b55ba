"""What is explained is what happens: the same core, asked first and then used.

For generated tables, canaries, retired endpoints, learned URIs, bindings, ejections and
requests the explanation names the rule, the pool, the Request-URI, the front ends in
their order and the status that a really forwarded request then shows.
"""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core import commands, events
from proxy.core.explained.explanation import Explanation, explain
from proxy.core.explained.question import request_of
from proxy.core.settings import RegistrarSettings
from proxy.endpoints.model import Canary, Endpoint, LearnedUri, Pool
from proxy.location.binding import Binding
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.sip.flow import Flow, Listener
from tests.support.messages import read, request
from tests.support.playbook import DOMAIN, PROXY, START, Playbook

POOLS = ("old.contoso.test", "new.contoso.test", "third.contoso.test")
USERS = ("ocschat", "chat", "gc-1", "gc-2", "alice", "ghost")
CALLERS = ("alice", "bob", "carol", "dave", "pilot")
HOSTS = {pool: [f"10.0.{n}.{m}" for m in (1, 2, 3)] for n, pool in enumerate(POOLS, 1)}
TRANSPORTS = (("udp",), ("tcp",), ("udp", "tcp"), ("tls",), ("tcp", "tls"))
HOUR = 3600.0

canaries = st.none() | st.builds(
    Canary,
    st.sampled_from(POOLS),
    st.sampled_from([0, 10, 50, 90, 100]),
    st.sampled_from([frozenset(), frozenset({f"pilot@{DOMAIN}"})]),
)


@st.composite
def endpoints(draw: st.DrawFn) -> tuple[Endpoint, ...]:
    """Some rows of the table."""
    found = []
    for user in draw(st.sets(st.sampled_from(USERS[:3]), min_size=1)):
        found.append(
            Endpoint(
                f"sip:{user}@{DOMAIN}",
                f"{user}@{DOMAIN}",
                draw(st.sampled_from(POOLS)),
                request_uri=draw(
                    st.sampled_from(["pool-host", "keep", "sip:x@third.contoso.test"])
                ),
                service_uris=draw(st.sampled_from([(), (f"sip:gc-*@{DOMAIN}",)])),
                state=draw(st.sampled_from(["active", "active", "retired"])),
                canary=draw(canaries),
            )
        )
    return tuple(found)


learned = st.lists(
    st.builds(
        lambda user, pool, owner: LearnedUri(
            f"sip:{user}@{DOMAIN}",
            f"{user}@{DOMAIN}",
            pool,
            f"{owner}@{DOMAIN}",
            1.0,
            1.0,
        ),
        st.sampled_from(USERS[2:5]),
        st.sampled_from(POOLS),
        st.sampled_from(USERS[:2]),
    ),
    min_size=1,
    max_size=4,
)


def binding(user: str, host: str, q: float) -> Binding:
    """A contact of somebody, at an address."""
    uri = f"sip:{user}@{host}:5062".encode()
    return Binding(
        *(f"{user}@{DOMAIN}", uri, uri, b"<%b>" % uri, q, 1e12, 1.0),
        *(b"call", 1, b"", 0, "", "", f"udp:{host}", b"", b""),
    )


@dataclass
class Asked:
    """One generated world and a request."""

    endpoints: tuple[Endpoint, ...]
    learned: list[LearnedUri]
    pools: tuple[Pool, ...]
    bound: list[str]
    default: bytes | None
    offers: dict[str, tuple[str, ...]]
    ejected: list[tuple[str, str, int, str]]
    seed: int
    transport: str
    data: bytes
    knows: set[str] = field(default_factory=set)


HOSTS_DIALLED = (
    DOMAIN,
    *POOLS,
    "10.0.1.1",
    "elsewhere.test",
    PROXY,
    "fe1.new.contoso.test",
)


@st.composite
def worlds(draw: st.DrawFn) -> Asked:
    """Everything at once."""
    transport = draw(st.sampled_from(["udp", "tcp"]))
    user = draw(st.sampled_from([*[f"{u}@" for u in USERS] * 3, ""]))
    scheme = draw(st.sampled_from(["sip", "sip", "sip", "sips"]))
    host = draw(st.sampled_from((*[DOMAIN] * 12, *HOSTS_DIALLED)))
    method = draw(
        st.sampled_from(
            ["INVITE", "INVITE", "SUBSCRIBE", "MESSAGE", "OPTIONS", "REGISTER"]
        )
    )
    caller = draw(st.sampled_from(CALLERS))
    extra = draw(
        st.sampled_from(
            [
                *[()] * 12,
                ("Route: <sip:new.contoso.test;lr>",),
                ("Route: <sip:192.0.2.1;lr>",),
                ("Max-Breadth: 0",),
            ]
        )
    )
    data = request(
        f"{method} {scheme}:{user}{host}",
        *extra,
        transport=transport.upper(),
        from_=f"<sip:{caller}@{DOMAIN}>;tag=1",
        max_forwards=draw(st.sampled_from([*[70] * 12, 0])),
        body=draw(st.sampled_from([b"", b"", b"x" * 1500])),
    )
    keys = [
        (t, h, 5060, "") for t in ("udp", "tcp", "tls") for p in POOLS for h in HOSTS[p]
    ]
    return Asked(
        draw(endpoints()),
        draw(learned),
        draw(st.sampled_from([(), (Pool(POOLS[1], "tcp"),)])),
        draw(st.lists(st.sampled_from(USERS[3:5]), max_size=3)),
        draw(st.sampled_from([None, None, b"sip:10.0.9.9:5060"])),
        {pool: draw(st.sampled_from(TRANSPORTS)) for pool in POOLS},
        draw(st.lists(st.sampled_from(keys), max_size=6, unique=True)),
        draw(st.integers(0, 2**20)),
        transport,
        data,
    )


class World(Playbook):
    """A playbook in which nobody can be reached; it notes who was tried."""

    def __init__(self, asked: Asked) -> None:
        listeners = [Listener(t, PROXY, 5060 + (t == "tls"), index=n)
                     for n, t in enumerate(("udp", "tcp", "tls"))]  # fmt: skip
        super().__init__(
            listeners=tuple(listeners),
            endpoints=asked.endpoints,
            learned=tuple(asked.learned),
            pools=asked.pools,
            unresolved=True,
            default_route=asked.default,
            registrar=RegistrarSettings("r", DOMAIN) if asked.seed % 2 else None,
        )
        self.asked = asked
        self.tried: list[tuple[str, str, int]] = []
        self.uris: set[str] = set()
        self.core.next_hops._cached = self.resolve
        for pool in POOLS:
            for lookup in (Lookup(pool), Lookup(pool, None, "tcp")):
                self.core.next_hops.note(lookup, self.resolve(lookup, 0.0))
        self.core.location.load(
            [
                binding(u, f"10.7.0.{n}", 1 - n / 10)
                for n, u in enumerate(asked.bound, 1)
            ]
        )
        for key in asked.ejected:
            for at in (1.0, 2.0, 3.0):
                self.core.health.record_failure(key, "refused", START - 4 + at)
        self.core.take_commands()
        self.core.next_hops.rng.seed(asked.seed)

    def resolve(self, lookup: Lookup, now: float) -> Resolution:
        """DNS knows every pool: three front ends, two of them with one priority."""
        known = self.cached.get(lookup)
        if known is None:
            offered = self.asked.offers.get(lookup.host, ())
            wanted = [t for t in offered if lookup.transport in (None, t)
                      and (t == "tls" or not lookup.sips)]  # fmt: skip
            groups = {}
            for t in wanted:
                ends = [
                    FrontEnd(
                        t, h, 5060, f"fe{n}.{lookup.host}", lookup.host, n // 2, 10
                    )
                    for n, h in enumerate(HOSTS[lookup.host])
                ]
                groups[t] = (tuple(ends[:2]), tuple(ends[2:]))
            known = self.cached[lookup] = Resolution(
                lookup,
                groups,
                expires=1e9,
                error=None if groups else "srv",
                reason="" if groups else "no such name",
            )
        return known

    def _note(self, line: str) -> None:
        pass

    def _carry_out(self, out: list[commands.Command]) -> None:
        waiting = list(out)
        while waiting:
            command = waiting.pop(0)
            match command:
                case commands.Send() if not command.data.startswith(b"SIP/"):
                    flow = command.flow
                    self.tried.append((flow.transport, flow.host, flow.port))
                    self.uris.add(command.data.split(b" ", 2)[1].decode())
                    refused = events.DatagramRefused(flow, command.data, "refused")
                    waiting += self.core.handle(refused, self.now)
                case commands.Connect():
                    self.tried.append(command.front_end.key)
                    failed = events.ConnectFailed(command.front_end, "refused")
                    waiting += self.core.handle(failed, self.now)
                case _:
                    super()._carry_out([command])

    def final(self) -> tuple[int, str]:
        """Status and ms-diagnostics of the answer."""
        for _, data in self.sent:
            if data.startswith(b"SIP/2.0 ") and not data.startswith(b"SIP/2.0 1"):
                line = read(data).value("ms-diagnostics") or b""
                return int(data.split(b" ")[1]), line.decode()
        return 0, ""


def told(world: World, data: bytes, flow: Flow) -> Explanation:
    """The explanation; the draw of the order is the one that the request will have."""
    state = world.core.next_hops.rng.getstate()
    found = explain(world.core, request_of(data, flow), flow, world.now)
    world.core.next_hops.rng.setstate(state)
    return found


@settings(max_examples=400)
@given(worlds())
def test_what_is_explained_is_what_happens(asked: Asked):
    world = World(asked)
    flow = world.flow("client" if asked.transport == "udp" else "client/tcp")
    said = told(world, asked.data, flow)
    assert not said.needs and not said.asks_store
    assert world.tried == [] and world.access == [] and world.sent == []

    world.send("client" if asked.transport == "udp" else "client/tcp", asked.data)
    world.advance(40.0)

    expected = [
        (each.transport, each.host, each.port)
        for way in said.ways
        for each in way.candidates
        if each.can_be_tried
    ]
    assert world.tried == expected
    status, diagnostics = world.final()
    if said.answer is not None:
        assert status == said.answer.status
        if said.decided_by != "registrar":
            assert diagnostics == said.answer.diagnostics
    else:
        assert expected and status in (408, 480, 504)
        assert world.uris <= {way.request_uri for way in said.ways}
    if said.ways and world.access:
        record = world.access[-1]
        way = next(w for w in said.ways if w.rule == record.rule)
        assert (record.pool, record.endpoint) == (way.pool, way.endpoint)


@given(worlds())
def test_a_question_leaves_no_trace(asked: Asked):
    """Neither in what is sent, counted or remembered, nor in the table."""
    world = World(asked)
    core = world.core
    flow = Flow(world.flows.listeners[0], "10.1.0.9", 40_000)
    before = (
        sum(core.requests.by_method.values()),
        len(core.transactions),
        dict(world.flows.udp_flows),
        core.health.known(),
        core.router.table,
        core.refusals.count,
        core.deadline(),
    )
    told(world, asked.data, flow)
    after = (
        sum(core.requests.by_method.values()),
        len(core.transactions),
        dict(world.flows.udp_flows),
        core.health.known(),
        core.router.table,
        core.refusals.count,
        core.deadline(),
    )
    assert before == after and core.take_commands() == []
