"""Pools that answer, and a name server that knows them, in a thread of their own.

For tests that run the command in this process: it has an event loop of its own.
"""

import asyncio
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from proxy.lab.dns_server import ZoneServer
from proxy.lab.front_end import FrontEndServer


@dataclass
class Pools:
    """``dns`` is the name server's ``host:port``; front ends by pool, in order."""

    dns: str = ""
    front_ends: dict[str, list[FrontEndServer]] = field(default_factory=dict)
    loop: asyncio.AbstractEventLoop | None = None

    def stop_front_end(self, pool: str, number: int = 0) -> None:
        """From now on its address refuses."""
        assert self.loop is not None
        stopping = self.front_ends[pool][number].stop()
        asyncio.run_coroutine_threadsafe(stopping, self.loop).result(5)


def _records(pools: Pools, transport: str) -> dict[str, list[str]]:
    service = "_sips._tcp" if transport == "tls" else f"_sip._{transport}"
    records: dict[str, list[str]] = {}
    for pool, front_ends in pools.front_ends.items():
        values = records.setdefault(f"{service}.{pool} SRV", [])
        for number, each in enumerate(front_ends, 1):
            name = f"fe{number}.{pool}"
            port = each.tls_port if transport == "tls" else each.port
            records[f"{name} A"] = [each.host]
            values.append(f"{number * 10} 60 {port} {name}.")
    return records


@contextmanager
def running_pools(
    hosts: Mapping[str, Sequence[str]],
    transport: str = "tcp",
    tls: ssl.SSLContext | None = None,
) -> Iterator[Pools]:
    """``hosts`` maps a pool's FQDN to the loopback addresses of its front ends."""
    pools, ready, end = Pools(), threading.Event(), threading.Event()

    async def run() -> None:
        pools.loop = asyncio.get_running_loop()
        for pool, addresses in hosts.items():
            pools.front_ends[pool] = [
                FrontEndServer(f"fe{n}", host, tls=tls)
                for n, host in enumerate(addresses, 1)
            ]
            for front_end in pools.front_ends[pool]:
                await front_end.start()
        async with ZoneServer(_records(pools, transport)) as zone:
            pools.dns = zone.address
            ready.set()
            await asyncio.to_thread(end.wait)
        for group in pools.front_ends.values():
            for front_end in group:
                await front_end.stop()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert ready.wait(30), "the pools did not come up"
        yield pools
    finally:
        end.set()
        thread.join()
