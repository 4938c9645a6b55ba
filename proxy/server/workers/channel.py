"""The channel between the supervisor and one worker: questions, answers, signs of life.

Each message is JSON behind its length (4 bytes, big-endian), over a socket pair.  When
one side dies, the other one reads the end of the stream.
"""

import asyncio
import json
import socket
from typing import Any, Final

_LENGTH: Final = 4
_LIMIT: Final = 64 * 1024 * 1024

Message = dict[str, Any]


class Channel:
    """One end of the channel; for use by one event loop."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._serial = 0
        self._asked: dict[int, asyncio.Future[Any]] = {}

    @classmethod
    async def open(cls, end: socket.socket) -> "Channel":
        """Take over one end of a socket pair."""
        return cls(*await asyncio.open_unix_connection(sock=end))

    def send(self, message: Message) -> None:
        """Send a message; it is lost when the peer is gone."""
        body = json.dumps(message).encode()
        self._writer.write(len(body).to_bytes(_LENGTH, "big") + body)

    async def receive(self) -> Message | None:
        """The next message that is not an answer; None when the peer is gone."""
        while True:
            try:
                size = await self._reader.readexactly(_LENGTH)
                body = await self._reader.readexactly(int.from_bytes(size, "big"))
            except (asyncio.IncompleteReadError, OSError):
                self._end()
                return None
            message: Message = json.loads(body)
            answered = self._asked.pop(message.get("answer", 0), None)
            if answered is None:
                return message
            if not answered.done():
                answered.set_result(message["value"])

    async def ask(self, question: str, timeout: float, **about: Any) -> Any:
        """Ask, and wait for the answer; None when none comes in ``timeout`` seconds.

        ``about`` are the arguments of the question.  Another task must be in
        ``receive`` meanwhile, for it reads the answer.
        """
        self._serial += 1
        serial = self._serial
        waiting = asyncio.get_running_loop().create_future()
        self._asked[serial] = waiting
        self.send({"ask": question, "serial": serial, **about})
        try:
            return await asyncio.wait_for(waiting, timeout)
        except TimeoutError:
            return None
        finally:
            self._asked.pop(serial, None)

    def answer(self, message: Message, value: Any) -> None:
        """Answer a question that came by ``receive``."""
        self.send({"answer": message["serial"], "value": value})

    def _end(self) -> None:
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_result(None)
        self._asked.clear()

    def close(self) -> None:
        """Close this end."""
        self._writer.close()
