"""Kamailio's TLS on both sides of ours: whole dialogs, and certificates it objects to.

caller -TCP- Kamailio (front end) -mutual TLS- Waypost -mutual TLS- Kamailio (pool)
-TCP- callee.  Both wait for nothing of ours but what RFC 3261 and OpenSSL give them.
"""

import contextlib
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from proxy.core.settings import CoreSettings
from proxy.endpoints.model import Pool
from proxy.endpoints.table import EndpointTable
from proxy.lab.dns_server import ZoneServer
from proxy.net.network import ListenOptions
from proxy.net.tls import client_end, server_end
from proxy.pools.resolver import Resolver
from proxy.server.runtime import Runtime
from proxy.sip.flow import FlowTable, Listener
from proxy.telemetry.access import AccessLog
from tests.support.certificates import Authority
from tests.support.kamailio_tls import Relay, relay
from tests.support.ports import free_port
from tests.support.proxy import loopback
from tests.support.transports import (
    ENDPOINT,
    FRONT_END,
    NAME,
    POOL,
    Peer,
    answer,
    values,
)
from tests.wire.test_transports import ALIAS, ALICE, compose

EDGE = "fepool.contoso.test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls-twin"))


@dataclass
class Names:
    """What the two relays' certificates are for."""

    edge: tuple[str, ...] = (EDGE,)
    pool: tuple[str, ...] = (POOL, FRONT_END)
    trusted: tuple[str, ...] = field(default=(EDGE,))


@dataclass
class Chain:
    """Both ends of the chain, and what stands between them."""

    caller: Peer
    callee: Peer
    front_end: Relay
    member: Relay
    waypost: Runtime


@contextlib.asynccontextmanager
async def chain(
    directory: Path, authority: Authority, names: Names
) -> AsyncIterator[Chain]:
    """Everything running, the caller connected to the first Kamailio."""
    host = loopback(4)
    ours = (host, free_port(host))
    caller, callee = Peer("tcp", loopback(5)), Peer("tcp", loopback(6))
    await callee.listen(ours)
    member = relay(
        directory / "pool",
        *(loopback(7), authority.issue(*names.pool), callee.contact, ours, NAME),
    )
    edge = relay(
        directory / "edge",
        *(loopback(8), authority.issue(*names.edge)),
        *(f"sip:{ours[0]}:{ours[1]};transport=tls", ours, NAME),
    )
    waypost, zone = await _waypost(authority, names, ours, member)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(zone.stop)
        stack.push_async_callback(waypost.close)
        for each in (member, edge):
            each.process.start()
            stack.callback(each.process.stop)
        stack.callback(callee.close)
        await caller.connect(edge.plain)
        stack.callback(caller.close)
        yield Chain(caller, callee, edge, member, waypost)


async def _waypost(
    authority: Authority, names: Names, ours: tuple[str, int], member: Relay
) -> tuple[Runtime, ZoneServer]:
    host, port = member.secure
    zone = ZoneServer(
        {
            f"_sips._tcp.{POOL} SRV": f"10 60 {port} {FRONT_END}.",
            f"{FRONT_END} A": host,
        }
    )
    await zone.start()
    files = authority.issue(NAME)
    runtime = Runtime(
        CoreSettings(domains=frozenset({"contoso.test"}), keys=(b"key",), source=NAME),
        FlowTable([Listener("tls", *ours, advertised_host=NAME)]),
        Resolver([zone.address], {"tls"}, {4}),
        EndpointTable((ENDPOINT,), (Pool(POOL, "tls"),)),
        AccessLog(io.StringIO(), False),
        options={
            0: ListenOptions(
                tls=server_end(files, "required", trusted_peers=names.trusted)
            )
        },
        client_tls=client_end(files),
    )
    await runtime.open()
    return runtime, zone


async def test_a_dialog_through_two_kamailios_over_mutual_tls(
    authority: Authority, tmp_path: Path
) -> None:
    async with chain(tmp_path, authority, Names()) as scene:
        caller, callee = scene.caller, scene.callee
        caller.send(compose(caller, "INVITE", ALIAS[1:-1], tags=("a", "")))
        arrived = await callee.receive(b"INVITE ")
        assert arrived.startswith(f"INVITE sip:ocschat@{POOL} SIP/2.0".encode())
        callee.send(answer(arrived, f"Contact: <{callee.contact}>", tag="b"))
        accepted = await caller.receive(b"SIP/2.0 200 ")
        out = values(accepted, b"Record-Route")[::-1]
        back = values(arrived, b"Record-Route")
        for cseq, method in enumerate(("ACK", "INFO", "UPDATE", "NOTIFY"), 1):
            caller.send(
                compose(
                    *(caller, method, callee.contact),
                    **{"tags": ("a", "b"), "cseq": cseq, "routes": out},
                )
            )
            got = await callee.receive(f"{method} ".encode())
            if method != "ACK":
                callee.send(answer(got))
                assert await caller.receive(b"SIP/2.0 200 ")
        for cseq, method in enumerate(("INFO", "NOTIFY", "UPDATE", "BYE"), 1):
            callee.send(
                compose(
                    *(callee, method, caller.contact),
                    tags=("b", "a"),
                    ends=(ALIAS, ALICE),
                    cseq=cseq,
                    routes=back,
                )
            )
            got = await caller.receive(f"{method} ".encode())
            caller.send(answer(got))
            assert await callee.receive(b"SIP/2.0 200 ")
        # The pool sent its requests back on the one connection that we opened (RFC
        # 5923): whoever connected to us is the front end.
        streams = scene.waypost.core.flows.streams()
        assert scene.waypost.network.connector.opened == 1
        assert sorted({flow.peer_names[0] for flow in streams}) == [EDGE, POOL]
        assert [flow.peer_names[0] for flow in streams].count(POOL) == 1


@pytest.mark.parametrize(
    ("names", "status"),
    [
        (Names(pool=(FRONT_END,)), b"SIP/2.0 504 "),
        (Names(edge=("stranger.contoso.test",)), b"SIP/2.0 "),
    ],
    ids=["the pool is only its server", "the front end is not trusted"],
)
async def test_a_name_that_does_not_fit_ends_it(
    authority: Authority, tmp_path: Path, names: Names, status: bytes
) -> None:
    async with chain(tmp_path, authority, names) as scene:
        caller = scene.caller
        caller.send(compose(caller, "INVITE", ALIAS[1:-1], tags=("a", "")))
        refused = await caller.receive(status)
        while refused.startswith(b"SIP/2.0 1"):
            refused = await caller.receive(status)
        assert refused[8:9] in b"45"
        assert scene.callee.inbox.empty()
        if names.edge == (EDGE,):
            [told] = values(refused, b"ms-diagnostics")
            assert told.startswith(b"1010;") and POOL.encode() in told
        else:
            assert scene.waypost.network.streams.untrusted


async def test_a_certificate_of_another_authority_is_refused_by_kamailio_too(
    authority: Authority, tmp_path: Path
) -> None:
    """Its pool member asks for our certificate: what we show is really looked at."""
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other", "stranger").issue(NAME)
    async with chain(tmp_path, authority, Names()) as scene:
        end = scene.waypost.network.connector._tls
        assert end is not None
        end.context.load_cert_chain(stranger.certificate, stranger.key or "")
        scene.caller.send(compose(scene.caller, "INVITE", ALIAS[1:-1], tags=("a", "")))
        assert await scene.caller.receive(b"SIP/2.0 504 ")
        assert scene.callee.inbox.empty()
