"""Kamailio as the registrar behind a first-hop listener finds the client through us.

client -TLS- Waypost (first hop) -mutual TLS- Kamailio -TCP- caller.  Kamailio knows
nothing of Waypost but the Contact that came with REGISTER.
"""

import contextlib
import io
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from proxy.core.settings import CoreSettings
from proxy.endpoints.table import EndpointTable
from proxy.net.network import ListenOptions
from proxy.net.tls import client_end, server_end
from proxy.pools.resolver import Resolver
from proxy.server.runtime import Runtime
from proxy.sip.flow import FlowTable, Listener
from proxy.telemetry.access import AccessLog
from tests.support.certificates import Authority
from tests.support.kamailio_tls import relay
from tests.support.ports import free_port
from tests.support.proxy import loopback
from tests.support.transports import NAME, Peer, answer, values
from tests.wire.test_transports import compose

ALICE, BOB = "<sip:alice@contoso.test>", "<sip:bob@contoso.test>"


@contextlib.asynccontextmanager
async def scene(directory: Path) -> AsyncIterator[tuple[Peer, Peer]]:
    """The client at Waypost, and a caller at Kamailio."""
    authority = Authority(directory)
    host, behind = loopback(4), loopback(7)
    ours = (host, free_port(host))
    front_end = relay(
        directory / "front-end",
        *(behind, authority.issue(behind), "sip:127.0.0.1:9", ours, NAME),
    )
    files = authority.issue(NAME)
    waypost = Runtime(
        CoreSettings(
            domains=frozenset({"contoso.test"}),
            default_route=f"sip:{behind}:{front_end.secure[1]};transport=tls".encode(),
            keys=(b"key",),
            source=NAME,
        ),
        FlowTable([Listener("tls", *ours, advertised_host=NAME, first_hop=True)]),
        Resolver(["127.0.0.1:1"], {"tls"}, {4}),
        EndpointTable(),
        AccessLog(io.StringIO(), False),
        options={0: ListenOptions(tls=server_end(files, "optional"))},
        client_tls=client_end(files),
    )
    client, caller = Peer("tls", loopback(5)), Peer("tcp", loopback(6))
    await waypost.open()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(waypost.close)
        front_end.process.start()
        stack.callback(front_end.process.stop)
        trusting = ssl.create_default_context(cafile=authority.ca)
        await client.connect(ours, trusting)
        stack.callback(client.close)
        await caller.connect(front_end.plain)
        stack.callback(caller.close)
        yield client, caller


async def test_who_registered_through_us_is_called_through_us(tmp_path: Path) -> None:
    async with scene(tmp_path) as (client, caller):
        mine = f"sip:{client.host}:{client.port};transport=tls;ms-opaque=d3470f2e1d"
        asks = f'Contact: <{mine}>;methods="INVITE, INFO";proxy=replace;expires=600'
        own = (ALICE, ALICE)
        uri = "sip:contoso.test"
        sent = compose(client, "REGISTER", uri, tags=("r", ""), ends=own)
        old = f"Contact: <{client.contact}>".encode()
        client.send(sent.replace(old, asks.encode()))
        accepted = await client.receive(b"SIP/2.0 200 ")
        [bound] = values(accepted, b"Contact")
        assert f"~@{NAME}:".encode() in bound and b"ms-opaque=d3470f2e1d" in bound

        ends = (BOB, ALICE)
        caller.send(
            compose(caller, "INVITE", ALICE[1:-1], tags=("b", ""), ends=ends, cseq=1)
        )
        arrived = await client.receive(b"INVITE ")
        assert arrived.split(b" ")[1].decode() == mine
        client.send(answer(arrived, asks.replace(";expires=600", ""), tag="a"))
        got = await caller.receive(b"SIP/2.0 200 ")
        [there] = values(got, b"Contact")
        out = values(got, b"Record-Route")[::-1]
        uri = there.partition(b">")[0].lstrip(b"<").decode()
        for cseq, method in enumerate(("ACK", "INFO", "BYE"), 1):
            caller.send(
                compose(
                    *(caller, method, uri),
                    tags=("b", "a"),
                    ends=ends,
                    cseq=cseq,
                    routes=out,
                )
            )
            arrived = await client.receive(f"{method} ".encode())
            assert arrived.split(b" ")[1].decode() == mine
            if method != "ACK":
                client.send(answer(arrived))
                assert await caller.receive(b"SIP/2.0 200 ")
