"""The old Lookup service: `old_lookup.py ADDRESS PROXY`.

It registers the well-known address and its channel server, as Group Chat does, again
and again until it is stopped, and answers like one.  Stopped in order it takes its
registrations back.  What the proxy says to a REGISTER is printed: after the cutover
that is the sign that somebody forgot it.
"""

import asyncio
import contextlib
import sys
import uuid

from front_end import serve

from proxy.journey.link import DatagramSocket, Link
from proxy.journey.wire import Message
from proxy.lab.front_end import FrontEndServer

DOMAIN = "contoso.test"
USERS = ("ocschat", "gc-old-channel")
EVERY = 20.0


class Registrations:
    """Registers addresses over UDP and keeps doing so."""

    def __init__(self, host: str, proxy: str) -> None:
        self.host, self.proxy = host, proxy
        self._answers: dict[str, asyncio.Future[int]] = {}
        self._serial = 0
        self._link: Link | None = None

    async def keep(self) -> None:
        """Register everything, for ever."""
        loop = asyncio.get_running_loop()
        _, sender = await loop.create_datagram_endpoint(
            lambda: DatagramSocket(self._on_message), local_addr=(self.host, 0)
        )
        link = self._link = sender.link((self.proxy, 5060))
        told: dict[str, int] = {}
        while True:
            for user in USERS:
                status = await self._register(link, user, 60)
                if told.get(user) != status:
                    print(f"REGISTER {user}@{DOMAIN}: {status or 'no answer'}")
                told[user] = status
            await asyncio.sleep(EVERY)

    async def take_back(self) -> None:
        """Unregister everything."""
        if self._link is not None:
            for user in USERS:
                print(f"unregister {user}: {await self._register(self._link, user, 0)}")

    def _on_message(self, link: Link, message: Message, raw: bytes) -> None:
        waiting = self._answers.pop(message.call_id, None)
        if waiting is not None and not waiting.done() and message.status >= 200:
            waiting.set_result(message.status)

    async def _register(self, link: Link, user: str, expires: int) -> int:
        """The status of the answer, 0 without one."""
        self._serial += 1
        call_id = uuid.uuid4().hex
        answer = self._answers[call_id] = asyncio.get_running_loop().create_future()
        host, port = link.local
        request = (
            f"REGISTER sip:{DOMAIN} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{call_id}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{user}@{DOMAIN}>;tag={call_id[:8]}\r\n"
            f"To: <sip:{user}@{DOMAIN}>\r\nCall-ID: {call_id}\r\n"
            f"CSeq: {self._serial} REGISTER\r\n"
            f"Contact: <sip:{user}@{self.host}:5060>;expires={expires}\r\n"
            "Content-Length: 0\r\n\r\n"
        ).encode()
        for _ in range(4):
            link.send(request)
            done, _ = await asyncio.wait({answer}, timeout=1.0)
            if done:
                return answer.result()
        return 0


async def main(host: str, proxy: str) -> None:
    server = FrontEndServer("lookup", host, 5060)
    server.channel_uri = f"sip:{USERS[1]}@{DOMAIN}"
    registrations = Registrations(host, proxy)
    registering = asyncio.ensure_future(registrations.keep())
    try:
        await serve(server)
    finally:
        registering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await registering
        await registrations.take_back()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
