"""A playbook: one scenario around the real core, on a virtual clock.

What happens is told by `send`, `answer`, `advance` and the like; what the proxy does
about it must be told by `sees`, line by line.  A line is what went where:

    client < 180                 a response to the peer "client"
    fe1 < INVITE sip:…           a request (the URI may be left out)
    fe1/tcp < INVITE             the same on a stream
    4.0s fe2 < INVITE            and exactly when, in seconds from the start
    connect fe1/tcp              a connection is wanted
    resolve pcpool.contoso.test  a name has to be looked up
    close client/tcp
    learn sip:gc-1@… pool        a service URI is to be stored
    refuse sip:alice@… user      it belongs to somebody else
    look up alice@contoso.test   the store is asked, and the request waits
    blame pcpool.contoso.test 500  the pool failed inside a dialog

Nothing the proxy does may go unmentioned: the next input, and the end, fail then.
"""

import random
from dataclasses import replace
from difflib import ndiff

from proxy.core import commands, events
from proxy.core.proxy import ProxyCore
from proxy.core.settings import CoreSettings
from proxy.endpoints.model import Drain, Endpoint, LearnedUri, Pool
from proxy.endpoints.table import EndpointTable
from proxy.location.binding import Binding
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.sip.flow import Flow, FlowTable, Listener, Transport
from tests.support.messages import response

START = 1000.0
PROXY = "10.0.0.5"
POOL = "pcpool.contoso.test"
OTHER_POOL = "pool2.contoso.test"
DOMAIN = "contoso.test"
HOSTS = {
    "client": "10.1.0.9",
    "bob": "10.1.0.10",
    "fe1": "10.0.1.1",
    "fe2": "10.0.1.2",
    "fe3": "10.0.1.3",
    "edge": "10.0.2.1",
    "stranger": "192.0.2.66",
    "ourselves": PROXY,
}
PORTS = {"client": 40000, "bob": 40001, "ourselves": 40002}


def endpoint(user: str = "ocschat", pool: str = POOL, **more) -> Endpoint:
    """A row of the endpoint table in the users' domain."""
    address = f"{user}@{DOMAIN}"
    return Endpoint(f"sip:{address}", address.lower(), pool, **more)


