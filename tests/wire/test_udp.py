"""UDP on the loopback: draining, sending, keep-alives, and what ICMP tells."""

import asyncio
import errno
import socket
import struct
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from proxy.net.datagrams.depth import DATAGRAMS_A_TURN
from proxy.net.datagrams.udp import QUEUE
from proxy.net.errors import NetError, bind_error
from proxy.net.event_loop import DirectEventLoop
from proxy.net.network import ListenOptions, Network
from proxy.sip.flow import Flow, FlowTable, Listener
from proxy.transaction.budget import Budget
from tests.support.loops import event_loop_policy  # noqa: F401 - a fixture
from tests.support.recorder import Recorder
from tests.support.until import comes_true


@pytest.fixture
def peer(host: str) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as made:
        made.bind((host, 0))
        made.settimeout(10)
        yield made


def address_of(network: Network) -> tuple[str, int]:
    listener = network.flows.listeners[0]
    return listener.host, listener.port


def flow_to(network: Network, port: int) -> Flow:
    listener = network.flows.listeners[0]
    return network.flows.udp(listener, listener.host, port)


def closed_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as made:
        made.bind((host, 0))
        return made.getsockname()[1]


async def test_datagrams_arrive_in_order_on_the_flow_of_their_sender(
    network: Network, recorder: Recorder, peer: socket.socket
):
    sent = [b"M%d" % number for number in range(3 * DATAGRAMS_A_TURN)]
    for data in sent:
        peer.sendto(data, address_of(network))
    got = await recorder.wait("datagram", len(sent))
    assert [data for _, data in got] == sent
    assert {flow for flow, _ in got} == {flow_to(network, peer.getsockname()[1])}


@pytest.mark.parametrize("host", ["127.0.0.1"])
async def test_a_good_datagram_overtakes_those_of_a_noisy_source(
    network: Network, recorder: Recorder
):
    network.flows.account_of = Budget().account
    bad, good = b"garbled %d", b"INVITE sip:a SIP/2.0\r\n"
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noisy,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller,
    ):
        noisy.bind(("127.0.0.2", 0))
        caller.bind(("127.0.0.3", 0))
        flow = network.flows.udp(network.flows.listeners[0], *noisy.getsockname())
        assert flow.account is not None
        flow.account.noisy_until = float("inf")
        for number in range(DATAGRAMS_A_TURN - 1):
            noisy.sendto(bad % number, address_of(network))
        caller.sendto(good, address_of(network))
        got = await recorder.wait("datagram", DATAGRAMS_A_TURN)
    numbers = [bad % number for number in range(DATAGRAMS_A_TURN - 1)]
    assert [data for _, data in got] == [good, *numbers]


async def test_the_largest_datagram_is_read_whole(
    network: Network, recorder: Recorder, peer: socket.socket
):
    peer.sendto(b"x" * 65_000, address_of(network))
    [(_, data)] = await recorder.wait("datagram")
    assert len(data) == 65_000


async def test_an_answer_comes_from_the_listener(
    network: Network, recorder: Recorder, peer: socket.socket
):
    recorder.on_message = lambda flow, data: network.send(flow, data + b"!")
    peer.sendto(b"ping", address_of(network))
    await recorder.wait("datagram")
    data, source = peer.recvfrom(100)
    assert data == b"ping!"
    assert source[:2] == address_of(network)


async def test_keep_alives_are_counted_and_not_told(
    network: Network, recorder: Recorder, peer: socket.socket
):
    for data in (b"\r\n\r\n", b"", b"\0", b"\r\n", b"\r\nBYE"):
        peer.sendto(data, address_of(network))
    [(_, data)] = await recorder.wait("datagram")
    assert data == b"BYE"
    assert network.udp[0].keepalives == 4


async def test_a_refused_datagram_comes_back_with_its_bytes(
    network: Network, recorder: Recorder, host: str
):
    flow = flow_to(network, closed_port(host))
    network.send(flow, b"INVITE sip:a SIP/2.0\r\n")
    [told] = await recorder.wait("datagram_refused")
    assert told == (flow, b"INVITE sip:a SIP/2.0\r\n", "refused")


