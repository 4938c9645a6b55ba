"""The real service between an old pool and a new one; no endpoint exists yet.

For the weekend and everything about a cutover.  The front ends belong to the caller.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from proxy.admin import in_force
from proxy.admin.control import Operator, rules_of
from proxy.config import load_config
from proxy.lab.dns_server import ZoneServer
from proxy.lab.service import Service
from proxy.lab.setting import Setting
from proxy.store import Actor, open_store
from tests.support.ports import free_address
from tests.support.until import comes_true, told

Address = tuple[str, int]
OLD, NEW = "oldpool.contoso.test", "newpool.contoso.test"


@dataclass(slots=True)
class TwoPools:
    """Where the proxy listens (UDP and TCP), its configuration and its process."""

    proxy: Address
    config: Path
    service: Service
    dns: ZoneServer

    async def follows(self) -> None:
        """Return when the service routes by the table that the store has now."""
        await follows(self.config, self.service)

    @contextlib.asynccontextmanager
    async def operator(self) -> AsyncIterator[Operator]:
        """The same store, opened by another process' side: this one."""
        config = load_config(self.config)
        store = await open_store(config.store_url)
        try:
            yield Operator(store, rules_of(config), Actor("tester", "test"))
        finally:
            await store.close()


async def follows(config: Path, service: Service) -> None:
    """Return when a service routes by the table that its store has now.

    A command returns when the store has its change, the service looks at the store
    four times a second: who calls at once may still meet the table of before.
    """
    store = await open_store(load_config(config).store_url)
    try:
        wanted = await store.table_version()
    finally:
        await store.close()

    if load_config(config).server.workers > 1:
        # Each worker follows by itself, and the page has the version of the last one.
        assert await asyncio.to_thread(
            in_force.is_in_force, load_config(config), wanted
        )
        return

    def is_followed() -> bool:
        seen = (line["version"] for line in told(service.log, "table.changed"))
        return max(seen, default=0) >= wanted

    await comes_true(is_followed)


def _records(pool: str, front_end: Address) -> dict[str, list[str]]:
    host, port = front_end
    name = f"fe.{pool}"
    return {
        f"{name} A": [host],
        f"_sip._udp.{pool} SRV": [f"10 60 {port} {name}."],
        f"_sip._tcp.{pool} SRV": [f"10 60 {port} {name}."],
    }


@contextlib.asynccontextmanager
async def two_pools(
    directory: Path, old: Address, new: Address, extra: str = ""
) -> AsyncIterator[TwoPools]:
    """``extra`` is appended to the configuration file.

    The admin listener has a port of its own, unless ``extra`` has [admin].
    """
    setting = Setting(
        directory=directory,
        proxy=free_address("127.0.0.17"),
        dns=free_address("127.0.0.54"),
        front_ends=(old, new),
    )
    dns = ZoneServer({**_records(OLD, old), **_records(NEW, new)}, *setting.dns)
    await dns.start()
    service = Service(setting.config, setting.log)
    try:
        setting.write_config()
        with setting.config.open("a") as file:
            if "[admin]" not in extra:
                host, port = free_address("127.0.0.17")
                file.write(f'\n[admin]\nlisten = "{host}:{port}"\n')
            file.write(extra)
        await service.start(setting.proxy)
        yield TwoPools(setting.proxy, setting.config, service, dns)
    finally:
        await service.stop()
        await dns.stop()
