"""The real service before a pool of equals, and calls at a steady pace.

All front ends have one priority and weight, so a call meets any of them first.
"""

import asyncio
import contextlib
import gc
import json
import os
import re
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from proxy.lab.dns_server import ZoneServer
from proxy.lab.service import Service, waypost
from proxy.lab.setting import ALIAS, DOMAIN, POOL, Setting
from tests.chaos.callers import Call, Caller
from tests.support.ports import free_address

Address = tuple[str, int]
FRONT_END_HOSTS = ("127.0.0.31", "127.0.0.32", "127.0.0.33")
CALLER = "127.0.0.41"
PER_SOCKET = 10  # calls a second that one client makes


@dataclass(slots=True)
class PoolScene:
    """Where the service listens, what it is, and its admin listener."""

    proxy: Address
    admin: Address
    config: Path
    service: Service
    dns: ZoneServer

    def page(self, path: str) -> str:
        """A page of the admin listener."""
        url = "http://{}:{}{}".format(*self.admin, path)
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())

    def metric(self, name: str) -> float:
        """The sum over all labels; 0 when it is not there."""
        found = re.findall(rf"(?m)^{name}(?:{{[^}}]*}})? (\S+)$", self.page("/metrics"))
        return sum(map(float, found))

    def status(self) -> dict[str, object]:
        """The status page."""
        found: dict[str, object] = json.loads(self.page("/status"))
        return found


def records(front_ends: Sequence[Address], service: str) -> dict[str, list[str]]:
    """SRV and address records of the pool."""
    found: dict[str, list[str]] = {f"{service}.{POOL} SRV": []}
    for number, (host, port) in enumerate(front_ends, 1):
        name = f"fe{number}.{DOMAIN}"
        found[f"{name} A"] = [host]
        found[f"{service}.{POOL} SRV"].append(f"10 60 {port} {name}.")
    return found


@contextlib.asynccontextmanager
async def pool_scene(
    directory: Path,
    front_ends: Sequence[Address],
    transport: str = "udp",
    extra: str = "",
) -> AsyncIterator[PoolScene]:
    """The service with the alias of the lab; ``extra`` ends its configuration."""
    directory.mkdir(exist_ok=True)
    setting = Setting(
        directory=directory,
        proxy=free_address("127.0.0.18"),
        dns=free_address("127.0.0.54"),
        front_ends=tuple(front_ends),
    )
    admin = free_address("127.0.0.18")
    service_name = "_sips._tcp" if transport == "tls" else f"_sip._{transport}"
    dns = ZoneServer(records(front_ends, service_name), *setting.dns)
    await dns.start()
    service = Service(setting.config, setting.log)
    try:
        setting.write_config('\n[admin]\nlisten = "{}:{}"\n'.format(*admin) + extra)
        words = ("endpoint", "new", "--sip-address", ALIAS, "--pool-fqdn", POOL)
        await waypost(setting.config, *words)
        if transport == "tls":
            await waypost(setting.config, "pool", "set", POOL, "--transport", "tls")
        await service.start(setting.proxy)
        yield PoolScene(setting.proxy, admin, setting.config, service, dns)
    finally:
        await service.stop()
        await dns.stop()


class Callers:
    """Callers of the alias at a steady pace; `calls` is what became of them."""

    def __init__(
        self,
        proxy: Address,
        hold: float = 0.05,
        inside: tuple[str, ...] = ("INFO", "BYE"),
    ) -> None:
        self._proxy, self._hold, self._inside = proxy, hold, inside
        self._callers: list[Caller] = []
        self._number = 0

    async def __aenter__(self) -> "Callers":
        return self

    async def __aexit__(self, *_: object) -> None:
        for caller in self._callers:
            caller.close()

    async def run(self, rate: float, seconds: float) -> list[Call]:
        """Call, wait until the last call has ended; the calls, in order."""
        while len(self._callers) < max(1, rate / PER_SOCKET):
            caller = Caller(
                *([self._proxy], CALLER),
                hold=self._hold,
                uri=ALIAS,
                inside=self._inside,
            )
            await caller.open()
            self._callers.append(caller)
        loop = asyncio.get_running_loop()
        started, running, first = loop.time(), [], self._number
        async with asyncio.TaskGroup() as group:
            for place in range(round(rate * seconds)):
                wait = started + place / rate - loop.time()
                if wait > 0:
                    await asyncio.sleep(wait)
                caller = self._callers[place % len(self._callers)]
                self._number += 1
                running.append(
                    group.create_task(caller.call(self._number, self._proxy))
                )
        found = [call for each in self._callers for call in each.calls]
        return sorted(
            (call for call in found if call.number > first), key=lambda c: c.number
        )


@contextlib.contextmanager
def machines_of_their_own(pids: Sequence[int]) -> Iterator[None]:
    """The services have one core to themselves, callers and front ends have the other.
    Where there is one core they share it."""
    cores = sorted(os.sched_getaffinity(0))
    try:
        if len(cores) > 1:
            for pid in pids:
                os.sched_setaffinity(pid, {cores[0]})
            os.sched_setaffinity(0, set(cores[1:]))  # our children too
        with never_waiting():
            yield
    finally:
        os.sched_setaffinity(0, set(cores))


@contextlib.contextmanager
def never_waiting() -> Iterator[None]:
    """Callers and front ends, this process, get a core whenever they want one: each
    would be another machine.  Where that is not allowed they wait as all others do.

    Their garbage stays meanwhile: to collect it holds all of them up for 17 ms.
    """
    # A child of ours begins at the usual priority.
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, policy, os.sched_param(1))
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        gc.enable()
        gc.unfreeze()


def run_delay(pid: int) -> float:
    """Seconds in which this process was ready to run and had no processor; 0 where the
    system does not tell (schedstats of proc(5))."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def failed(calls: Sequence[Call]) -> int:
    """How many calls had a request without a good answer."""
    return sum(bool(call.failed) for call in calls)


def part(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of them lie; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
