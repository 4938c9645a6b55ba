"""TCP on the loopback: order, coalescing, and peers that misbehave."""

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network

import pytest

from proxy.net.network import Network
from proxy.net.settings import AdmissionSettings
from proxy.net.stream import StreamConnection
from proxy.pools.front_end import FrontEnd
from tests.support.loops import event_loop_policy  # noqa: F401 - a fixture
from tests.support.recorder import Recorder
from tests.wire.conftest import PATIENT, QUICK, OpenNetwork


def sip(name: str = "INFO", body: bytes = b"") -> bytes:
    head = f"{name} sip:a@b SIP/2.0\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Peer:
    """Somebody's TCP socket, driven from the test's own loop."""

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self.loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        await self.loop.sock_sendall(self.socket, data)

    async def receive(self, size: int) -> bytes:
        """Exactly ``size`` bytes, or fewer when the connection ends."""
        data = b""
        async with asyncio.timeout(10):
            while len(data) < size:
                more = await self.loop.sock_recv(self.socket, size - len(data))
                if not more:
                    break
                data += more
        return data

    async def is_closed(self) -> bool:
        """Waits for the other side to close."""
        try:
            return await self.receive(1) == b""
        except ConnectionResetError:
            return True

    def reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()


@pytest.fixture
async def dial() -> AsyncIterator:
    """``await dial(network)``: a new connection to its first listener."""
    opened: list[socket.socket] = []

    async def connect(network: Network, receive_buffer: int = 0) -> Peer:
        listener = network.flows.listeners[0]
        six = ":" in listener.host
        made = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
        opened.append(made)
        made.setblocking(False)
        if receive_buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(
            made, (listener.host, listener.port)
        )
        return Peer(made)

    yield connect
    for made in opened:
        made.close()


def echo_to(network: Network, recorder: Recorder) -> None:
    recorder.on_message = network.send


# -- messages ------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_pipelined_messages_keep_their_order(
    open_network: OpenNetwork, recorder: Recorder, dial, host: str
):
    peer = await dial(await open_network("tcp", host))
    sent = [sip(body=b"%d" % number) for number in range(200)]
    await peer.send(b"".join(sent))
    assert [data for _, data in await recorder.wait("message", 200)] == sent


