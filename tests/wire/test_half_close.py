"""A client that shuts its sending side gets the answers to what it has sent."""

import asyncio
import socket
import ssl

import pytest

from tests.support.certificates import Authority
from tests.support.loops import DirectPolicy
from tests.support.transports import NAME, answer, between
from tests.wire.test_places import abandoned


@pytest.fixture(scope="module")
def event_loop_policy() -> DirectPolicy:
    """Only this loop can tell of a reset after the end of what a peer sends."""
    return DirectPolicy()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("half"))


@pytest.mark.parametrize("seconds", [0.0, 0.3])
async def test_the_answer_of_a_forwarded_request_is_written_after_a_half_close(
    authority: Authority, seconds: float
) -> None:
    async with between(authority, "udp", "tcp") as scene:
        listener = scene.runtime.network.flows.listeners[1]
        reader, writer = await asyncio.open_connection(listener.host, listener.port)
        host, port = writer.get_extra_info("sockname")[:2]
        writer.write(abandoned(host, port))
        writer.write_eof()
        asked = await scene.callee.receive(b"MESSAGE ")
        await asyncio.sleep(seconds)
        scene.callee.send(answer(asked, tag="b"))
        async with asyncio.timeout(15):
            got = await reader.read()  # to the end: we close, too
        assert got.startswith(b"SIP/2.0 200 OK")
        assert await is_empty(scene.runtime)
        writer.close()


async def test_a_ringing_call_goes_on_after_a_half_close(authority: Authority) -> None:
    async with between(authority, "udp", "tcp") as scene:
        listener = scene.runtime.network.flows.listeners[1]
        reader, writer = await asyncio.open_connection(listener.host, listener.port)
        host, port = writer.get_extra_info("sockname")[:2]
        writer.write(abandoned(host, port).replace(b"MESSAGE", b"INVITE"))
        writer.write_eof()
        asked = await scene.callee.receive(b"INVITE ")
        for status in ("180 Ringing", "200 OK"):
            scene.callee.send(answer(asked, tag="b", status=status))
            async with asyncio.timeout(15):
                while status.encode() not in await reader.readline():
                    pass
        writer.close()


async def test_a_client_that_is_gone_altogether_ends_the_call_that_rings(
    authority: Authority,
) -> None:
    async with between(authority, "udp", "tcp") as scene:
        listener = scene.runtime.network.flows.listeners[1]
        _, writer = await asyncio.open_connection(listener.host, listener.port)
        host, port = writer.get_extra_info("sockname")[:2]
        writer.write(abandoned(host, port).replace(b"MESSAGE", b"INVITE"))
        await writer.drain()
        asked = await scene.callee.receive(b"INVITE ")
        writer.close()
        await asyncio.sleep(0.1)
        scene.callee.send(answer(asked, tag="b", status="180 Ringing"))
        assert await scene.callee.receive(b"CANCEL ")


async def test_an_answer_goes_to_the_port_of_the_via_where_somebody_listens(
    authority: Authority,
) -> None:
    """RFC 3261 section 18.2.2: a server that closes its connections."""
    async with between(authority, "udp", "tcp") as scene:
        listener = scene.runtime.network.flows.listeners[1]
        got: asyncio.Queue[bytes] = asyncio.Queue()

        async def take(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            got.put_nowait(await reader.readline())
            writer.close()

        server = await asyncio.start_server(take, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with socket.create_connection((listener.host, listener.port)) as client:
            client.sendall(abandoned("127.0.0.1", port))
            asked = await scene.callee.receive(b"MESSAGE ")
        await asyncio.sleep(0.05)
        scene.callee.send(answer(asked, tag="b"))
        async with asyncio.timeout(15):
            assert await got.get() == b"SIP/2.0 200 OK\r\n"
        server.close()


async def test_over_tls_as_well(authority: Authority) -> None:
    async with between(authority, "udp", "tcp") as scene:
        listener = scene.runtime.network.flows.listeners[2]
        context = ssl.create_default_context(cafile=authority.ca)
        reader, writer = await asyncio.open_connection(
            listener.host, listener.port, ssl=context, server_hostname=NAME
        )
        host, port = writer.get_extra_info("sockname")[:2]
        writer.write(abandoned(host, port).replace(b"/TCP", b"/TLS"))
        await writer.drain()
        asked = await scene.callee.receive(b"MESSAGE ")
        # asyncio's TLS cannot shut one side alone: what is below it can.
        writer.transport._ssl_protocol._transport.write_eof()
        await asyncio.sleep(0.1)
        scene.callee.send(answer(asked, tag="b"))
        async with asyncio.timeout(15):
            assert (await reader.readline()).startswith(b"SIP/2.0 200 OK")
        writer.transport.abort()


async def is_empty(runtime: object) -> bool:
    """Nothing is left of the connection, after a sweep at the latest."""
    for _ in range(200):
        network = runtime.network  # type: ignore[attr-defined]
        way_back = runtime.core.way_back  # type: ignore[attr-defined]
        if len(network.streams.connections) <= 1 and not way_back._sent_anyway:
            return True
        await asyncio.sleep(0.02)
    return False
