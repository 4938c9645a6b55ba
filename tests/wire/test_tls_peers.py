"""TLS peers that stall, vanish or do not read: others do not notice."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from proxy.net.network import ListenOptions, Network
from proxy.net.tls import server_end
from tests.support.certificates import Authority
from tests.support.loops import event_loop_policy  # noqa: F401 - a fixture
from tests.support.recorder import Recorder
from tests.wire.conftest import PATIENT, OpenNetwork
from tests.wire.test_stream import sip

NAME = "proxy.contoso.test"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST


@pytest.fixture
async def network(
    open_network: OpenNetwork, tmp_path, recorder: Recorder
) -> AsyncIterator[Network]:
    """A TLS listener that sends every message back."""
    authority = Authority(tmp_path)
    network = await open_network(
        "tls",
        options={0: ListenOptions(tls=server_end(authority.issue(NAME)))},
        # Who behaves may be slow where all share one busy machine.
        streams=replace(PATIENT, tls_handshake=1.0),
    )

    recorder.on_message = network.send
    network.trusting = ssl.create_default_context(cafile=authority.ca)  # type: ignore[attr-defined]
    yield network


async def connect(network: Network):
    listener = network.flows.listeners[0]
    return await asyncio.open_connection(
        listener.host,
        listener.port,
        ssl=network.trusting,  # type: ignore[attr-defined]
        server_hostname=NAME,
    )


async def misbehave(network: Network, how: str) -> contextlib.ExitStack:
    """One bad peer; what is returned keeps it there."""
    listener = network.flows.listeners[0]
    stack = contextlib.ExitStack()
    if how in ("stalls", "garbage"):
        opened = socket.create_connection((listener.host, listener.port))
        stack.enter_context(opened)
        opened.sendall(
            b"\x16\x03\x01" if how == "stalls" else b"GET / HTTP/1.0\r\n\r\n"
        )
        return stack
    reader, writer = await connect(network)
    stack.callback(writer.close)
    match how:
        case "resets":
            writer.write(sip()[:40])
            await writer.drain()
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
        case "half-closes":
            writer.write(sip()[:40])
            await writer.drain()
            writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        case "never-reads":
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            for _ in range(300):
                writer.write(sip(body=b"x" * 60_000))
    return stack


@pytest.mark.parametrize(
    "how", ["stalls", "garbage", "resets", "half-closes", "never-reads"]
)
async def test_a_bad_peer_costs_nobody_else_anything(
    network: Network, how: str
) -> None:
    reader, writer = await connect(network)
    # Bad peers, good peer and proxy share one thread here: five of them stop the clock
    # for a moment, but nobody waits for them.  Who waits does so every time; a machine
    # that is busy elsewhere stops us once.
    for _ in range(3):
        before = await p99(reader, writer)
        with contextlib.ExitStack() as bad:
            for _ in range(5):
                bad.push(await misbehave(network, how))
            during = await p99(reader, writer)
        if during < 10 * before + 0.3:
            break
    else:
        raise AssertionError(f"{before} s without bad peers, {during} s beside them")
    writer.close()


async def p99(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
    """Seconds that all but the slowest of a hundred messages took to come back."""
    loop = asyncio.get_running_loop()
    took = []
    for number in range(100):
        sent = sip(body=b"%d" % number)
        started = loop.time()
        writer.write(sent)
        assert await reader.readexactly(len(sent)) == sent
        took.append(loop.time() - started)
    return sorted(took)[-2]


@pytest.mark.parametrize("how", ["stalls", "garbage", "resets", "half-closes"])
async def test_a_bad_peer_s_place_is_free_again(network: Network, how: str) -> None:
    with await misbehave(network, how):
        async with asyncio.timeout(10):
            while network.admission.total or network.streams.connections:
                await asyncio.sleep(0.02)


async def test_a_peer_that_does_not_read_is_given_up(network: Network) -> None:
    with await misbehave(network, "never-reads"):
        async with asyncio.timeout(10):
            while not network.streams.shed or network.admission.total:
                await asyncio.sleep(0.02)