async def test_a_refusal_does_not_swallow_a_datagram_to_somebody_else(
    network: Network, recorder: Recorder, host: str, peer: socket.socket
):
    dead = flow_to(network, closed_port(host))
    alive = flow_to(network, peer.getsockname()[1])
    for number in range(20):
        network.send(dead, b"to the dead %d" % number)
        network.send(alive, b"to the living %d" % number)
    told = await recorder.wait("datagram_refused", 20)
    assert {flow for flow, _, _ in told} == {dead}
    assert len({data for _, data, _ in told}) == 20
    assert [peer.recv(99) for _ in range(20)] == [
        b"to the living %d" % number for number in range(20)
    ]


async def test_refusals_and_datagrams_that_wait_together_are_both_told(
    network: Network, recorder: Recorder, host: str, peer: socket.socket
):
    network.send(flow_to(network, closed_port(host)), b"lost")
    peer.sendto(b"BYE", address_of(network))
    await recorder.wait("datagram")
    await recorder.wait("datagram_refused")


class Counted:
    """A socket that counts how often somebody tries to read it."""

    def __init__(self, real: socket.socket) -> None:
        self.real = real
        self.reads = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)

    def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int]]:
        self.reads += 1
        return self.real.recvfrom(size)


async def test_an_idle_listener_sleeps_after_a_refusal(
    network: Network, recorder: Recorder, host: str
):
    network.send(flow_to(network, closed_port(host)), b"lost")
    await recorder.wait("datagram_refused")
    udp = network.udp[0]
    udp._socket = counted = Counted(udp._socket)
    await asyncio.sleep(0.05)
    assert counted.reads <= 1


async def test_a_datagram_that_is_too_large_is_told_and_not_raised(
    network: Network, recorder: Recorder, peer: socket.socket
):
    flow = flow_to(network, peer.getsockname()[1])
    network.send(flow, b"x" * 65_530)
    assert recorder.calls == []  # never from inside send
    [(told, _, reason)] = await recorder.wait("datagram_refused")
    assert (told, reason) == (flow, "too-large")


class Stuffed:
    """A socket whose kernel takes nothing until it is told to."""

    def __init__(self, real: socket.socket) -> None:
        self.real = real
        self.room = 0

    def sendto(self, data: bytes, address: tuple[str, int]) -> int:
        if not self.room:
            raise BlockingIOError(errno.EAGAIN, "full")
        self.room -= 1
        return self.real.sendto(data, address)


async def test_a_full_kernel_queue_delays_and_bounds_but_keeps_order(
    network: Network, recorder: Recorder, peer: socket.socket
):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    udp, flow = network.udp[0], flow_to(network, peer.getsockname()[1])
    stuffed = Stuffed(udp._socket)
    udp._sendto = stuffed.sendto
    for number in range(QUEUE + 5):
        network.send(flow, b"%d" % number)
    assert udp.datagrams_dropped == 5
    stuffed.room = 50
    await comes_true(lambda: stuffed.room == 0)
    assert len(udp._queue) == QUEUE - 50
    stuffed.room = QUEUE
    await comes_true(lambda: not udp._queue)
    # Loopback may run out of the peer's buffer; the first hundred tell the order.
    assert [peer.recv(99) for _ in range(100)] == [b"%d" % n for n in range(100)]
    network.send(flow, b"direct")
    assert not udp._queue
    assert not udp._is_writer


async def test_a_full_kernel_queue_changes_nothing_about_how_a_listener_is_served(
    network: Network, recorder: Recorder, peer: socket.socket
):
    """It stayed with the loop's slower way once and for all."""
    loop = asyncio.get_running_loop()
    is_direct = isinstance(loop, DirectEventLoop)
    udp, flow = network.udp[0], flow_to(network, peer.getsockname()[1])
    stuffed = Stuffed(udp._socket)
    udp._sendto = stuffed.sendto
    network.send(flow, b"waits")
    assert not is_direct or udp._socket.fileno() in loop.wait._direct
    stuffed.room = 1
    assert await loop.sock_recv(nonblocking(peer), 99) == b"waits"
    assert not is_direct or udp._socket.fileno() in loop.wait._direct
    peer.sendto(b"INFO", address_of(network))
    await recorder.wait("datagram")


class Broken(Counted):
    """A socket that is readable for ever and cannot be read."""

    def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int]]:
        self.reads += 1
        raise OSError(errno.ENETDOWN, "down")


