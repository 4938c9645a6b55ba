"""Connections that serve both directions (RFC 5923), and who gets a pong (RFC 5626)."""

import asyncio
import ssl

import pytest

from proxy.net.tls import TlsFiles
from tests.support.certificates import Authority
from tests.support.loops import event_loop_policy  # noqa: F401 - a fixture
from tests.support.proxy import ANSWER_IN, running_proxy
from tests.support.transports import (
    FRONT_END,
    POOL,
    Between,
    Peer,
    answer,
    between,
    values,
)
from tests.wire.test_transports import ALIAS, compose

INVITE = ("INVITE", ALIAS[1:-1])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("reuse"))


async def front_end_connects(
    scene: Between, shown: TlsFiles, *, says: str = ";alias"
) -> Peer:
    """The front end connects to us, and names in Via where it listens."""
    context = ssl.create_default_context(cafile=shown.ca)
    context.load_cert_chain(shown.certificate, shown.key)
    listener = scene.runtime.core.flows.listeners[2]
    peer = Peer("tls", scene.callee.host)
    await peer.connect((listener.host, listener.port), context)
    ping = compose(
        peer, "OPTIONS", f"sip:{listener.host}:{listener.port}", tags=("o", "")
    )
    sent_by = f"{FRONT_END}:{scene.callee.port}{says}"
    peer.send(ping.replace(f"{peer.host}:{peer.port}".encode(), sent_by.encode(), 1))
    await peer.receive(b"SIP/2.0 200 ")
    return peer


async def test_a_pool_that_connected_to_us_gets_requests_on_its_own_connection(
    authority: Authority,
) -> None:
    shown = authority.issue(FRONT_END, POOL)
    async with between(authority, "udp", "tls", pool_certificate=shown) as scene:
        front_end = await front_end_connects(scene, shown)
        scene.caller.send(compose(scene.caller, *INVITE, tags=("a", "")))
        front_end.send(answer(await front_end.receive(b"INVITE "), tag="b"))
        assert await scene.caller.receive(b"SIP/2.0 200 ")
        assert scene.callee.inbox.empty()
        assert scene.runtime.network.connector.opened == 0
        front_end.close()
        async with asyncio.timeout(ANSWER_IN):
            while scene.runtime.core.flows.streams():
                await asyncio.sleep(0.01)
        scene.caller.send(compose(scene.caller, *INVITE, tags=("c", "")))
        assert await scene.callee.receive(b"INVITE "), "its alias ended with it"


@pytest.mark.parametrize("fault", ["says nothing", "another name", "another pool"])
async def test_who_does_not_ask_or_is_not_who_it_says_is_connected_to(
    authority: Authority, fault: str
) -> None:
    shown = authority.issue(FRONT_END, POOL)
    names = {"another name": (POOL,), "another pool": (FRONT_END,)}.get(fault)
    of_the_peer = authority.issue(*names) if names else shown
    says = "" if fault == "says nothing" else ";alias"
    async with between(authority, "udp", "tls", pool_certificate=shown) as scene:
        peer = await front_end_connects(scene, of_the_peer, says=says)
        scene.caller.send(compose(scene.caller, *INVITE, tags=("a", "")))
        assert await scene.callee.receive(b"INVITE ")
        assert peer.inbox.empty()
        peer.close()


@pytest.mark.parametrize("over", ["tls", "tcp"])
async def test_we_offer_our_own_connections_where_we_have_shown_who_we_are(
    authority: Authority, over: str
) -> None:
    async with between(authority, "udp", over) as scene:
        scene.caller.send(compose(scene.caller, *INVITE, tags=("a", "")))
        top = values(await scene.callee.receive(b"INVITE "), b"Via")[0]
    assert (b";alias;branch=z9hG4bK" in top) == (over == "tls")


@pytest.mark.parametrize("asks", [True, False])
async def test_only_who_asked_gets_a_pong(asks: bool) -> None:
    async with running_proxy("udp") as proxy, asyncio.timeout(ANSWER_IN):
        reader, writer = await asyncio.open_connection(*proxy.address)
        keep = ";keep" if asks else ""
        ping = (
            f"OPTIONS sip:{proxy.address[0]}:{proxy.address[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKk{keep}\r\n"
            "From: <sip:a@b.test>;tag=1\r\nTo: <sip:b.test>\r\nCall-ID: k\r\n"
            "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        writer.write(ping)
        first = await reader.readuntil(b"\r\n\r\n")
        assert (b";keep=120" in values(first, b"Via")[0]) == asks
        writer.write(b"\r\n\r\n")
        writer.write(ping.replace(b"bKk", b"bKl"))
        then = await reader.readexactly(4)
        assert then == (b"\r\nSI" if asks else b"SIP/")
        writer.close()
