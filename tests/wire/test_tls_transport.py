"""TLS on the loop that the service runs on: records, goodbyes and broken peers.

The peer here is OpenSSL in memory, so a test decides which bytes leave together.
"""

import asyncio
import contextlib
import random
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from proxy.net.network import ListenOptions, Network
from proxy.net.tls import server_end
from tests.support.certificates import Authority
from tests.support.loops import DirectPolicy
from tests.support.recorder import Recorder
from tests.wire.conftest import OpenNetwork
from tests.wire.test_stream import sip

NAME = "proxy.contoso.test"


@pytest.fixture(scope="module")
def event_loop_policy() -> DirectPolicy:
    return DirectPolicy()


@pytest.fixture
async def network(
    open_network: OpenNetwork, tmp_path, recorder: Recorder
) -> AsyncIterator[Network]:
    """Sends every message back."""
    authority = Authority(tmp_path)
    end = server_end(authority.issue(NAME))
    network = await open_network(
        "tls",
        options={0: ListenOptions(tls=end)},
    )
    recorder.on_message = network.send
    network.trusting = ssl.create_default_context(cafile=authority.ca)  # type: ignore[attr-defined]
    yield network


class Peer:
    """A client that sends its records when the test says so, in pieces."""

    def __init__(self, opened: socket.socket, context: ssl.SSLContext) -> None:
        self._loop = asyncio.get_running_loop()
        self.opened = opened
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=NAME)

    async def flush(self, piece: int = 1 << 20) -> None:
        data = self.outgoing.read()
        for start in range(0, len(data), piece):
            await self._loop.sock_sendall(self.opened, data[start : start + piece])
            if piece < len(data):
                await asyncio.sleep(0)

    async def shake_hands(self, piece: int = 1 << 20) -> None:
        """All of it but for the flush of the last flight."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.flush(piece)
                self.incoming.write(await self._loop.sock_recv(self.opened, 65_536))
            else:
                return

    async def read(self, size: int) -> bytes:
        """So much plain text; less only when the proxy has said goodbye."""
        got = b""
        while len(got) < size:
            try:
                data = self.tls.read(size - len(got))
            except ssl.SSLWantReadError:
                raw = await self._loop.sock_recv(self.opened, 65_536)
                assert raw, "closed without a goodbye"
                self.incoming.write(raw)
            except ssl.SSLZeroReturnError:
                break
            else:
                if not data:
                    break
                got += data
        return got

    def say_goodbye(self) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()


@pytest.fixture
async def peer(network: Network) -> AsyncIterator[Peer]:
    """Connected, and no more."""
    listener = network.flows.listeners[0]
    with socket.socket() as opened:
        opened.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(opened, (listener.host, listener.port))
        yield Peer(opened, network.trusting)  # type: ignore[attr-defined]


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
async def test_records_may_come_in_any_pieces(peer: Peer, piece: int) -> None:
    await peer.shake_hands(piece)
    messages = [sip(body=b"%d" % number) for number in range(3)]
    for message in messages:
        peer.tls.write(message)
    # The first message leaves with the end of the handshake.
    await peer.flush(piece)
    sent = b"".join(messages)
    assert await peer.read(len(sent)) == sent


async def test_more_than_the_read_buffer_in_full_records(peer: Peer) -> None:
    """300 KiB: buffers and records end at different places."""
    await peer.shake_hands()
    sent = b"".join(sip(body=b"%d " % number * 9_000) for number in range(8))
    peer.tls.write(sent)
    got, _ = await asyncio.gather(peer.read(len(sent)), peer.flush())
    assert got == sent


async def test_a_goodbye_is_answered_after_what_was_asked(peer: Peer) -> None:
    await peer.shake_hands()
    sent = sip()
    peer.tls.write(sent)
    peer.say_goodbye()
    await peer.flush()
    assert await peer.read(len(sent) + 1) == sent  # then close_notify
    assert await asyncio.get_running_loop().sock_recv(peer.opened, 1) == b""


async def test_our_goodbye_comes_after_everything_that_was_queued(
    network: Network, peer: Peer, recorder: Recorder
) -> None:
    peer.opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    recorder.on_message = lambda flow, data: None
    await peer.shake_hands()
    peer.tls.write(sip())
    await peer.flush()
    [(flow, _)] = await recorder.wait("message")
    sent = [sip(body=b"%d" % number * 50_000) for number in range(4)]
    for message in sent:
        network.send(flow, message)
    network.close_flow(flow, "done")
    total = sum(len(message) for message in sent)
    assert await peer.read(total + 1) == b"".join(sent)
    peer.say_goodbye()
    await peer.flush()
    assert await asyncio.get_running_loop().sock_recv(peer.opened, 1) == b""


async def test_a_peer_that_never_says_goodbye_is_not_waited_for(
    network: Network, peer: Peer, recorder: Recorder
) -> None:
    network.streams.settings = replace(network.streams.settings, close=0.1)
    await peer.shake_hands()
    peer.tls.write(sip())
    await peer.flush()
    [(flow, _)] = await recorder.wait("message")
    network.close_flow(flow, "done")
    async with asyncio.timeout(10):
        while network.streams.connections or network.admission.total:
            await asyncio.sleep(0.02)


async def test_a_changed_byte_ends_the_connection_and_the_peer_hears_why(
    network: Network, peer: Peer, recorder: Recorder
) -> None:
    await peer.shake_hands()
    await peer.flush()
    peer.tls.write(sip())
    data = bytearray(peer.outgoing.read())
    data[-1] ^= 1
    await asyncio.get_running_loop().sock_sendall(peer.opened, data)
    with pytest.raises(ssl.SSLError, match="BAD_RECORD_MAC"):
        await peer.read(1)
    [(_, reason)] = await recorder.wait("flow_closed")
    assert reason == "error"
    assert not recorder.of("message")


async def test_new_keys_under_way(network: Network, recorder: Recorder) -> None:
    """`K` makes s_client change its keys and ask us to change ours."""
    listener = network.flows.listeners[0]
    client = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-tls1_3"),
        *("-connect", f"{listener.host}:{listener.port}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert client.stdin is not None and client.stdout is not None
    try:
        async with asyncio.timeout(20):
            for number in range(1, 4):
                client.stdin.write(sip(body=b"%d=now" % number))
                await recorder.wait("message", number)
                await client.stdout.readuntil(b"%d=now" % number)
                client.stdin.write(b"K\n")
                await client.stdout.readuntil(b"KEYUPDATE")
    finally:
        client.kill()
        await client.wait()


async def send_cut(opened: socket.socket, data: bytes, rng: random.Random) -> None:
    """Send these bytes in pieces, and let the proxy read in between or not."""
    loop = asyncio.get_running_loop()
    while data:
        size = rng.choice((1, 1, 2, 5, 17, 100, 1_000, 20_000))
        await loop.sock_sendall(opened, data[:size])
        data = data[size:]
        if rng.random() < 0.3:
            await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(12))
async def test_messages_are_the_same_however_records_and_pieces_fall(
    peer: Peer, recorder: Recorder, seed: int
) -> None:
    """Where a message ends, where a record ends, and where a read ends differ."""
    rng = random.Random(seed)
    sizes = (0, 1, 50, 3_000, 20_000)
    messages = [sip(body=bytes(rng.choice(sizes))) for _ in range(12)]
    await peer.shake_hands(rng.choice((1, 40, 1 << 20)))
    await peer.flush()
    plain = b"".join(messages)
    reading = asyncio.ensure_future(peer.read(len(plain)))
    rest = plain
    while rest:
        size = rng.choice((1, 3, 30, 900, 16_384, 40_000))
        peer.tls.write(rest[:size])
        rest = rest[size:]
        if rng.random() < 0.5:
            await send_cut(peer.opened, peer.outgoing.read(), rng)
    await send_cut(peer.opened, peer.outgoing.read(), rng)
    assert await reading == plain
    assert [data for _, data in recorder.of("message")] == messages
    assert not recorder.of("framing_failed")
