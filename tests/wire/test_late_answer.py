"""A callee whose connection ends while it rings answers over a new one."""

import asyncio

from proxy.sip.framing import StreamFramer
from tests.support.messages import request, response
from tests.support.proxy import loopback, running_proxy, status_of


async def test_the_200_reaches_the_caller():
    """RFC 3261 section 18.2.2: it is sent to the address in our Via."""
    invites: asyncio.Queue[bytes] = asyncio.Queue()

    async def ring(reader, writer):
        framer = StreamFramer()
        while chunk := await reader.read(65_535):
            for data in framer.feed(chunk):
                if data.startswith(b"INVITE "):
                    writer.write(response(data, 180))
                    await writer.drain()
                    invites.put_nowait(data)
                    writer.close()
                    return

    server = await asyncio.start_server(ring, loopback(4), 0)
    port = server.sockets[0].getsockname()[1]
    route = f"sip:{loopback(4)}:{port};transport=tcp".encode()
    async with running_proxy("tcp", default_route=route) as proxy:
        async with proxy.client("tcp") as client:
            client.send(request("INVITE sip:bob@example.test"))
            assert await client.final() >= 480  # the attempt itself has failed
            _, back = await asyncio.open_connection(*proxy.address)
            back.write(response(await invites.get(), 200))
            async with asyncio.timeout(10):
                while status_of(client.received[-1]) != 200:
                    await asyncio.sleep(0.01)
            back.close()
        assert proxy.runtime.errors == 0
    server.close()
