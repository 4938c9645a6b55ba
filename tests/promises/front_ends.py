"""R2 and R3: one of three front ends is bad, and one comes back."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from proxy.lab.front_end import Behaviour, FrontEndServer
from proxy.net.tls import TlsFiles, server_end
from tests.promises.model import Outcome, Room
from tests.promises.scene import (
    FRONT_END_HOSTS,
    Callers,
    PoolScene,
    failed,
    machines_of_their_own,
    part,
    pool_scene,
    run_delay,
)
from tests.support.certificates import Authority
from tests.support.ports import free_port

RATE = 20  # calls a second
SETTLED = 3.0  # seconds after the last start
FIRST_CONTACT = 3.0  # seconds of calls in which the harm is found out
SILENT = {"silent", "no handshake", "no SYN"}
"""Harms that only time shows: they are watched over several ejections."""
HARMS = {
    "udp": ("refused", "silent", "503"),
    "tcp": ("refused", "no SYN", "reset", "silent", "half-close", "503"),
    "tls": ("refused", "wrong name", "no handshake", "silent", "503"),
}
MODES = {
    "silent": Behaviour("silent"),
    "reset": Behaviour("reset-on-accept"),
    "half-close": Behaviour("half-close"),
    "503": Behaviour("answer", 503),
    "wrong name": Behaviour(),
}
FIRST_BAR, LATER_BAR, WORST_LATER = 2.1, 0.005, 0.05


@dataclass(frozen=True, slots=True)
class Cell:
    """What one harm did over one transport; seconds that a call waited more."""

    name: str
    calls: int
    failed: int
    first: float
    later: float
    worst_later: float
    waited: float
    """Seconds in which the service was ready to run, and others had the processors."""

    @property
    def is_held(self) -> bool:
        return (
            self.failed == 0
            and self.first <= FIRST_BAR
            and self.later <= LATER_BAR
            and self.worst_later <= WORST_LATER
        )


def one_of_three_is_bad(room: Room) -> Outcome:
    """R2: each harm over each transport it is possible on."""
    cells = asyncio.run(_matrix(room))
    bad = [cell for cell in cells if not cell.is_held]
    calls, lost = sum(c.calls for c in cells), sum(c.failed for c in cells)
    figure = (
        f"{lost} of {calls} INVITEs failed in {len(cells)} cells; first contact"
        f" {max(c.first for c in cells):.2f} s more, later p99"
        f" {max(c.later for c in cells) * 1000:.1f} ms, worst"
        f" {max(c.worst_later for c in cells) * 1000:.0f} ms"
    )
    for cell in bad[:4]:
        figure += (
            f"; not held: {cell.name} ({cell.failed} failed, {cell.first:.2f} s,"
            f" {cell.later * 1000:.1f} ms, {cell.worst_later * 1000:.0f} ms; it waited"
            f" {cell.waited * 1000:.0f} ms for a processor)"
        )
    return Outcome(not bad, figure)


@dataclass(frozen=True, slots=True)
class Papers:
    """The certificates of all cells over TLS; those of front ends by harm and place.

    They are made before the first call: to make them holds up this process, and so the
    callers of other cells.
    """

    ca: Path
    proxy: TlsFiles
    ends: dict[tuple[str, int], ssl.SSLContext]


def _papers(room: Room) -> Papers:
    authority = Authority(room.directory)
    ends = {}
    for harm in HARMS["tls"]:
        for place in range(1, len(FRONT_END_HOSTS) + 1):
            names = (f"fe{place}.contoso.test", "pcpool.contoso.test")
            if place == 1 and harm == "wrong name":
                names = ("elsewhere.test",)
            ends[harm, place] = server_end(authority.issue(*names)).context
    return Papers(Path(authority.ca), authority.issue("proxy.contoso.test"), ends)


async def _matrix(room: Room) -> list[Cell]:
    papers = _papers(room)
    async with contextlib.AsyncExitStack() as stack:
        # All services start before the first call: a start takes half a second of CPU,
        # and calls beside it would wait for a processor.
        scenes = {
            (transport, harm): await stack.enter_async_context(
                _opened(room, papers, transport, harm)
            )
            for transport, harms in HARMS.items()
            for harm in harms
        }
        await asyncio.sleep(SETTLED)

        async def over(transport: str) -> list[Cell]:
            return [
                await _cell(room, scenes[transport, harm], transport, harm)
                for harm in HARMS[transport]
            ]

        with machines_of_their_own([x.service.pid for x in scenes.values()]):
            found = await asyncio.gather(*(over(transport) for transport in HARMS))
    return [cell for cells in found for cell in cells]


@contextlib.asynccontextmanager
async def _opened(
    room: Room, papers: Papers, transport: str, harm: str
) -> AsyncIterator[PoolScene]:
    """The service of a cell, before its front ends."""
    folder = room.directory / f"{transport}-{harm}".replace(" ", "-")
    async with (
        _pool(papers, transport, harm) as addresses,
        pool_scene(folder, addresses, transport, _tls(papers, transport)) as scene,
    ):
        yield scene


async def _cell(room: Room, scene: PoolScene, transport: str, harm: str) -> Cell:
    # Enough calls that the worst of them is not their p99.
    later = (60.0 if room.is_long else 22.0) if harm in SILENT else 6.0
    async with Callers(scene.proxy) as callers:
        before = run_delay(scene.service.pid)
        begun = await callers.run(RATE, FIRST_CONTACT)
        # Whoever met the bad one first may still wait for it: let the news settle.
        await asyncio.sleep(0.5)
        after = await callers.run(RATE, later)
        waited = run_delay(scene.service.pid) - before
    usual = part([call.answered_after for call in after], 0.5)
    return Cell(
        f"{transport} {harm}",
        len(begun) + len(after),
        failed(begun) + failed(after),
        max(call.answered_after for call in begun) - usual,
        part([call.answered_after for call in after], 0.99) - usual,
        max(call.answered_after for call in after) - usual,
        waited,
    )


@contextlib.asynccontextmanager
async def _pool(
    papers: Papers, transport: str, harm: str
) -> AsyncIterator[list[tuple[str, int]]]:
    """Two good front ends and a bad one; every cell has addresses of its own."""
    number = 10 * list(HARMS).index(transport) + HARMS[transport].index(harm)
    hosts = [
        host.replace("127.0.0.", f"127.0.{100 + number}.") for host in FRONT_END_HOSTS
    ]
    async with contextlib.AsyncExitStack() as stack:
        addresses = []
        for place, host in enumerate(hosts, 1):
            if place == 1 and harm in ("refused", "no SYN", "no handshake"):
                addresses.append(await _deaf(stack, host, harm))
                continue
            front_end = FrontEndServer(
                f"fe{place}",
                host,
                behaviour=MODES.get(harm) if place == 1 else None,
                tls=papers.ends[harm, place] if transport == "tls" else None,
            )
            await front_end.start()
            stack.push_async_callback(front_end.stop)
            port = front_end.tls_port if transport == "tls" else front_end.port
            addresses.append((host, port))
        yield addresses


async def _deaf(
    stack: contextlib.AsyncExitStack, host: str, harm: str
) -> tuple[str, int]:
    """Nobody there; or a full queue, so that SYNs are dropped; or no TLS."""
    port = free_port(host)
    if harm == "no SYN":
        full = stack.enter_context(socket.socket())
        full.bind((host, port))
        full.listen(0)
        for _ in range(3):
            knock = stack.enter_context(socket.socket())
            knock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                knock.connect((host, port))
    elif harm == "no handshake":

        async def wait(reader: asyncio.StreamReader, writer: object) -> None:
            while await reader.read(65_535):
                pass

        server = await asyncio.start_server(wait, host, port)
        stack.callback(server.close)
    return host, port


def _tls(papers: Papers, transport: str) -> str:
    """What the configuration needs to call a pool over TLS."""
    if transport != "tls":
        return ""
    port = free_port("127.0.0.18")
    return (
        f'\n[[listen]]\ntransport = "tls"\naddress = "127.0.0.18:{port}"\n'
        f'[tls]\ncertificate = "{papers.proxy.certificate}"\n'
        f'key = "{papers.proxy.key}"\nca = "{papers.ca}"\n'
    )


def one_comes_back(room: Room) -> Outcome:
    """R3: a front end that was dead for a while has its share again."""
    return asyncio.run(_comes_back(room))


async def _comes_back(room: Room) -> Outcome:
    found = await asyncio.gather(*(_share(room, x) for x in ("udp", "tcp")))
    return Outcome(all(x.is_held for x in found), "; ".join(x.figure for x in found))


async def _share(room: Room, transport: str) -> Outcome:
    network = {"udp": "127.0.90.", "tcp": "127.0.91."}[transport]
    front_ends = [
        FrontEndServer(f"fe{n}", host.replace("127.0.0.", network))
        for n, host in enumerate(FRONT_END_HOSTS, 1)
    ]
    for each in front_ends:
        await each.start()
    addresses = [(each.host, each.port) for each in front_ends]
    try:
        async with (
            pool_scene(room.directory / transport, addresses, transport) as scene,
            Callers(scene.proxy) as callers,
        ):
            await front_ends[0].stop()
            lost = failed(await callers.run(RATE, 12))
            await front_ends[0].start()
            lost += failed(await callers.run(RATE, 30))
            for each in front_ends:
                each.seen.clear()
            lost += failed(await callers.run(100, 30 if room.is_long else 12))
            invites = [
                sum(seen.message.start.startswith("INVITE") for seen in each.seen)
                for each in front_ends
            ]
    finally:
        for each in front_ends:
            await each.stop()
    shares = [100 * count / sum(invites) for count in invites]
    listed = ", ".join(f"{share:.0f}" for share in shares)
    return Outcome(
        lost == 0 and all(80 <= 3 * share <= 120 for share in shares),
        f"{transport}: {lost} failed, {listed} % each after 30 s",
    )
