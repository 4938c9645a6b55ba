"""TLS on the loopback, with certificates of the tests' own authority."""

import asyncio
import gc
import socket
from asyncio.sslproto import SSLProtocol
from datetime import timedelta

import pytest

from proxy import clock
from proxy.net.errors import NetError
from proxy.net.network import ListenOptions
from proxy.net.tls import TlsFiles, client_end, server_context, server_end
from proxy.net.tls_transport import TlsTransport
from proxy.pools.front_end import FrontEnd
from tests.support.certificates import Authority
from tests.support.loops import event_loop_policy  # noqa: F401 - a fixture
from tests.support.recorder import Recorder
from tests.wire.conftest import QUICK, OpenNetwork
from tests.wire.test_stream import sip

POOL = "pcpool.contoso.test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def open_tls(open_network: OpenNetwork, authority: Authority):
    async def open_it(files: TlsFiles, **more: object):
        return await open_network(
            "tls",
            **more,
            options={0: ListenOptions(tls=server_end(files))},
            client_tls=client_end(TlsFiles(ca=authority.ca)),
        )

    return open_it


def itself(network, pool: str = POOL) -> tuple:
    """The network's own listener as a front end: both ends in one process."""
    listener = network.flows.listeners[0]
    front_end = FrontEnd("tls", listener.host, listener.port, "fe1", pool)
    return front_end, listener, 1.0


async def test_messages_pass_both_ways_and_the_pool_name_is_verified(
    open_tls, authority: Authority, recorder: Recorder
):
    network = await open_tls(authority.issue(POOL))
    network.connect(*itself(network))
    [(_, flow)] = await recorder.wait("flow_opened")
    assert flow.peer_names == (POOL,)
    for number in range(3):
        network.send(flow, sip(body=b"%d" % number))
    got = await recorder.wait("message", 3)
    assert [data[-1:] for _, data in got] == [b"0", b"1", b"2"]
    network.send(got[0][0], sip("BYE", b"x" * 60_000))
    assert (await recorder.wait("message", 4))[3] == (flow, sip("BYE", b"x" * 60_000))


async def test_the_end_of_the_certificate_that_a_front_end_shows_is_known(
    open_tls, authority: Authority, recorder: Recorder
):
    network = await open_tls(authority.issue(POOL, valid_for=timedelta(days=9)))
    front_end, *rest = itself(network, POOL.upper())
    assert network.connector.certificate_end(front_end.key, POOL) is None
    network.connect(front_end, *rest)
    await recorder.wait("flow_opened")
    end = network.connector.certificate_end(front_end.key, POOL)
    assert 8.9 < (end - clock.wall()) / 86_400 < 9.1
    assert network.connector.certificate_end(front_end.key, "other.test") is None


@pytest.mark.parametrize(
    ("name", "days", "detail"),
    [("other.test", 1, "not valid for 'pcpool"), (POOL, -1, "expired")],
)
async def test_a_certificate_that_does_not_fit_fails_the_connect(
    open_tls, authority: Authority, recorder: Recorder, name, days, detail
):
    network = await open_tls(authority.issue(name, valid_for=timedelta(days=days)))
    network.connect(*itself(network))
    [(_, reason, told)] = await recorder.wait("connect_failed")
    assert reason == "tls"
    assert detail in told


async def test_a_stalled_handshake_gives_its_place_back(
    open_tls, authority: Authority, recorder: Recorder
):
    network = await open_tls(authority.issue(POOL), streams=QUICK)
    listener = network.flows.listeners[0]
    with socket.create_connection((listener.host, listener.port)):
        async with asyncio.timeout(10):
            while not network.acceptors[0].handshakes_failed:
                await asyncio.sleep(0.02)
    assert network.admission.total == 0
    assert recorder.calls == []


async def test_tls_towards_a_plain_listener_fails_as_tls(
    open_network: OpenNetwork, authority: Authority, recorder: Recorder
):
    end = client_end(TlsFiles(ca=authority.ca))
    network = await open_network("tcp", client_tls=end)
    network.connect(*itself(network))
    [(_, reason, _)] = await recorder.wait("connect_failed")
    assert reason == "tls"


async def test_an_ended_connection_frees_its_buffers_at_once(
    open_tls, authority: Authority, recorder: Recorder
):
    """The service collects garbage rarely, and asyncio's TLS holds 256 KiB of them."""
    network = await open_tls(authority.issue(POOL))
    network.connect(*itself(network))
    [(_, flow)] = await recorder.wait("flow_opened")
    gc.disable()
    try:
        async with asyncio.timeout(10):
            while len(network.streams.connections) < 2:  # the other end stands as well
                await asyncio.sleep(0.02)
        before = _count_of_tls()
        network.close_flow(flow, "done")
        await recorder.wait("flow_closed", 2)
        async with asyncio.timeout(10):
            while _count_of_tls() > before - 2:
                await asyncio.sleep(0.02)
    finally:
        gc.enable()


def _count_of_tls() -> int:
    return sum(
        isinstance(each, SSLProtocol | TlsTransport) for each in gc.get_objects()
    )


def test_files_that_do_not_exist_are_named():
    with pytest.raises(NetError, match=r"nowhere\.pem"):
        server_context(TlsFiles("nowhere.pem", "nowhere.key"))
