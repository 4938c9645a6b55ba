"""What one worker hands on, another one takes as if it had heard it itself."""

import asyncio
import socket

import pytest

from proxy.core.siblings.directory import DIRECTORY_BYTES, Siblings
from proxy.net.datagrams.links import Links
from proxy.net.outbox import Outbox
from proxy.server.workers.links import SiblingLinks
from proxy.sip.flow import FlowTable, Listener

NEAR = ("fe80::9", 5062, 0, 3)


class Taken:
    """The receiver of what comes over the links."""

    def __init__(self):
        self.messages = []
        self.came = asyncio.Event()

    def datagram(self, flow, data):
        self.messages.append((flow, data))
        self.came.set()

    def datagram_refused(self, flow, data, reason):
        self.messages.append((flow, data, reason))
        self.came.set()


class Worker:
    def __init__(self, index, names, shared):
        self.listener = Listener("udp", "::", 5060)
        self.listener.add_outlet(5061, 1)
        self.flows = FlowTable([self.listener])
        self.taken = Taken()
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(names[index])
        listening.listen()
        self.listening = listening
        self.links = SiblingLinks(
            Siblings(index, 2, 7, 0, shared),
            names,
            listening,
            self.flows,
            Outbox(asyncio.get_running_loop()),
            self.taken,
        )
        self.links.open()

    def close(self):
        self.links.close()
        self.listening.close()


class Kernel:
    family = socket.AF_INET6

    def __init__(self):
        self.sent = []

    def sendto(self, data, address):
        self.sent.append(address)
        return len(data)


@pytest.fixture
async def workers(tmp_path):
    names = [str(tmp_path / f"{n}.sock") for n in range(2)]
    shared = memoryview(bytearray(DIRECTORY_BYTES))
    made = [Worker(n, names, shared) for n in range(2)]
    yield made
    for each in made:
        each.close()


@pytest.mark.parametrize("reason", ["", "refused"])
async def test_the_link_of_a_link_local_peer_goes_with_its_message(workers, reason):
    """RFC 4007: without its link such an address is nobody's."""
    one, other = workers
    flow = Links(one.listener, one.flows).met(NEAR)
    one.links.hand_over(1, flow, b"BYE", reason)
    async with asyncio.timeout(10):
        await other.taken.came.wait()
    taken = other.taken.messages[0][0]
    assert (taken.host, taken.port) == NEAR[:2]
    # Its answer and requests of our own, which leave by the worker's own port.
    for listener in (other.listener, other.listener.outlet):
        kernel = Kernel()
        Links(listener, other.flows).sender(kernel)(b"x", (taken.host, taken.port))
        assert kernel.sent == [NEAR]


@pytest.mark.parametrize("host", ["2001:db8::9", "10.1.0.9"])
async def test_any_other_peer_has_none(workers, host):
    one, other = workers
    one.links.hand_over(1, one.flows.udp(one.listener, host, 5062), b"BYE", "")
    async with asyncio.timeout(10):
        await other.taken.came.wait()
    assert other.taken.messages[0][0].host == host
    assert other.flows.links == {}
