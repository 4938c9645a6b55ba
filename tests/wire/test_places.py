"""Strangers hold no place that a friend needs, and waiting is not refused."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest

from proxy.net.network import ListenOptions, Network
from proxy.net.settings import AdmissionSettings
from proxy.net.tls import server_end
from proxy.pools.front_end import FrontEnd
from proxy.sip.flow import Flow
from tests.support.certificates import Authority
from tests.support.loops import event_loop_policy  # noqa: F401 - a fixture
from tests.support.recorder import Recorder
from tests.support.transports import answer, between
from tests.wire.conftest import OpenNetwork
from tests.wire.test_stream import sip
from tests.wire.test_transports import compose

NAME = "proxy.contoso.test"
FRIENDS = "127.0.250."


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("places"))


@pytest.fixture
async def clients() -> AsyncIterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def dial(clients: contextlib.ExitStack, network: Network, source: str) -> socket.socket:
    """A connection that was accepted by the kernel, and says nothing."""
    listener = network.flows.listeners[0]
    return clients.enter_context(
        socket.create_connection(
            (listener.host, listener.port), 5, source_address=(source, 0)
        )
    )


async def serves(network: Network, source: str, context: ssl.SSLContext | None) -> bool:
    """Whether a message of ``source`` is answered within ten seconds."""
    listener = network.flows.listeners[0]
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(
                listener.host,
                listener.port,
                ssl=context,
                server_hostname=NAME if context else None,
                local_addr=(source, 0),
            )
            writer.write(sip())
            answer = await reader.readexactly(len(sip()))
            writer.close()
            return answer == sip()
    except (OSError, asyncio.IncompleteReadError):
        return False


def echo(network: Network, recorder: Recorder) -> None:
    def answer(flow: Flow, data: bytes) -> None:
        network.send(flow, data)

    recorder.on_message = answer


async def open_tls(
    open_network: OpenNetwork, authority: Authority, recorder: Recorder, **more: object
) -> tuple[Network, ssl.SSLContext]:
    network = await open_network(
        "tls",
        options={0: ListenOptions(tls=server_end(authority.issue(NAME)))},
        admission=AdmissionSettings(
            trusted=[ip_network(FRIENDS + "0/24")],
            **more,  # type: ignore[arg-type]
        ),
    )
    echo(network, recorder)
    return network, ssl.create_default_context(cafile=authority.ca)


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02"])
async def test_handshakes_that_strangers_leave_open_keep_nobody_out(
    open_network: OpenNetwork,
    authority: Authority,
    recorder: Recorder,
    clients: contextlib.ExitStack,
    said: bytes,
) -> None:
    """Silent ones, and ones that stop in the middle of their first message."""
    network, context = await open_tls(
        open_network, authority, recorder, handshakes=8, handshakes_per_source=4
    )
    for number in range(64):
        opened = dial(clients, network, f"127.0.{number % 4 + 1}.9")
        opened.sendall(said)
    await asyncio.sleep(0.05)
    assert await serves(network, FRIENDS + "1", context)
    assert await serves(network, "127.0.9.1", context)


async def test_clients_of_a_trusted_network_that_come_back_at_once_are_all_served(
    open_network: OpenNetwork, authority: Authority, recorder: Recorder
) -> None:
    """As after a restart; 64 were served and all others reset."""
    network, context = await open_tls(open_network, authority, recorder, handshakes=8)
    async with asyncio.timeout(20):
        answered = await asyncio.gather(
            *(greet(network, f"{FRIENDS}{n % 200 + 1}", context) for n in range(300))
        )
    assert answered == [sip()] * 300
    assert network.admission.refused == 0


async def greet(network: Network, source: str, context: ssl.SSLContext) -> bytes:
    listener = network.flows.listeners[0]
    reader, writer = await asyncio.open_connection(
        listener.host,
        listener.port,
        ssl=context,
        server_hostname=NAME,
        local_addr=(source, 0),
    )
    writer.write(sip())
    answer = await reader.readexactly(len(sip()))
    writer.close()
    return answer


async def test_a_newcomer_gets_the_place_of_the_longest_silent(
    open_network: OpenNetwork, recorder: Recorder, clients: contextlib.ExitStack
) -> None:
    """Each of the others has sent one request, which bought it an hour of silence."""
    network = await open_network(
        admission=AdmissionSettings(total=20, per_source=20, per_network=20),
    )
    echo(network, recorder)
    held = [dial(clients, network, f"127.0.1.{n + 1}") for n in range(20)]
    for opened in held:
        opened.sendall(sip())
    await recorder.wait("message", 20)
    recorder.of("message")[0][0].is_proven = True  # the first has signed in
    assert await serves(network, "127.0.2.1", None)
    gone = recorder.of("flow_closed")
    assert gone and all(
        reason == "gave-way" for _, reason in gone if reason != "closed"
    )
    assert recorder.of("message")[0][0].is_open


async def test_what_was_opened_for_strangers_does_not_keep_a_pool_waiting(
    open_network: OpenNetwork, recorder: Recorder, clients: contextlib.ExitStack
) -> None:
    network = await open_network(admission=AdmissionSettings(outgoing=16))
    pool = clients.enter_context(socket.create_server(("127.0.8.1", 0)))
    network.admission.known = frozenset({"127.0.8.1"})
    listener = network.flows.listeners[0]
    for number in range(40):
        host = f"127.0.{number % 10 + 1}.2"
        theirs = clients.enter_context(socket.create_server((host, 0)))
        front_end = FrontEnd("tcp", host, theirs.getsockname()[1])
        network.connect(front_end, listener, 1.0)
    async with asyncio.timeout(10):
        while len(recorder.of("flow_opened")) + len(recorder.of("connect_failed")) < 40:
            await asyncio.sleep(0.01)
    assert network.connector.held <= 16
    front_end = FrontEnd("tcp", *pool.getsockname(), "fe1", "pcpool.contoso.test")
    network.connect(front_end, listener, 1.0)
    async with asyncio.timeout(10):
        while recorder.of("flow_opened")[-1][0] != front_end:
            await asyncio.sleep(0.01)


async def test_one_network_of_strangers_has_a_share_of_what_we_open(
    open_network: OpenNetwork, recorder: Recorder, clients: contextlib.ExitStack
) -> None:
    network = await open_network(admission=AdmissionSettings(outgoing=16))
    listener = network.flows.listeners[0]
    for _ in range(6):
        theirs = clients.enter_context(socket.create_server(("127.0.1.2", 0)))
        network.connect(FrontEnd("tcp", *theirs.getsockname()), listener, 1.0)
    failed = await recorder.wait("connect_failed", 2)
    assert [reason for _, reason, _ in failed] == ["limit", "limit"]
    assert len(await recorder.wait("flow_opened", 4)) == 4


async def test_requests_abandoned_over_tcp_do_not_cost_a_pool_its_call(
    authority: Authority, clients: contextlib.ExitStack
) -> None:
    """Each is answered over a connection of ours, which the stranger then holds."""
    async with between(authority, "udp", "tcp") as scene:
        network = scene.runtime.network
        network.connector._limit = 16
        loop = asyncio.get_running_loop()
        listener = next(x for x in network.flows.listeners if x.transport == "tcp")
        asked = []
        for number in range(40):
            host = f"127.0.{number % 8 + 1}.3"
            theirs = clients.enter_context(socket.create_server((host, 0)))
            with socket.socket() as stranger:
                stranger.setblocking(False)
                stranger.bind((host, 0))
                await loop.sock_connect(stranger, (listener.host, listener.port))
                await loop.sock_sendall(stranger, abandoned(*theirs.getsockname()))
                asked.append(await scene.callee.receive(b"MESSAGE "))
        async with asyncio.timeout(10):
            while len(network.flows.streams()) > 1:
                await asyncio.sleep(0.01)
        for request in asked:
            scene.callee.send(answer(request, tag="b"))
        async with asyncio.timeout(10):
            while network.connector.opened < 16:
                await asyncio.sleep(0.01)
        assert network.connector.held <= 17
        # The pool's own connection ends, and the next call needs another one.
        scene.callee._writer.close()
        async with asyncio.timeout(10):
            while network.flows.stream("tcp", scene.callee.host, scene.callee.port):
                await asyncio.sleep(0.01)
        scene.caller.send(
            compose(scene.caller, "INVITE", "sip:bob@contoso.test", tags=("a", ""))
        )
        assert await scene.callee.receive(b"INVITE ")


def abandoned(host: str, port: int) -> bytes:
    return (
        f"MESSAGE sip:bob@contoso.test SIP/2.0\r\n"
        f"Via: SIP/2.0/TCP {host}:{port};branch=z9hG4bK{host}{port}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:x@contoso.test>;tag=1\r\n"
        f"To: <sip:bob@contoso.test>\r\nCall-ID: {host}-{port}\r\n"
        "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
    ).encode()
