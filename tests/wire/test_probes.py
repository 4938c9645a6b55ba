"""The service finds out by itself that a front end is back, and calls use it again."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from proxy.core.settings import CoreSettings
from proxy.endpoints.table import EndpointTable
from proxy.journey.journey import Journey
from proxy.journey.legacy_client import LegacyClient
from proxy.lab.front_end import Behaviour, FrontEndServer
from proxy.net.tls import TlsFiles, client_end, server_context
from proxy.pools.front_end import FrontEnd
from proxy.pools.prober import probe
from proxy.pools.resolver import Resolver
from proxy.server.probes import FrontEndProber
from proxy.server.runtime import Runtime
from proxy.sip.flow import FlowTable, Listener
from proxy.telemetry.access import AccessLog
from tests.support.certificates import Authority
from tests.support.scene import FRONT_END_HOSTS, Scene, waypost_scene

ALIAS = "sip:ocschat@contoso.test"
POOL = "pcpool.contoso.test"
EXTRA = """
[attempts]
connect = 0.5
first_answer = 0.5
total = 6.0
[health]
probe = {probe}
[server]
workers = {workers}
"""
PATIENCE = 30.0


async def call(scene: Scene, transport: str) -> None:
    """One journey of a legacy client, which must succeed whoever serves it."""
    journey = Journey(LegacyClient(scene.proxy, transport=transport), ALIAS)
    steps = await journey.play()
    assert journey.ok, "\n".join(map(str, steps))


async def logged(scene: Scene, *words: str) -> None:
    """Wait until one line of the log has all these words."""
    async with asyncio.timeout(PATIENCE):
        while not any(
            all(word in line for word in words)
            for line in scene.log.read_text().splitlines()
        ):
            await asyncio.sleep(0.05)


async def stop(front_end: FrontEndServer) -> None:
    await front_end.stop()


async def start(front_end: FrontEndServer) -> None:
    await front_end.start()


def behave(behaviour: Behaviour) -> Callable[[FrontEndServer], Awaitable[None]]:
    async def change(front_end: FrontEndServer) -> None:
        front_end.behaviour = behaviour

    return change


SERVE = behave(Behaviour())


@pytest.mark.parametrize(
    ("transport", "fall", "rise", "workers"),
    [
        ("tcp", stop, start, 1),
        ("udp", stop, start, 1),
        ("tcp", behave(Behaviour("silent")), SERVE, 1),
        ("udp", behave(Behaviour("answer", 503)), SERVE, 1),
        ("tcp", stop, start, 2),
    ],
    ids=["tcp-refused", "udp-refused", "tcp-silent", "udp-503", "workers"],
)
async def test_a_front_end_that_is_back_is_used_before_its_ejection_has_run_out(
    tmp_path: Path, transport: str, fall, rise, workers: int
) -> None:
    first, second = (
        FrontEndServer(f"fe{n}", host) for n, host in enumerate(FRONT_END_HOSTS, 1)
    )
    async with AsyncExitStack() as stack:
        for front_end in (first, second):
            await front_end.start()
            stack.push_async_callback(front_end.stop)
        addresses = [(x.host, x.port) for x in (first, second)]
        extra = EXTRA.format(probe=0.4, workers=workers)
        opened = waypost_scene(tmp_path, addresses, extra=extra)
        scene = await stack.enter_async_context(opened)
        await call(scene, transport)
        assert not first.requests("OPTIONS"), "nobody had blamed it"
        await fall(first)
        async with asyncio.timeout(PATIENCE):
            while '"state": "ejected"' not in scene.log.read_text():
                await call(scene, transport)
        await logged(scene, "frontend.probed", '"state": "ejected"')
        await rise(first)
        await logged(scene, "frontend.probed", "answers OPTIONS again")
        seen = len(first.requests("INVITE"))
        for _ in range(3 * workers):
            await call(scene, transport)
        assert len(first.requests("INVITE")) == seen + 2 * 3 * workers
        assert not second.requests("OPTIONS")


async def test_without_probes_nobody_is_asked(tmp_path: Path) -> None:
    first, second = (FrontEndServer(f"fe{n}", h) for n, h in enumerate(FRONT_END_HOSTS))
    async with AsyncExitStack() as stack:
        for front_end in (first, second):
            await front_end.start()
            stack.push_async_callback(front_end.stop)
        first.behaviour = Behaviour("answer", 503)
        addresses = [(x.host, x.port) for x in (first, second)]
        extra = EXTRA.format(probe=0, workers=1)
        opened = waypost_scene(tmp_path, addresses, extra=extra)
        scene = await stack.enter_async_context(opened)
        await call(scene, "tcp")
        await asyncio.sleep(1.2)
        assert first.requests("INVITE") and not first.requests("OPTIONS")


# -- TLS: our end is the one that calls use --------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def secure(authority: Authority) -> Iterator[Callable[[str], FrontEndServer]]:
    """Makes front ends with a certificate for a name."""

    def make(name: str) -> FrontEndServer:
        context = server_context(authority.issue(name))
        return FrontEndServer("fe1", FRONT_END_HOSTS[0], tls=context)

    yield make


def prober(authority: Authority) -> FrontEndProber:
    """Of a proxy that is not open: only its end of TLS and its addresses matter."""
    flows = FlowTable([Listener("tls", "127.0.0.7", 5061, index=0)])
    runtime = Runtime(
        CoreSettings(domains=frozenset({"contoso.test"}), keys=(b"key",)),
        flows,
        Resolver(["127.0.0.1:1"], {"tls"}, {4}),
        EndpointTable(),
        AccessLog(None, False),  # type: ignore[arg-type]
        client_tls=client_end(TlsFiles(ca=authority.ca)),
    )
    return FrontEndProber(runtime, 10.0)


@pytest.mark.parametrize(
    ("pools", "expected"),
    [
        ((POOL,), (True, False, "200")),
        (("other.contoso.test",), (False, True, "tls")),
        (("other.contoso.test", POOL), (True, False, "200")),
    ],
    ids=["its name", "another name", "one of two names"],
)
async def test_a_probe_verifies_what_a_call_verifies(
    authority: Authority, secure, pools, expected
) -> None:
    server = secure(POOL)
    await server.start()
    try:
        found = [
            FrontEnd("tls", server.host, server.tls_port, "fe1", pool) for pool in pools
        ]
        outcome = await prober(authority)._outcome(found[0].address_key, found, 5.0)
    finally:
        await server.stop()
    assert outcome == expected
    assert {seen.peer[0] for seen in server.seen} <= {"127.0.0.7"}
    assert bool(server.seen) == expected[0]


async def test_a_context_that_calls_use_is_not_relaxed_to_read_a_name(
    authority: Authority, secure
) -> None:
    context = client_end(TlsFiles(ca=authority.ca)).context

    class Watched(ssl.SSLContext):
        def __setattr__(self, name: str, value: object) -> None:
            raise AssertionError(f"{name} is changed under running calls")

    context.__class__ = Watched
    server = secure("other.contoso.test")
    await server.start()
    try:
        front_end = FrontEnd("tls", server.host, server.tls_port, "fe1", POOL)
        result = await probe(front_end, context, None, 5.0, reads_names=False)
    finally:
        await server.stop()
    assert result.tls is not None and result.tls.problem == "name"
    assert result.certificate is None


async def test_no_socket_to_be_had_is_not_the_front_ends_fault(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = prober(authority)
    front_end = FrontEnd("tls", FRONT_END_HOSTS[0], 9, "fe1", POOL)
    book = mine._runtime.core.health
    for at in (1.0, 2.0, 3.0):
        book.record_failure(front_end.address_key, "refused", at)
    until = book.ejected_until(front_end.address_key)
    assert mine._probing.due({front_end.address_key}, 3.0) == [front_end.address_key]

    def none_left(*_: object) -> socket.socket:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("proxy.pools.prober._socket", none_left)
    await mine._probe(front_end.address_key, [front_end])
    assert book.ejected_until(front_end.address_key) == until
    assert mine._runtime.probes == {"ok": 0, "failed": 0}