async def test_a_message_in_many_segments_is_one_message(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    peer = await dial(await open_network())
    peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in sip(body=b"hello"):
        await peer.send(bytes([byte]))
        await asyncio.sleep(0)
    [(_, data)] = await recorder.wait("message")
    assert data == sip(body=b"hello")


async def test_a_body_larger_than_the_read_buffer_arrives_whole(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    peer = await dial(await open_network())
    await peer.send(sip(body=b"x" * 65_536) + sip())
    assert [len(data) for _, data in await recorder.wait("message", 2)] == [
        len(sip(body=b"x" * 65_536)),
        len(sip()),
    ]


async def test_the_flow_is_in_the_table_while_the_connection_lives(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    network = await open_network()
    peer = await dial(network)
    await peer.send(sip())
    [(flow, _)] = await recorder.wait("message")
    assert network.flows.stream("tcp", *peer.socket.getsockname()) is flow
    assert network.flows.stream_by_id(flow.connection_id) is flow
    peer.socket.close()
    assert await recorder.wait("flow_closed") == [(flow, "closed")]
    assert not flow.is_open
    assert network.flows.streams() == []


async def test_what_one_batch_sends_leaves_as_one_write_in_order(
    open_network: OpenNetwork, recorder: Recorder, dial, monkeypatch
):
    writes: list[int] = []
    flush = StreamConnection.flush

    def counting(self: StreamConnection) -> None:
        writes.append(len(self._pending))
        flush(self)

    monkeypatch.setattr(StreamConnection, "flush", counting)
    network = await open_network()
    echo_to(network, recorder)
    peer = await dial(network)
    sent = b"".join(sip(body=b"%d" % number) for number in range(50))
    await peer.send(sent)
    assert await peer.receive(len(sent)) == sent
    assert writes == [50]


async def test_what_is_sent_outside_a_batch_leaves_by_itself(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    network = await open_network()
    peer = await dial(network)
    await peer.send(sip())
    [(flow, _)] = await recorder.wait("message")
    network.send(flow, sip("BYE"))
    assert await peer.receive(len(sip("BYE"))) == sip("BYE")


async def test_the_end_of_a_batch_is_told_before_it_is_written(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    ended: list[int] = []
    network = await open_network(batch_ended=lambda: ended.append(len(recorder.calls)))
    peer = await dial(network)
    await peer.send(sip() * 3)
    await recorder.wait("message", 3)
    assert ended[-1] == 3


async def test_keep_alives_between_messages_are_ignored(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    network = await open_network()
    peer = await dial(network)
    await peer.send(b"\r\n\r\n" + sip() + b"\r\n\r\n")
    await peer.send(sip("BYE"))
    got = await recorder.wait("message", 2)
    assert [data for _, data in got] == [sip(), sip("BYE")]
    assert network.streams.keepalives == 2


# -- peers that misbehave ------------------------------------------------------------


async def test_a_peer_that_never_reads_is_shed_and_others_go_on(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    network = await open_network()
    mute = await dial(network, receive_buffer=4096)
    await mute.send(sip())
    [(flow, _)] = await recorder.wait("message")
    echo_to(network, recorder)
    for _ in range(200):
        network.send(flow, sip(body=b"x" * 60_000))
        await asyncio.sleep(0)
        if not flow.is_open:
            break
    assert await recorder.wait("flow_closed") == [(flow, "write-queue")]
    assert network.streams.shed == 1
    other = await dial(network)
    await other.send(sip("BYE"))
    assert await other.receive(len(sip("BYE"))) == sip("BYE")
    network.send(flow, sip())  # nobody there: counted, nothing raised
    assert network.streams.messages_dropped > 0


async def test_an_idle_opener_is_closed_after_the_first_byte_deadline(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    peer = await dial(await open_network(streams=QUICK))
    assert await peer.is_closed()
    assert [why for _, why in await recorder.wait("flow_closed")] == [
        "first-byte-timeout"
    ]


async def test_a_slow_message_is_cut_off_however_busy_its_bytes_are(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    streams = replace(PATIENT, whole_message=QUICK.whole_message)
    peer = await dial(await open_network(streams=streams))
    await peer.send(sip())
    with pytest.raises(ConnectionError):
        for _ in range(300):
            await peer.send(b"I")
            await asyncio.sleep(0.02)
    assert [why for _, why in await recorder.wait("flow_closed")] == ["message-timeout"]


async def test_keep_alives_alone_do_not_hold_a_new_connection(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    streams = replace(PATIENT, idle_new=QUICK.idle_new)
    peer = await dial(await open_network(streams=streams))
    with pytest.raises(ConnectionError):
        for _ in range(300):
            await peer.send(b"\r\n\r\n")
            await asyncio.sleep(0.02)
    assert [why for _, why in await recorder.wait("flow_closed")] == ["idle"]


async def test_keep_alives_hold_an_established_connection_and_silence_does_not(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    network = await open_network(streams=replace(PATIENT, idle_established=1.0))
    pinging, silent = await dial(network), await dial(network)
    await pinging.send(sip("PING"))
    await silent.send(sip("SILENT"))
    flows = {data[:4]: flow for flow, data in await recorder.wait("message", 2)}
    async with asyncio.timeout(10):
        while not recorder.of("flow_closed"):
            await pinging.send(b"\r\n\r\n")
            await asyncio.sleep(0.05)
    assert recorder.of("flow_closed") == [(flows[b"SILE"], "idle")]


async def test_a_reset_in_mid_message_ends_the_flow_and_nothing_else(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    network = await open_network()
    peer = await dial(network)
    await peer.send(sip() + sip()[:10])
    await recorder.wait("message")
    peer.reset()
    assert [why for _, why in await recorder.wait("flow_closed")] == ["reset"]
    assert len(recorder.of("message")) == 1
    assert network.admission.total == 0


async def test_a_half_close_gets_the_queued_answers_and_then_the_end(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    network = await open_network()
    echo_to(network, recorder)
    peer = await dial(network)
    await peer.send(sip("REGISTER") + sip("BYE"))
    peer.socket.shutdown(socket.SHUT_WR)
    expected = sip("REGISTER") + sip("BYE")
    assert await peer.receive(len(expected) + 1) == expected
    assert [why for _, why in await recorder.wait("flow_closed")] == ["closed"]


async def test_bad_framing_is_told_answered_and_closed(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    network = await open_network()
    recorder.on_message = lambda flow, data: network.send(flow, b"400 or so")
    peer = await dial(network)
    bad = b"INFO sip:a@b SIP/2.0\r\nContent-Length: x\r\n\r\n"
    await peer.send(bad + sip())
    assert await peer.receive(100) == b"400 or so"
    [(flow, data, status, reason)] = await recorder.wait("framing_failed")
    assert (data, status, reason) == (bad, 400, "Invalid Content-Length")
    assert await recorder.wait("flow_closed") == [(flow, "framing")]
    assert recorder.of("message") == []


async def test_our_own_close_lets_the_last_answer_out(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    network = await open_network()
    peer = await dial(network)
    await peer.send(sip())
    [(flow, _)] = await recorder.wait("message")
    network.send(flow, sip("BYE"))
    network.close_flow(flow, "retired")
    assert recorder.of("flow_closed") == []  # never from inside close_flow
    assert await peer.receive(1000) == sip("BYE")
    assert await recorder.wait("flow_closed") == [(flow, "retired")]


async def test_a_close_does_not_wait_long_for_a_peer_that_never_reads(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    streams = replace(PATIENT, close=QUICK.close, write_queue=1 << 24)
    network = await open_network(streams=streams)
    mute = await dial(network, receive_buffer=4096)
    await mute.send(sip())
    [(flow, _)] = await recorder.wait("message")
    for _ in range(100):
        network.send(flow, sip(body=b"x" * 60_000))
    network.close_flow(flow, "retired")
    assert await recorder.wait("flow_closed") == [(flow, "retired")]
    assert network.streams.connections  # its bytes are still queued
    async with asyncio.timeout(10):
        while network.streams.connections:
            await asyncio.sleep(0.02)
    assert len(recorder.of("flow_closed")) == 1


async def test_the_kernel_is_told_to_notice_dead_peers(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    peer = await dial(await open_network())
    await peer.send(sip())
    [(flow, _)] = await recorder.wait("message")
    ours = flow.connection._transport.get_extra_info("socket")
    assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
    assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


# -- admission -----------------------------------------------------------------------


async def test_one_source_gets_so_many_connections_and_its_place_back(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    network = await open_network(admission=AdmissionSettings(per_source=2))
    first, second = await dial(network), await dial(network)
    await first.send(sip())
    await second.send(sip())
    await recorder.wait("message", 2)
    assert await (await dial(network)).is_closed()
    assert network.admission.refused == 1
    first.socket.close()
    await recorder.wait("flow_closed")
    third = await dial(network)
    await third.send(sip())
    await recorder.wait("message", 3)


async def test_trusted_networks_are_not_counted(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    trusted = AdmissionSettings(total=0, trusted=[ip_network("127.0.0.0/8")])
    peer = await dial(await open_network(admission=trusted))
    await peer.send(sip())
    await recorder.wait("message")


async def test_after_stop_accepting_old_connections_go_on(
    open_network: OpenNetwork, recorder: Recorder, dial
):
    network = await open_network()
    echo_to(network, recorder)
    peer = await dial(network)
    await peer.send(sip())
    assert await peer.receive(len(sip())) == sip()
    network.stop_accepting()
    with pytest.raises(ConnectionRefusedError):
        await dial(network)
    await peer.send(sip("BYE"))
    assert await peer.receive(len(sip("BYE"))) == sip("BYE")


class Exhausted:
    """A listening socket in a process that has no descriptor left."""

    def __init__(self, real: socket.socket) -> None:
        self.real = real
        self.tries = 0

    def fileno(self) -> int:
        return self.real.fileno()

    def accept(self) -> tuple:
        self.tries += 1
        raise OSError(errno.EMFILE, "too many open files")


async def test_without_descriptors_accepting_pauses_and_goes_on_later(
    open_network: OpenNetwork, recorder: Recorder, dial, monkeypatch
):
    monkeypatch.setattr("proxy.net.acceptor._PAUSE", 0.05)
    network = await open_network()
    acceptor = network.acceptors[0]
    real, acceptor._socket = acceptor._socket, Exhausted(acceptor._socket)
    peer = await dial(network)
    await asyncio.sleep(0.12)
    assert 1 <= acceptor._socket.tries <= 4  # neither spinning nor dead
    acceptor._socket = real
    await peer.send(sip())
    await recorder.wait("message")


# -- connections that we open --------------------------------------------------------


@pytest.fixture
def front_end_socket():
    with socket.create_server(("127.0.0.2", 0)) as listening:
        listening.settimeout(10)
        yield listening


def front_end_at(listening: socket.socket, **fields: str) -> FrontEnd:
    host, port = listening.getsockname()
    return FrontEnd("tcp", host, port, **fields)


async def test_concurrent_connects_share_one_connection(
    open_network: OpenNetwork, recorder: Recorder, front_end_socket
):
    streams = replace(PATIENT, first_byte=QUICK.first_byte)
    network = await open_network(streams=streams)
    listener = network.flows.listeners[0]
    asked = [front_end_at(front_end_socket, name=name) for name in ("fe1", "alias")]
    for front_end in asked:
        network.connect(front_end, listener, 1.0)
    assert recorder.calls == []  # never from inside connect
    opened = await recorder.wait("flow_opened", 2)
    assert [front_end for front_end, _ in opened] == asked
    flow = opened[0][1]
    assert opened[1][1] is flow
    assert network.flows.stream(*asked[0].key) is flow
    accepted, source = front_end_socket.accept()
    with accepted:
        assert source[0] == listener.host  # our address, some other port
        network.send(flow, sip())
        accepted.settimeout(10)
        await asyncio.sleep(0.01)
        assert accepted.recv(1000) == sip()
        accepted.sendall(sip("BYE"))
        assert await recorder.wait("message") == [(flow, sip("BYE"))]
        # We speak first there: its silence is no reason to close.
        await asyncio.sleep(2 * QUICK.first_byte)
        assert flow.is_open
    assert await recorder.wait("flow_closed") == [(flow, "closed")]


async def test_a_refused_connect_is_told_at_once(
    open_network: OpenNetwork, recorder: Recorder, front_end_socket
):
    network = await open_network()
    front_end = front_end_at(front_end_socket)
    front_end_socket.close()
    network.connect(front_end, network.flows.listeners[0], 2.0)
    [(told, reason, detail)] = await recorder.wait("connect_failed")
    assert (told, reason) == (front_end, "refused")
    assert detail == f"tcp 127.0.0.2:{front_end.port} refused the connection"


async def test_a_black_hole_is_given_up_after_the_timeout_and_can_be_retried(
    open_network: OpenNetwork, recorder: Recorder
):
    network = await open_network()
    listener = network.flows.listeners[0]
    with socket.socket() as full, socket.socket() as filler:
        full.bind(("127.0.0.2", 0))
        full.listen(0)
        filler.connect(full.getsockname())  # backlog 0 holds one; SYNs are dropped
        front_end = front_end_at(full)
        network.connect(front_end, listener, 0.2)
        [(told, reason, _)] = await recorder.wait("connect_failed")
        assert (told, reason) == (front_end, "connect-timeout")
        network.connect(front_end, listener, 0.1)
        await recorder.wait("connect_failed", 2)


async def test_an_unreachable_address_is_told(
    open_network: OpenNetwork, recorder: Recorder
):
    network = await open_network()
    # From a loopback address the kernel refuses to go anywhere else.
    front_end = FrontEnd("tcp", "192.0.2.1", 5060)
    network.connect(front_end, network.flows.listeners[0], 1.0)
    [(_, reason, _)] = await recorder.wait("connect_failed")
    assert reason == "unreachable"


async def test_too_many_outgoing_connections_are_refused_by_limit(
    open_network: OpenNetwork, recorder: Recorder, front_end_socket
):
    network = await open_network(admission=AdmissionSettings(outgoing=0))
    front_end = front_end_at(front_end_socket)
    network.connect(front_end, network.flows.listeners[0], 1.0)
    assert [call[1] for call in await recorder.wait("connect_failed")] == ["limit"]


async def test_whatever_python_thinks_of_an_address_is_told_like_any_failure(
    open_network: OpenNetwork, recorder: Recorder
):
    """Who waits for it would keep everybody else from trying that address."""
    network = await open_network()
    front_end = FrontEnd("tcp", "127.0.0.2", 70_000)  # an OverflowError
    network.connect(front_end, network.flows.listeners[0], 1.0)
    [(told, reason, _)] = await recorder.wait("connect_failed")
    assert (told, reason) == (front_end, "unreachable")
