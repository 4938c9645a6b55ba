"""MESSAGEs over UDP, many of them: who sends them, and who answers each with a 200.

The answer names who gave it (Server), so that a caller can tell one pool from another.
"""

import asyncio
import re

from tests.support.ports import free_port

KEPT = re.compile(r"^(?:Via|From|To|Call-ID|CSeq): .*\r\n", re.MULTILINE)


class _Socket(asyncio.DatagramProtocol):
    transport: asyncio.DatagramTransport

    def connection_made(self, transport) -> None:
        self.transport = transport

    @classmethod
    async def open(cls, host: str, *values):
        """Bind a port of its own on ``host``."""
        address = (host, free_port(host))
        loop = asyncio.get_running_loop()
        _, made = await loop.create_datagram_endpoint(
            lambda: cls(*values), local_addr=address
        )
        made.address = address
        return made

    def close(self) -> None:
        self.transport.close()


class Answerer(_Socket):
    """Answers every request with 200."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen = 0

    def datagram_received(self, data: bytes, source) -> None:
        text = data.decode()
        if text.startswith("SIP/2.0"):
            return
        self.seen += 1
        lines = "".join(KEPT.findall(text))
        answer = f"SIP/2.0 200 OK\r\n{lines}Server: {self.name}\r\n"
        self.transport.sendto(answer.encode() + b"Content-Length: 0\r\n\r\n", source)


class Caller(_Socket):
    """Sends requests; ``answers`` is what came back, by number."""

    def __init__(self, proxy: tuple[str, int]) -> None:
        self.proxy = proxy
        self.sent = 0
        self.answers: dict[int, str] = {}

    def datagram_received(self, data: bytes, source) -> None:
        text = data.decode()
        number = int(re.search(r"Call-ID: (\d+)", text)[1])
        if text[8] != "1":
            self.answers[number] = text

    def send(
        self, address: str, method: str = "MESSAGE", *lines: str, to: str = ""
    ) -> int:
        """One request to an address; its number."""
        self.sent += 1
        number, host, port = self.sent, *self.address
        text = [
            f"{method} {address} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bKm{port}-{number}",
            "Max-Forwards: 70",
            f"From: <sip:caller@contoso.test>;tag={number}",
            f"To: {to or f'<{address}>'}",
            f"Call-ID: {number}",
            f"CSeq: {number} {method}",
            *lines,
            "Content-Length: 0",
        ]
        self.transport.sendto("\r\n".join(text).encode() + b"\r\n\r\n", self.proxy)
        return number

    def register(self, aor: str, contact: str = "") -> int:
        """A REGISTER of our own address, or of another; its number."""
        contact = contact or "sip:{}:{}".format(*self.address)
        domain = aor.partition("@")[2]
        return self.send(
            f"sip:{domain}", "REGISTER", f"Contact: <{contact}>", to=f"<{aor}>"
        )

    async def all_answered(self, seconds: float = 10.0) -> None:
        """Wait until nothing is open; fails when something stays unanswered."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while len(self.answers) < self.sent:
            assert loop.time() < end, f"{self.sent - len(self.answers)} unanswered"
            await asyncio.sleep(0.02)

    def statuses(self) -> dict[int, int]:
        """The final status of each request by number."""
        return {n: int(text.split(" ")[1]) for n, text in self.answers.items()}

    def server(self, number: int) -> str:
        """Who gave an answer."""
        found = re.search(r"Server: (\S+)", self.answers[number])
        return found[1] if found else ""
