"""A next hop that closes its connection just as the proxy uses it again."""

import asyncio

from proxy.sip.framing import StreamFramer
from tests.support.messages import request
from tests.support.proxy import NextHop, loopback, running_proxy


class Closing:
    """Answers the first request of each connection and closes at the second."""

    def __init__(self) -> None:
        self.connections = 0
        self.served: list[bytes] = []

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        framer, answered = StreamFramer(), 0
        while chunk := await reader.read(65_535):
            for data in framer.feed(chunk):
                if answered:
                    writer.transport.abort()
                    return
                answered += 1
                self.served.append(data)
                writer.write(NextHop._answer(data))
        writer.close()


async def test_a_request_survives_the_end_of_an_old_connection():
    next_hop = Closing()
    server = await asyncio.start_server(next_hop.serve, loopback(4), 0)
    port = server.sockets[0].getsockname()[1]
    route = f"sip:{loopback(4)}:{port};transport=tcp".encode()
    async with running_proxy("tcp", default_route=route) as proxy:
        for number in range(3):
            async with proxy.client("tcp") as client:
                branch = f"z9hG4bK-{number}"
                uri = "sip:anybody@example.test"
                data = request(f"INVITE {uri}", branch=branch, call_id=branch)
                client.send(data)
                assert await client.final() == 200
    assert (next_hop.connections, len(next_hop.served)) == (3, 3)
    server.close()
