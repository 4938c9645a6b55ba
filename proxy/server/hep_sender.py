"""Sends kept messages to a HEP server over UDP, without a guarantee."""

import asyncio
import socket
from contextlib import suppress
from typing import Final

import structlog

from proxy.recorder.hep import packet
from proxy.recorder.kept import KeptMessage
from proxy.sip.host import host_port

log = structlog.get_logger()

ASK_AGAIN: Final = 300.0
"""Seconds between two look-ups of the server's name."""


class HepSender:
    """Sends over one socket; before the server's name resolves, messages are lost."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._socket: socket.socket | None = None
        self.sent = self.lost = 0
        """Messages; those that could not be sent are lost."""

    async def run(self) -> None:
        """Follow the name, for ever."""
        try:
            while True:
                await self._look_up()
                await asyncio.sleep(ASK_AGAIN)
        finally:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    async def _look_up(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                self._host, self._port, type=socket.SOCK_DGRAM
            )
            family, kind, protocol, _, address = found[0]
            opened = socket.socket(family, kind, protocol)
            opened.setblocking(False)
            opened.connect(address)
        except OSError as error:
            server = host_port(self._host, self._port)
            log.warning("hep.unavailable", server=server, reason=str(error))
            return
        before, self._socket = self._socket, opened
        if before is not None:
            before.close()

    def tell(self, message: KeptMessage, call_id: bytes) -> None:
        """Send one message; never waits, never raises."""
        if self._socket is None:
            self.lost += 1
            return
        data = packet(message.to_json(), call_id)
        # Twice: the first try may only raise the ICMP error about the packet before.
        for _ in range(2):
            with suppress(OSError):
                self._socket.send(data)
                self.sent += 1
                return
        self.lost += 1
