"""Fixtures of the wire tests: a network on the loopback."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from proxy.net.network import Network
from proxy.net.settings import StreamSettings
from proxy.sip.flow import FlowTable, Listener
from tests.support.recorder import Recorder

# A busy machine may stop a test and its peers for half a second: nobody who behaves
# is cut off for that.
PATIENT = StreamSettings(
    first_byte=20.0,
    whole_message=20.0,
    idle_new=20.0,
    idle_established=60.0,
    close=20.0,
    tls_handshake=20.0,
    sweep=0.02,
)

# For tests of the deadlines themselves.
QUICK = StreamSettings(
    first_byte=0.3,
    whole_message=0.3,
    idle_new=0.6,
    idle_established=5.0,
    close=0.3,
    tls_handshake=0.5,
    sweep=0.02,
)

OpenNetwork = Callable[..., Awaitable[Network]]


@pytest.fixture
async def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def open_network(recorder: Recorder) -> AsyncIterator[OpenNetwork]:
    """``await open_network("tcp", "127.0.0.1", ...)``; closed at the end."""
    made: list[Network] = []

    async def open_it(
        transport: str = "tcp", host: str = "127.0.0.1", **arguments: object
    ) -> Network:
        arguments.setdefault("streams", PATIENT)
        flows = FlowTable([Listener(transport, host, 0)])
        network = Network(flows, recorder, **arguments)
        await network.open()
        made.append(network)
        return network

    yield open_it
    for network in made:
        await network.close()


@pytest.fixture(params=["127.0.0.1", "::1"])
def host(request: pytest.FixtureRequest) -> str:
    """The loopback of both families."""
    return request.param


@pytest.fixture
async def network(host: str, recorder: Recorder) -> AsyncIterator[Network]:
    """One UDP listener there; files about streams have a network of their own."""
    made = Network(FlowTable([Listener("udp", host, 0)]), recorder)
    await made.open()
    yield made
    await made.close()
