"""The proxy as the registrar of two users, with a pool of one front end behind it.

For user agents and tools that nobody here wrote: each sees what a phone, an operator
or a scanner would see of `waypost serve`.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.lab.front_end import FrontEndServer
from proxy.lab.setting import POOL, free_address
from tests.support.ports import free_port
from tests.support.scene import (
    FRONT_END_HOSTS,
    Scene,
    waypost_scene,
)
from tests.support.scene import (
    WAYPOST_HOST as HOST,
)
from tests.support.warm import run, waypost

LOBBY = "sip:lobby@localhost"
Line = dict[str, Any]
PASSWORDS = {"alice": "correct horse", "bob": "battery staple"}
REGISTRAR = """
[registrar]
enabled = true
algorithms = ["{algorithm}"]
[admin]
listen = "{admin}"
"""


@dataclass(slots=True)
class Exchange:
    """A running proxy, its configuration file and the front end behind its alias."""

    scene: Scene
    config: Path
    front_end: FrontEndServer
    admin: str

    @property
    def host(self) -> str:
        return self.scene.proxy[0]

    @property
    def port(self) -> int:
        return self.scene.proxy[1]

    async def bound(self) -> dict[str, list[str]]:
        """User → the contacts that are bound to it."""
        rows: list[dict[str, Any]] = await waypost(self.config, "binding", "list")
        found: dict[str, list[str]] = {}
        for row in rows:
            found.setdefault(row["aor"], []).append(row["contact"])
        return found

    async def metrics(self) -> str:
        """What its metrics page says."""
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(*self.admin.split(":"))
            asked = f"GET /metrics HTTP/1.1\r\nHost: {self.admin}\r\n"
            writer.write(f"{asked}Connection: close\r\n\r\n".encode())
            page = await reader.read()
        writer.close()
        return page.decode()

    async def finished(self, method: str, patience: float = 10.0) -> list[Line]:
        """The log's lines about requests of a method, one at least."""
        deadline = time.monotonic() + patience
        while True:
            lines = (x for x in self.scene.log.read_text().splitlines() if x[:1] == "{")
            found: list[Line] = [
                line for line in map(json.loads, lines) if line.get("method") == method
            ]
            if found:
                return found
            assert time.monotonic() < deadline, f"no {method} has ended"
            await asyncio.sleep(0.05)


async def _let_in(config: Path) -> None:
    for name, password in PASSWORDS.items():
        words = ("--config", str(config), "user", "new", name, "--password-stdin")
        done = await run(*words, given=password.encode() + b"\n")
        assert done.returncode == 0, done.stderr


def short_port() -> int:
    """A free port of four digits."""
    for port in range(5060, 5100):
        if free_address(HOST, port)[1] == port:
            return port
    raise OSError(f"{HOST} has no free port from 5060 on")


@contextlib.asynccontextmanager
async def exchange(
    directory: Path, algorithm: str = "SHA-256", *, local: bool = False
) -> AsyncIterator[Exchange]:
    """A running one, in a directory of its own; its questions name one algorithm.

    ``local``: its users are those of `localhost`, a name that every machine knows
    without DNS, and not those of `contoso.test`; so is one more name of its pool. Its
    port has four digits.
    """

    async def prepare(config: Path) -> None:
        if local:
            text = config.read_text()
            config.write_text(text.replace("domains = [", 'domains = ["localhost", '))
            words = ("--sip-address", LOBBY, "--pool-fqdn", POOL)
            await waypost(config, "endpoint", "new", *words)
        await _let_in(config)

    admin = f"{HOST}:{free_port(HOST)}"
    extra = REGISTRAR.format(algorithm=algorithm, admin=admin)
    front_end = FrontEndServer("fe1", FRONT_END_HOSTS[0])
    await front_end.start()
    try:
        address = (front_end.host, front_end.port)
        async with waypost_scene(
            directory,
            [address],
            extra=extra,
            prepare=prepare,
            port=short_port() if local else 0,
        ) as scene:
            config = scene.log.with_name("waypost.toml")
            yield Exchange(scene, config, front_end, admin)
    finally:
        await front_end.stop()
