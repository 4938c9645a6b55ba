"""Kept messages go to a HEP server over UDP, and what cannot go is counted."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from proxy.recorder.kept import KeptMessage
from proxy.server.hep_sender import HepSender
from tests.recorder.test_hep import decode
from tests.support.until import comes_true

MESSAGE = KeptMessage(
    *(1, 1_000.5, True, "udp", "10.0.0.5:5060", "10.1.0.9", 40000, 0),
    *(b"BYE sip:x SIP/2.0\r\n\r\n", 0, b""),
)


@contextlib.asynccontextmanager
async def running(host: str, port: int) -> AsyncIterator[HepSender]:
    sender = HepSender(host, port)
    task = asyncio.get_running_loop().create_task(sender.run())
    try:
        yield sender
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_before_the_server_s_name_resolves_messages_are_lost() -> None:
    sender = HepSender("127.0.0.1", 9060)
    sender.tell(MESSAGE, b"call-1")
    assert (sender.sent, sender.lost) == (0, 1)


async def test_each_message_is_a_packet_with_its_call() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        async with running(*server.getsockname()) as sender:
            await comes_true(lambda: sender._socket is not None)
            sender.tell(MESSAGE, b"call-1")
        packet = decode(server.recv(65_535))
    assert (sender.sent, sender.lost) == (1, 0) and b"call-1" in packet.values()


async def test_a_name_that_does_not_resolve_is_no_end() -> None:
    async with running("name.invalid", 9060) as sender:
        await asyncio.sleep(0)
        sender.tell(MESSAGE, b"call-1")
        assert sender.lost == 1


async def test_one_packet_that_came_back_costs_no_other() -> None:
    """The first try after it only raises its error."""
    sender = HepSender("127.0.0.1", 9060)
    tries: list[bytes] = []

    class Socket:
        def send(self, data: bytes) -> None:
            tries.append(data)
            if len(tries) == 1:
                raise ConnectionRefusedError

    sender._socket = Socket()  # type: ignore[assignment]
    sender.tell(MESSAGE, b"call-1")
    assert len(tries) == 2 and (sender.sent, sender.lost) == (1, 0)


@pytest.mark.parametrize("error", [ConnectionRefusedError, BlockingIOError])
async def test_what_cannot_be_sent_is_lost_and_nobody_waits(error) -> None:
    sender = HepSender("127.0.0.1", 9060)

    class Socket:
        def send(self, data: bytes) -> None:
            raise error

    sender._socket = Socket()  # type: ignore[assignment]
    sender.tell(MESSAGE, b"call-1")
    assert (sender.sent, sender.lost) == (0, 1)