class Playbook:
    """`front_ends` are the pool's, best first; all else has a plain default."""

    def __init__(
        self,
        *,
        front_ends: tuple[str, ...] = ("fe1", "fe2"),
        transport: Transport = "udp",
        endpoints: tuple[Endpoint, ...] | None = None,
        pools: tuple[Pool, ...] = (),
        learned: tuple[LearnedUri, ...] = (),
        drains: tuple[Drain, ...] = (),
        unresolved: bool = False,
        listeners: tuple[Listener, ...] | None = None,
        **settings,
    ) -> None:
        self.now = START
        self.flows = FlowTable(
            list(listeners)
            if listeners
            else [
                Listener("udp", PROXY, 5060, index=0),
                Listener("tcp", PROXY, 5060, index=1),
            ]
        )
        # Those of the cast have been heard before, all but the stranger.
        self.flows.is_friend = lambda host: host != HOSTS["stranger"]
        self.cached: dict[Lookup, Resolution] = {}
        self.table = EndpointTable(
            (endpoint(),) if endpoints is None else endpoints,
            pools,
            learned,
            drains=drains,
        )
        defaults = CoreSettings(
            domains=frozenset({DOMAIN}), source="waypost.test", keys=(b"key",)
        )
        self.core = ProxyCore(
            replace(defaults, **settings),
            self.flows,
            lambda lookup, now: self.cached.get(lookup),
            self.table,
            random.Random(1),
        )
        self.access: list[commands.LogAccess] = []
        self.faults: list[commands.NoteFault] = []
        self.takes_faults = False  # a bug of ours fails the test, unless it wants one
        self.sent: list[tuple[str, bytes]] = []
        self.ways: list[Flow] = []  # of what was sent
        self._script: list[str] = []
        self._connecting: dict[str, FrontEnd] = {}
        self._lookups: dict[str, Lookup] = {}
        self._connections = 0
        if not unresolved:
            self.knows(POOL, *front_ends, transport=transport)

    # -- the world around the proxy ----------------------------------------------

    def knows(
        self,
        host: str,
        *front_ends: str,
        transport: Transport = "udp",
        **lookup,
    ) -> Resolution:
        """The resolver's cache has this name: one front end per priority."""
        key = Lookup(host, **lookup)
        groups = tuple(
            (FrontEnd(transport, HOSTS[n], 5060, f"{n}.{host}", host, place),)
            for place, n in enumerate(front_ends)
        )
        found = Resolution(
            key,
            {transport: groups} if groups else {},
            expires=1e9,
            error=None if groups else "srv",
            reason="" if groups else "no such name",
        )
        self.cached[key] = found
        return found

    def flow(self, peer: str) -> Flow:
        """The flow to a peer: `client`, or `client/tcp` for its connection."""
        name, _, transport = peer.partition("/")
        host, port = HOSTS[name], PORTS.get(name, 5060)
        if not transport:
            return self.flows.udp(self.flows.listeners[0], host, port)
        flow = self.flows.stream(transport, host, port)
        if flow is None:
            listener = self.flows.listener_for(transport, host)
            assert listener is not None
            self._connections += 1
            flow = Flow(listener, host, port, self._connections)
            self.flows.add_stream(flow)
        return flow

    # -- what happens ------------------------------------------------------------

    def send(self, peer: str, data: bytes) -> bytes:
        """The peer sends these bytes to the proxy; returns them."""
        self._handle(events.MessageReceived(self.flow(peer), data))
        return data

    def answer(
        self, peer: str, status: int, *extra: str, to: str = "", **more
    ) -> bytes:
        """The peer answers the last request it got, or the last of method `to`."""
        return self.send(
            peer, response(self.request_at(peer, to), status, *extra, **more)
        )

    def advance(self, seconds: float) -> None:
        """Time passes; every deadline is served at its exact instant."""
        self._nothing_open()
        end = self.now + seconds
        while (deadline := self.core.deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self._carry_out(self.core.expire(self.now))
        self.now = end

    def advance_quietly(self, seconds: float) -> None:
        """Time passes, and what was and will be seen does not matter."""
        self._script.clear()
        self.advance(seconds)
        self._script.clear()

    def resolves(
        self, host: str, *front_ends: str, transport: Transport = "udp"
    ) -> None:
        """DNS answers what was asked; without front ends it says there are none."""
        lookup = self._lookups.pop(host)
        fields = lookup._asdict()
        del fields["host"]
        if fields["transport"] is not None:
            transport = fields["transport"]
        fixed = fields.pop("transport")
        found = self.knows(host, *front_ends, transport=transport)
        del self.cached[found.lookup]
        self.cached[lookup] = found
        found.lookup = Lookup(host, transport=fixed, **fields)
        self._handle(events.Resolved(lookup, found))

    def connects(self, peer: str) -> None:
        """The connection that the proxy wanted is there."""
        front_end = self._connecting.pop(peer)
        flow = self.flow(peer)
        flow.first_hop = False
        self._handle(events.FlowOpened(front_end, flow))

    def cannot_connect(self, peer: str, reason: str = "refused") -> None:
        """The connection that the proxy wanted could not be had."""
        front_end = self._connecting.pop(peer)
        self._handle(events.ConnectFailed(front_end, reason, f"{peer}: {reason}"))

    def closes(self, peer: str, reason: str = "reset") -> None:
        """The peer closes its connection."""
        flow = self.flow(peer)
        self.flows.remove_stream(flow)
        self._handle(events.FlowClosed(flow, reason))

    def icmp(self, peer: str, reason: str = "refused") -> None:
        """The peer's machine gives the last datagram back."""
        data = self.last(peer)
        self._handle(events.DatagramRefused(self.flow(peer), data[:512], reason))

    def table_changes(self, table: EndpointTable) -> None:
        """The store has a new version of the endpoint table."""
        self._handle(events.TableChanged(table))

    def store_says(self, aor: str, *bindings: Binding, learned=()) -> None:
        """The answer to a look-up."""
        self._handle(events.LookedUp(aor, bindings, learned))

    # -- what is seen ------------------------------------------------------------

    def sees(self, *expected: str) -> None:
        """Everything the proxy did since the last `sees`, in order."""
        actual, self._script = self._script, []
        if len(actual) == len(expected) and all(map(_agrees, expected, actual)):
            return
        shown = [
            e if k < len(actual) and not _agrees(e, actual[k]) else actual[k]
            for k, e in enumerate(expected)
            if k < len(actual)
        ]
        shown += expected[len(actual) :]
        raise AssertionError(
            "the proxy does something else (- expected, + did)\n"
            + "\n".join(ndiff(shown, actual))
        )

    def last(self, peer: str) -> bytes:
        """The last bytes that the peer got."""
        for name, data in reversed(self.sent):
            if name == peer:
                return data
        raise AssertionError(f"{peer} got nothing")

    def request_at(self, peer: str, method: str = "") -> bytes:
        """The last request the peer got: not an ACK, unless asked for by name."""
        for name, data in reversed(self.sent):
            word = data.partition(b" ")[0].decode()
            if name != peer or word.startswith("SIP/"):
                continue
            if word == method or (not method and word not in ("ACK", "CANCEL")):
                return data
        raise AssertionError(f"{peer} got no {method or 'request'}")

    def finish(self) -> None:
        """The end of the scenario: everything was mentioned."""
        self._nothing_open()

    # -- inside ------------------------------------------------------------------

    def _nothing_open(self) -> None:
        if self._script:
            self.sees()

    def _handle(self, event: events.Event) -> None:
        self._nothing_open()
        self._carry_out(self.core.handle(event, self.now))

    def _carry_out(self, out: list[commands.Command]) -> None:
        for command in out:
            match command:
                case commands.Send():
                    peer = _name(command.flow.transport, command.flow.host)
                    self.sent.append((peer, command.data))
                    self.ways.append(command.flow)
                    self._note(f"{peer} < {_summary(command.data)}")
                case commands.Connect():
                    front_end = command.front_end
                    peer = _name(front_end.transport, front_end.host)
                    self._connecting[peer] = front_end
                    self._note(f"connect {peer}")
                case commands.Resolve():
                    self._lookups[command.lookup.host] = command.lookup
                    self._note(f"resolve {command.lookup.host}")
                case commands.Close():
                    peer = _name(command.flow.transport, command.flow.host)
                    self._note(f"close {peer}")
                case commands.LearnUri():
                    self._note(f"learn {command.uri} {command.pool_fqdn}")
                case commands.RefuseUri():
                    self._note(f"refuse {command.uri} {command.reason}")
                case commands.LookUp():
                    self._note(f"look up {command.aor}")
                case commands.UseLearnedUri():
                    self._note(f"use {command.key}")
                case commands.NotePoolFailure():
                    of = "" if command.endpoint_key else " of no endpoint"
                    self._note(f"blame {command.pool_fqdn} {command.status}{of}")
                case commands.LogAccess():
                    self.access.append(command)
                case commands.NoteFault():
                    if not self.takes_faults:
                        raise command.error
                    self.faults.append(command)
                case _:
                    pass  # the registrar's: told by its own tests

    def _note(self, line: str) -> None:
        self._script.append(f"{self.now - START:g}s {line}")


def _agrees(expected: str, actual: str) -> bool:
    """Word by word; time and what follows the last word may be left out."""
    words, found = expected.split(" "), actual.split(" ")
    if not (words[0][:1].isdigit() and words[0].endswith("s")):
        found = found[1:]
    elif float(words[0][:-1]) == float(found[0][:-1]):
        words, found = words[1:], found[1:]
    return found[: len(words)] == words


def _name(transport: str, host: str) -> str:
    name = next((n for n, h in HOSTS.items() if h == host), host)
    return name if transport == "udp" else f"{name}/{transport}"


def _summary(data: bytes) -> str:
    start = data.partition(b"\r\n")[0].decode("utf-8", "replace")
    words = start.split(" ")
    return " ".join(words[1:] if words[0].startswith("SIP/") else words[:2])
