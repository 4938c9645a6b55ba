"""A proxy under test with the pool's two front ends in its sight.

`waypost_scene` starts the real `waypost serve` with a zone in this process;
`kamailio_scene` starts the twin.  Both hand out the same value, so that one test body
runs against either.  The front ends belong to the caller.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from proxy.lab.dns_server import ZoneServer
from proxy.lab.service import Service
from proxy.lab.setting import ALIAS, POOL, Setting
from proxy.lab.world import zone
from tests.support.kamailio import Kamailio
from tests.support.ports import free_address, free_port
from tests.support.warm import waypost

Address = tuple[str, int]
WAYPOST_HOST, DNS_HOST = "127.0.0.7", "127.0.0.54"
FRONT_END_HOSTS = ("127.0.0.23", "127.0.0.24")


@dataclass(slots=True)
class Scene:
    """Where the proxy under test listens (UDP and TCP), and what it is."""

    name: str
    proxy: Address
    pid: int
    log: Path


OpenScene = Callable[..., AbstractAsyncContextManager[Scene]]
"""(directory, front ends, the pool's fixed transport or None) → a running `Scene`."""


@contextlib.asynccontextmanager
async def waypost_scene(
    directory: Path,
    front_ends: list[Address],
    transport: str | None = None,
    *,
    extra: str = "",
    port: int = 0,
    words: tuple[str, ...] = (),
    prepare: Callable[[Path], Awaitable[None]] | None = None,
) -> AsyncIterator[Scene]:
    """The real service; ``extra`` is appended to its configuration file.

    ``port`` is the one to listen on (0: any), ``words`` stand behind ``serve``;
    ``prepare`` is given that file before the service starts.
    """
    setting = Setting(
        directory=directory,
        proxy=(WAYPOST_HOST, port or free_port(WAYPOST_HOST)),
        dns=free_address(DNS_HOST),
        front_ends=tuple(front_ends),
    )
    dns = ZoneServer(zone(setting), *setting.dns)
    await dns.start()
    service = Service(setting.config, setting.log, *words)
    try:
        setting.write_config()
        if extra:
            with setting.config.open("a") as file:
                file.write(extra)
        await waypost(
            setting.config,
            *("endpoint", "new", "--sip-address", ALIAS, "--pool-fqdn", POOL),
            *("--service-uri", "sip:GC-*@contoso.test"),
        )
        if transport:
            words = ("pool", "set", POOL, "--transport", transport)
            await waypost(setting.config, *words)
        if prepare is not None:
            await prepare(setting.config)
        await service.start(setting.proxy)
        yield Scene("waypost", setting.proxy, service.pid, setting.log)
    finally:
        await service.stop()
        await dns.stop()


@contextlib.asynccontextmanager
async def kamailio_scene(
    directory: Path, front_ends: list[Address], transport: str | None = None
) -> AsyncIterator[Scene]:
    """The twin, with the front ends written into its configuration."""
    targets = [f"sip:{host}:{port}" for host, port in front_ends]
    listen = free_address("127.0.0.6")
    kamailio = Kamailio(directory, listen, targets, first_answer_ms=1000)
    kamailio.transport = transport
    kamailio.start()
    try:
        yield Scene(
            "kamailio", kamailio.listen, kamailio.pid, directory / "kamailio.log"
        )
    finally:
        kamailio.stop()


def scene_under_test() -> OpenScene:
    """Waypost, or the twin when `WAYPOST_TEST_TARGET=kamailio` asks for it.

    The second is for writing a scenario: what fails there is the scenario's fault.
    """
    if os.environ.get("WAYPOST_TEST_TARGET") == "kamailio":
        return kamailio_scene
    return waypost_scene