async def test_a_socket_that_cannot_be_read_does_not_keep_the_loop_busy(
    network: Network, recorder: Recorder, peer: socket.socket
):
    udp = network.udp[0]
    real = udp._socket
    udp._socket = broken = Broken(real)
    peer.sendto(b"INFO", address_of(network))
    await asyncio.sleep(0.3)
    assert 0 < broken.reads < 100
    udp._socket = real
    await recorder.wait("datagram")
    network.send(flow_to(network, peer.getsockname()[1]), b"answer")
    assert await asyncio.get_running_loop().sock_recv(nonblocking(peer), 9) == b"answer"


async def test_a_socket_that_stays_broken_is_opened_again(
    network: Network,
    recorder: Recorder,
    peer: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("proxy.net.datagrams.udp._REOPEN_AFTER", 0.04)
    udp = network.udp[0]
    udp._socket = Broken(udp._socket)
    where = address_of(network)
    peer.sendto(b"INFO", where)
    async with asyncio.timeout(15):
        while isinstance(udp._socket, Broken):
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.01)
    peer.sendto(b"MESSAGE", where)
    [*_, (_, data)] = await recorder.wait("datagram")
    assert data == b"MESSAGE"


def nonblocking(opened: socket.socket) -> socket.socket:
    opened.setblocking(False)
    return opened


async def test_a_port_in_use_is_explained(network: Network, recorder: Recorder):
    taken = Network(FlowTable([Listener("udp", *address_of(network))]), recorder)
    with pytest.raises(NetError, match=r"udp .*:\d+ is in use by another process"):
        await taken.open()


async def test_a_foreign_address_is_explained(recorder: Recorder):
    foreign = Network(FlowTable([Listener("udp", "192.0.2.1", 0)]), recorder)
    with pytest.raises(NetError, match="not an address of this machine"):
        await foreign.open()


def test_a_port_that_needs_a_capability_is_explained():
    told = bind_error("udp", "::1", 53, PermissionError(errno.EACCES, ""))
    assert str(told).startswith("udp [::1]:53 may not be bound by this user; ")
    assert "CAP_NET_BIND_SERVICE" in str(told)


async def test_a_socket_that_is_already_open_is_taken_over(
    recorder: Recorder, peer: socket.socket, host: str
):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM)
    opened.bind((host, 0))
    port = opened.getsockname()[1]
    flows = FlowTable([Listener("udp", host, 5060)])
    taken = Network(flows, recorder, options={0: ListenOptions(opened=opened)})
    await taken.open()
    assert flows.listeners[0].port == port
    peer.sendto(b"BYE", (host, port))
    await recorder.wait("datagram")
    await taken.close()


async def test_two_listeners_may_share_a_port_when_asked(recorder: Recorder):
    shared = ListenOptions(reuse_port=True)
    first = Network(
        FlowTable([Listener("udp", "127.0.0.1", 0)]), recorder, options={0: shared}
    )
    await first.open()
    second = Network(
        FlowTable([Listener("udp", *address_of(first))]), recorder, options={0: shared}
    )
    await second.open()
    assert address_of(first) == address_of(second)
    await first.close()
    await second.close()


async def test_a_stun_binding_request_is_answered_with_its_source(
    network: Network, recorder: Recorder, peer: socket.socket, host: str
):
    """RFC 5626 section 5.4: keep-alives of whoever was granted outbound."""
    identity = b"twelve bytes"
    peer.sendto(struct.pack("!HHI", 1, 0, 0x2112A442) + identity, address_of(network))
    answer = await asyncio.to_thread(peer.recv, 2000)
    assert answer[:2] == b"\x01\x01"
    assert answer[8:20] == identity
    port = struct.unpack("!H", answer[26:28])[0] ^ 0x2112
    mask = answer[4:20]
    packed = bytes(a ^ b for a, b in zip(answer[28:], mask, strict=False))
    assert (str(ip_address(packed)), port) == peer.getsockname()[:2]
    assert recorder.of("datagram") == []
    assert network.flows.udp_flows == {}  # nothing is remembered of it


async def test_other_stun_is_dropped_and_sip_goes_on(
    network: Network, recorder: Recorder, peer: socket.socket
):
    for kind in (0x0011, 0x0101, 0x0003):
        header = struct.pack("!HHI", kind, 0, 0x2112A442) + b"twelve bytes"
        peer.sendto(header, address_of(network))
    peer.sendto(b"OPTIONS sip:x SIP/2.0\r\n\r\n", address_of(network))
    [(_, data)] = await recorder.wait("datagram")
    assert data.startswith(b"OPTIONS")
    peer.settimeout(0.05)
    with pytest.raises(TimeoutError):
        peer.recv(2000)
