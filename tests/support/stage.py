"""A running service with two front ends and a UDP caller that scripts its calls."""

import asyncio
import contextlib
import http.client
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from proxy.lab.front_end import FrontEndServer
from proxy.lab.setting import ALIAS
from tests.support.ports import free_port
from tests.support.scene import FRONT_END_HOSTS, waypost_scene
from tests.support.service import HOST
from tests.support.warm import run, waypost

CLIENT = "127.0.0.9"


class Caller(asyncio.DatagramProtocol):
    """A UDP client that acknowledges finals and can hang up."""

    def __init__(self) -> None:
        self.finals: dict[tuple[str, str], bytes] = {}
        self.arrived = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.here = "{}:{}".format(*transport.get_extra_info("sockname"))

    def datagram_received(self, data: bytes, peer: object) -> None:
        call_id = re.search(rb"\r\nCall-ID: (.*?)\r", data)[1].decode()
        method = re.search(rb"\r\nCSeq: \d+ (\w+)", data)[1].decode()
        if data.startswith(b"SIP/2.0 ") and data[8:9] >= b"2":
            if method == "INVITE" and data[8:9] > b"2":
                self.say("ACK", call_id, to=_line(data, "To"))
            self.finals[call_id, method] = data
            self.arrived.set()

    def say(
        self, method: str, call_id: str, *extra: str, to: str = "", **more: Any
    ) -> None:
        uri, body = more.get("uri", ALIAS), more.get("body", "")
        mark = more.get("mark", "")
        number = 1 if method in ("INVITE", "ACK") else 2
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.here};branch=z9hG4bK{call_id}{mark};rport",
            "Max-Forwards: 70",
            f"From: <{more.get('who', 'sip:alice@contoso.test')}>;tag={call_id}",
            f"To: {to or f'<{uri}>'}",
            f"Call-ID: {call_id}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:alice@{self.here}>",
            *extra,
            f"Content-Length: {len(body)}",
        ]
        self.transport.sendto(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    async def answer(self, call_id: str, method: str = "INVITE") -> bytes:
        async with asyncio.timeout(20):
            while (call_id, method) not in self.finals:
                self.arrived.clear()
                await self.arrived.wait()
        return self.finals[call_id, method]

    def hang_up(self, call_id: str) -> None:
        answer = self.finals[call_id, "INVITE"]
        routes = [f"Route: {x}" for x in _lines(answer, "Record-Route")[::-1]]
        uri = re.search(r"<([^>]*)>", _line(answer, "Contact"))[1]
        for method in ("ACK", "BYE"):
            self.say(
                method, call_id, *routes, to=_line(answer, "To"), uri=uri, mark=method
            )


def _lines(data: bytes, name: str) -> list[str]:
    return re.findall(rf"\r\n{name}: (.*?)\r", data.decode())


def _line(data: bytes, name: str) -> str:
    return _lines(data, name)[0]


class Stage:
    """A running service, its two front ends, and a caller."""

    def __init__(
        self,
        config: Path,
        caller: Caller,
        front_ends: list[FrontEndServer],
        admin: int,
    ) -> None:
        self.config, self.caller, self.front_ends = config, caller, front_ends
        self.admin = admin

    async def is_ready(self) -> None:
        """The admin listener opens last."""
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(OSError):
                    if self.get("/ready", "") == 200:
                        return
                await asyncio.sleep(0.05)

    def token(self) -> str:
        return (self.config.parent / "admin.token").read_text().strip()

    def get(self, path: str, token: str) -> int:
        """The status of a page of the admin listener."""
        return self.page(path, token)[0]

    def page(self, path: str, token: str) -> tuple[int, str]:
        """The same, and what it says."""
        connection = http.client.HTTPConnection(HOST, self.admin, timeout=5)
        try:
            connection.request(
                "GET", path, headers={"Authorization": f"Bearer {token}"}
            )
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    async def waypost(self, *words: str) -> Any:
        return await waypost(self.config, *words)

    async def shown(self, *words: str) -> str:
        """The same for people."""
        done = await run("--config", str(self.config), *words)
        assert done.returncode == 0, done.stderr
        return done.stdout


@asynccontextmanager
async def stage(
    directory: Path, *, extra: str = "", workers: int = 1
) -> AsyncIterator[Stage]:
    front_ends = [
        FrontEndServer(f"fe{n}", host) for n, host in enumerate(FRONT_END_HOSTS, 1)
    ]
    async with AsyncExitStack() as stack:
        for front_end in front_ends:
            await front_end.start()
            stack.push_async_callback(front_end.stop)
        addresses = [(x.host, x.port) for x in front_ends]
        port = free_port(HOST)
        admin = f'\n[admin]\nlisten = "{HOST}:{port}"\n'
        admin += f"[server]\nworkers = {workers}\n"
        scene = await stack.enter_async_context(
            waypost_scene(directory, addresses, "udp", extra=admin + extra)
        )
        loop = asyncio.get_running_loop()
        _, caller = await loop.create_datagram_endpoint(
            Caller, remote_addr=scene.proxy, local_addr=(CLIENT, 0)
        )
        stack.callback(caller.transport.close)
        world = Stage(directory / "waypost.toml", caller, front_ends, port)
        await world.is_ready()
        yield world
