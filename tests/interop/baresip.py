"""A baresip user agent, driven over its control socket (module ``ctrl_tcp``).

Commands and events are JSON in netstrings: ``12:{"event":…},``.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.ports import free_port

PATIENCE = 15.0
MODULES = Path("/usr/lib/baresip/modules")
CONFIG = """\
net_interface {host}
sip_listen {host}:{port}
audio_player aubridge,nil
audio_source aubridge,nil
audio_alert aubridge,nil
module_path {modules}
module g711.so
module aubridge.so
module ctrl_tcp.so
module_app account.so
module_app contact.so
module_app menu.so
ctrl_tcp_listen {host}:{control}
"""
ACCOUNT = (
    '<sip:{name}@contoso.test;transport={transport}>;auth_user={name};auth_pass="{password}"'
    ';outbound="sip:{proxy};transport={transport}";regint=600;answermode=manual'
)
Event = dict[str, Any]


class Baresip:
    """One user agent at an address of its own."""

    def __init__(self, directory: Path, host: str, name: str) -> None:
        self.directory, self.host, self.name = directory, host, name
        self.port, self.control = free_port(host), free_port(host)
        while self.control in (self.port, self.port + 1):  # it takes the next for TLS
            self.control = free_port(host)
        self.events: list[Event] = []
        self._child: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Future[None] | None = None
        self._answers: list[Event] = []

    async def start(
        self, proxy: tuple[str, int], transport: str, password: str, friend: str
    ) -> None:
        """Run it; it registers at ``proxy`` with its name and ``password``."""
        self.directory.mkdir()
        values = {"host": self.host, "port": self.port, "control": self.control}
        self._write("config", CONFIG.format(modules=MODULES, **values))
        where = {"proxy": "{}:{}".format(*proxy), "transport": transport}
        self._write("accounts", "#\n")  # without the file it makes one of its own
        self._write("contacts", f'"{friend}" <sip:{friend}@contoso.test>\n')
        with (self.directory / "log").open("wb") as log:
            self._child = await asyncio.create_subprocess_exec(
                *("baresip", "-f", str(self.directory)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._reading = asyncio.ensure_future(self._read(await self._connect()))
        account = ACCOUNT.format(name=self.name, password=password, **where)
        await self.command("uanew", account)
        await self._until(lambda: self._count("REGISTER_"), "a REGISTER's answer")
        assert self._count("REGISTER_OK"), self.events

    def _write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)

    async def _connect(self) -> asyncio.StreamReader:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                made = await asyncio.open_connection(self.host, self.control)
                break
            except OSError:
                assert time.monotonic() < deadline, f"no control:\n{self._said()}"
                await asyncio.sleep(0.05)
        self._writer = made[1]
        return made[0]

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                length = int((await reader.readuntil(b":"))[:-1])
                said = json.loads(await reader.readexactly(length))
                await reader.readexactly(1)
                (self.events if said.get("event") else self._answers).append(said)

    def _count(self, kind: str) -> int:
        return sum(event["type"].startswith(kind) for event in self.events)

    async def answered(self, times: int) -> None:
        """Wait for the nth answer to an offer of its own."""

        def count() -> int:
            kinds = [
                event["type"] for event in self.events if event.get("param") == "answer"
            ]
            return kinds.count("CALL_REMOTE_SDP")

        await self._until(lambda: count() >= times, f"answer {times}")

    def _said(self) -> str:
        return (self.directory / "log").read_text("utf-8", "replace")

    async def event(self, kind: str, times: int = 1) -> Event:
        """The nth event of a kind since the start, waited for when need be."""

        def found() -> list[Event]:
            return [event for event in self.events if event["type"] == kind]

        await self._until(lambda: len(found()) >= times, kind)
        return found()[times - 1]

    async def command(self, word: str, words: str = "") -> str:
        """What it says to a command of its menu."""
        before = len(self._answers)
        line = json.dumps({"command": word, "params": words}).encode()
        self._writer.write(b"%d:%s," % (len(line), line))
        await self._until(lambda: len(self._answers) > before, word)
        return str(self._answers[-1].get("data"))

    async def _until(self, is_so: Callable[[], object], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not is_so():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            said = f"{self.name} waited for {what}, got {self.events}\n{self._said()}"
            raise AssertionError(said) from None

    async def stop(self) -> None:
        """Let it end in order: it takes its registration back."""
        if self._child is None or self._reading is None:
            return
        if self._child.returncode is None:
            self._child.terminate()
        try:
            await asyncio.wait_for(self._child.wait(), PATIENCE)
        except TimeoutError:
            self._child.kill()
            await self._child.wait()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
