"""Every alert that we ship, raised by a real service in a real Prometheus.

One service suffers one fault after the other: ``STAGES`` says which fault raises which
alerts, and an alert without a fault fails here.  The rules are those that we ship, with
shorter times: nobody waits four hours here.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from proxy.journey.legacy_client import ClientError, LegacyClient
from proxy.lab.front_end import Behaviour, FrontEndServer
from tests.support.certificates import Authority
from tests.support.ports import free_address
from tests.support.prometheus import Prometheus, prometheus
from tests.support.small_disk import fill, make_room, needs_root, small_disk
from tests.support.two_pools import NEW, OLD, TwoPools, two_pools
from tests.support.until import comes_true
from tests.support.warm import waypost
from tests.wire.test_registrar import credentials, set_password
from tests.wire.test_strangers import Peer

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "config/prometheus/alerts.yml").read_text()
ALIAS = "sip:ocschat@contoso.test"
SLOW, BROKEN, GONE = (f"sip:{x}@contoso.test" for x in ("slow", "broken", "gone"))
BUSY_POOL, GONE_POOL = "busypool.contoso.test", "gonepool.contoso.test"
HOST, STRANGER, SERVERS = "127.0.0.35", "127.0.0.36", "127.0.0.37"
PATIENCE = 120.0
LONG_INVITE = (
    "INVITE {slow} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.36:9;branch=z9hG4bKlong{n}\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:bob@contoso.test>;tag={n}\r\nTo: <{slow}>\r\n"
    "Call-ID: long{n}\r\nCSeq: 1 INVITE\r\nContact: <sip:bob@127.0.0.36:9>\r\n"
    "Content-Type: text/plain\r\nContent-Length: 60000\r\n\r\n{body}"
)
LONG_CALL_ID = (
    "OPTIONS {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{call_id:.9}\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:bob@contoso.test>;tag=1\r\nTo: <{uri}>\r\n"
    "Call-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
PLAN = f"""
name = "weekend"
[[change]]
sip_address = "{ALIAS}"
pool_fqdn = "{NEW}"
expect_pool = "{OLD}"
"""
EXTRA = """
[[listen]]
transport = "tls"
address = "{tls}"
certificate = "{files.certificate}"
key = "{files.key}"
[admin]
listen = "{admin}"
[chat_probe]
every = "1s"
[registrar]
enabled = true
trusted_networks = ["127.0.0.37/32"]
[server]
drain_seconds = 100.0
[limits]
memory = 67_108_864
"""
pytestmark = [
    needs_root,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="no prometheus"),
]


def quick(rules: str) -> str:
    """The rules with shorter times; their names and what they look at stay."""
    rules = re.sub(r"^(\s+)for: .*$", r"\1for: 0s", rules, flags=re.MULTILINE)
    for name in (
        *("store_unwritable_seconds > 30", "cutover_overdue_seconds > 10"),
        "dns_stale_seconds > 600",
    ):
        assert name in rules
        rules = rules.replace(name, f"{name.partition('>')[0]}> 0")
    return rules


class World(NamedTuple):
    """The service, its front ends, and where its store and its log lie."""

    scene: TwoPools
    disk: Path
    certificate: Path
    old: FrontEndServer
    new: FrontEndServer
    busy: FrontEndServer
    slow: FrontEndServer
    alerts: Prometheus

    async def type(self, *words: str) -> Any:
        return await waypost(self.scene.config, *words)

    async def apply(self, *words: str) -> None:
        plan = self.disk / "plan.toml"
        plan.write_text(PLAN)
        await self.type("cutover", "apply", str(plan), *words)

    async def call(self, alias: str = ALIAS) -> int:
        """The answer to an INVITE of somebody; 0 for none."""
        client = LegacyClient(self.scene.proxy, timeout=15.0)
        try:
            await client.connect()
            return (await client.call(alias))[1].status
        except (ClientError, OSError, TimeoutError):
            return 0
        finally:
            await client.close()

    def stranger(self, host: str = STRANGER) -> contextlib.closing[Any]:
        """A UDP socket at an address that nobody trusts, or at another one."""
        peer = Peer(self.scene.proxy, host)
        peer.close = peer.socket.close
        return contextlib.closing(peer)

    def store(self) -> contextlib.closing[sqlite3.Connection]:
        """Its file, opened by somebody else."""
        path = self.disk / "waypost.db"
        return contextlib.closing(sqlite3.connect(path, isolation_level=None))

    async def raised(self, names: set[str]) -> None:
        """Return when each of them has been raised, with something to do."""
        found: dict[str, dict[str, str]] = {}
        try:
            async with asyncio.timeout(PATIENCE):
                while not names <= set(found):
                    await asyncio.sleep(0.2)
                    found |= await asyncio.to_thread(self.alerts.firing)
        except TimeoutError:
            raise AssertionError(f"{names - set(found)} of {set(found)}") from None
        assert all(found[name]["action"] for name in names)

    async def gone(self, name: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while name in await asyncio.to_thread(self.alerts.firing):
                await asyncio.sleep(0.2)


Fault = Callable[[World], AbstractAsyncContextManager[None]]


# -- what an operator does, or forgets -------------------------------------------------


@asynccontextmanager
async def a_front_end_is_drained(world: World) -> AsyncIterator[None]:
    name = f"busy.{BUSY_POOL}"
    await world.type("pool", "drain", name, "--reason", "a look", "--force")
    yield
    await world.type("pool", "undrain", name)


@asynccontextmanager
async def a_key_waits_for_a_restart(world: World) -> AsyncIterator[None]:
    with world.scene.config.open("a") as file:
        file.write("\n[recorder]\ncalls = 4000\n")
    os.kill(world.scene.service.pid, signal.SIGHUP)
    yield


@asynccontextmanager
async def its_certificate_is_of_one_day(world: World) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def another_certificate_is_no_good(world: World) -> AsyncIterator[None]:
    world.certificate.write_text("no certificate")
    yield


@asynccontextmanager
async def a_cutover_waits(world: World) -> AsyncIterator[None]:
    await world.apply("--confirm-within", "9")
    yield
    # No endpoint leads to the old pool, but a rollback does: it is still judged.
    seen = f'waypost_front_end_state{{pool="{OLD}", state="healthy"}}'
    assert await asyncio.to_thread(world.alerts.ask, seen)
    await world.type("cutover", "rollback")
    await world.gone("WaypostCutoverPending")


@asynccontextmanager
async def a_cutover_goes_wrong_under_guard(world: World) -> AsyncIterator[None]:
    await world.apply("--guard", "5 %", "--min", "1")
    await world.scene.follows()
    assert [await world.call() for _ in "12"] == [500, 500]
    yield


# -- the pools -------------------------------------------------------------------------


@asynccontextmanager
async def a_name_goes(world: World) -> AsyncIterator[None]:
    """It is refreshed after four seconds, and DNS denies it."""
    for protocol in ("tcp", "udp"):
        world.scene.dns.remove(f"_sip._{protocol}.{GONE_POOL} SRV")
    yield
    for protocol in ("tcp", "udp"):
        record = f"0 0 {world.old.port} old.{GONE_POOL}."
        world.scene.dns.set(f"_sip._{protocol}.{GONE_POOL} SRV", record)


@asynccontextmanager
async def one_pool_refuses_and_another_is_slow(world: World) -> AsyncIterator[None]:
    answers = await asyncio.gather(world.call(SLOW), world.call(BROKEN))
    assert answers == [200, 500]
    yield


@asynccontextmanager
async def the_only_front_end_dies(world: World) -> AsyncIterator[None]:
    await world.old.stop()
    for _ in range(6):  # three eject it, and the others come all the same
        await world.call()
    yield


# -- the store, the disk, and bugs -----------------------------------------------------


@asynccontextmanager
async def somebody_moves_the_store_away(world: World) -> AsyncIterator[None]:
    path = world.disk / "waypost.db"
    elsewhere = path.rename(path.with_suffix(".old"))
    yield
    elsewhere.rename(path)


@asynccontextmanager
async def the_disk_is_full(world: World) -> AsyncIterator[None]:
    """The cutover's time runs out meanwhile, and the log keeps a MiB for later."""
    await world.apply("--confirm-within", "0.05")
    fill(world.disk)
    with world.stranger() as peer:
        for n in range(240):
            uri = "sip:{}:{}".format(*peer.to)
            ask = LONG_CALL_ID.format(uri=uri, me=peer.me, call_id=f"{n}" + "x" * 7000)
            peer.socket.sendto(ask.encode(), peer.to)
            assert peer.read().startswith("SIP/2.0 200 ")
    yield
    make_room(world.disk)
    await world.raised({"WaypostCutoverRolledBack"})


@asynccontextmanager
async def a_row_of_the_table_is_damaged(world: World) -> AsyncIterator[None]:
    count = "UPDATE meta SET value = value + 1 WHERE key = 'table_version'"
    with world.store() as store:
        store.execute("INSERT INTO endpoints VALUES ('x', 'no JSON')")
        store.execute(count)
        yield
        store.execute("DELETE FROM endpoints WHERE key = 'x'")
        store.execute(count)


@asynccontextmanager
async def a_registration_is_damaged(world: World) -> AsyncIterator[None]:
    """Whoever calls this contact gets 500, and we have met a fault of our own."""
    with world.store() as store, world.stranger() as peer:
        row = ("bob@contoso.test", b"x", "no bytes", b"<no>", 1.0, 1e11, 0.0, b"c")
        more = (1, b"", 0, "", "", "udp:127.0.0.36:9", b"", b"")
        marks = ", ".join("?" * len(row + more))
        store.execute(f"INSERT INTO bindings VALUES ({marks})", row + more)
        store.execute(
            "INSERT INTO binding_changes (origin, aor, key) VALUES ('x', ?, ?)", row[:2]
        )
        await comes_true(
            lambda: peer.asks(f"MESSAGE sip:{row[0]}").startswith("SIP/2.0 500 ")
        )
    yield


# -- strangers -------------------------------------------------------------------------


@asynccontextmanager
async def somebody_guesses_passwords(world: World) -> AsyncIterator[None]:
    register, to = "REGISTER sip:contoso.test", "sip:alice@contoso.test"
    await set_password(world.scene, "alice", "correct horse")
    with world.stranger() as peer:
        contact = f"Contact: <sip:alice@{peer.me}>"
        challenge = peer.asks(register, contact, to=to)
        nonce = re.search(r'nonce="([^"]+)"', challenge)
        assert nonce, challenge
        for n in range(60):
            proof = credentials("alice", "wrong", nonce[1], n + 1)
            peer.send(register, contact, proof, to=to)
    yield


@asynccontextmanager
async def somebody_dials_many_addresses(world: World) -> AsyncIterator[None]:
    with world.stranger() as peer:
        for n in range(25):
            peer.send(f"OPTIONS sip:{n}@contoso.test")
    yield


@asynccontextmanager
async def the_old_service_registers(world: World) -> AsyncIterator[None]:
    with world.stranger(SERVERS) as peer:
        contact = f"Contact: <sip:lookup@{peer.me}>"
        answer = peer.asks("REGISTER sip:contoso.test", contact, to=ALIAS)
    assert answer.startswith("SIP/2.0 403 "), answer
    yield


@asynccontextmanager
async def more_comes_than_fits(world: World) -> AsyncIterator[None]:
    """Long INVITEs that ring: of 64 MiB a third is for requests."""
    for each in (world.busy, world.slow):
        each.behaviour = Behaviour(provisional=(180,), delay=300.0)
    reader, writer = await asyncio.open_connection(*world.scene.proxy)
    with contextlib.closing(writer):
        status, number = b"180", 0
        while status == b"180":
            number += 1
            long = LONG_INVITE.format(n=number, slow=SLOW, body="x" * 60_000)
            writer.write(long.encode())
            status = b"100"
            while status == b"100":
                status = (await reader.readuntil(b"\r\n\r\n"))[8:11]
        assert status == b"503" and number > 100
        yield


# -- the end ---------------------------------------------------------------------------


@asynccontextmanager
async def it_is_drained(world: World) -> AsyncIterator[None]:
    os.kill(world.scene.service.pid, signal.SIGTERM)
    yield


@asynccontextmanager
async def it_dies(world: World) -> AsyncIterator[None]:
    await world.scene.service.kill()
    yield


STAGES: tuple[dict[Fault, str], ...] = (
    {
        a_name_goes: "DnsStale",
        one_pool_refuses_and_another_is_slow: "ManyFailovers Slow RequestsFail"
        " ChatProbeFails",
        a_front_end_is_drained: "FrontEndDrained",
        a_key_waits_for_a_restart: "RestartPending",
        its_certificate_is_of_one_day: "CertificateEnds",
        a_cutover_waits: "CutoverPending",
    },
    {
        another_certificate_is_no_good: "CertificateRejected",
        a_cutover_goes_wrong_under_guard: "GuardRolledBack CutoverRolledBack",
    },
    {somebody_moves_the_store_away: "StoreUnavailable"},
    {
        somebody_guesses_passwords: "PasswordGuessing",
        somebody_dials_many_addresses: "Scanned",
        the_old_service_registers: "OldServiceAlive",
        a_registration_is_damaged: "Faults",
        a_row_of_the_table_is_damaged: "TaskDown",
    },
    {the_disk_is_full: "StoreCannotBeWritten CutoverNotRolledBack LogLinesLost"},
    {
        the_only_front_end_dies: "PoolInPanic PoolWithoutFrontEnds FrontEndEjected",
        more_comes_than_fits: "Overloaded",
        it_is_drained: "Draining",
    },
    {it_dies: "Down"},
)
"""Faults that come together, and the alerts that each of them raises."""


def names_of(alerts: str) -> set[str]:
    return {f"Waypost{each}" for each in alerts.split()}


def test_every_alert_has_a_fault_that_raises_it() -> None:
    groups = yaml.safe_load(RULES)["groups"]
    shipped = [rule["alert"] for group in groups for rule in group["rules"]]
    raised = [names_of(alerts) for stage in STAGES for alerts in stage.values()]
    assert sorted(shipped) == sorted(name for names in raised for name in names)


@pytest.fixture
def disk() -> Iterator[Path]:
    # Outside of tmp_path: pytest looks through that, and this is gone by then.
    with (
        tempfile.TemporaryDirectory() as outside,
        small_disk(Path(outside) / "disk", 8_000) as directory,
    ):
        yield directory


@asynccontextmanager
async def world_on(disk: Path, directory: Path) -> AsyncIterator[World]:
    """Six front ends of four pools, five names for them, and one service."""
    files = Authority(directory).issue(
        "proxy.contoso.test", valid_for=timedelta(days=1)
    )
    admin, tls = ("{}:{}".format(*free_address(HOST)) for _ in ("admin", "tls"))
    extra = EXTRA.format(tls=tls, files=files, admin=admin)
    old, new, busy, slow = ends = [
        FrontEndServer(name, f"127.0.0.{28 + n}")
        for n, name in enumerate(("old", "new", "busy", "slow"))
    ]
    new.behaviour = Behaviour("answer", 500)
    busy.behaviour = Behaviour("answer", 503)
    slow.behaviour = Behaviour(delay=3.0)
    async with contextlib.AsyncExitStack() as stack:
        for each in ends:
            await each.start()
            stack.push_async_callback(each.stop)
        opened = two_pools(disk, (old.host, old.port), (new.host, new.port), extra)
        scene = await stack.enter_async_context(opened)
        scene.dns.ttl = 5  # the shortest that is believed
        for pool, front_ends in ((BUSY_POOL, (busy, slow)), (GONE_POOL, (old,))):
            for each in front_ends:
                scene.dns.set(f"{each.name}.{pool} A", each.host)
            for protocol in ("tcp", "udp"):
                scene.dns.set(
                    f"_sip._{protocol}.{pool} SRV",
                    [
                        f"{priority} 0 {each.port} {each.name}.{pool}."
                        for priority, each in enumerate(front_ends)
                    ],
                )
        leads = {ALIAS: OLD, BROKEN: NEW, SLOW: BUSY_POOL, GONE: GONE_POOL}
        for alias, pool in leads.items():
            words = ("--sip-address", alias, "--pool-fqdn", pool)
            await waypost(scene.config, "endpoint", "new", *words)
        await scene.follows()
        found = prometheus(directory / "prometheus", admin, quick(RULES))
        alerts = stack.enter_context(found)
        await comes_true(lambda: alerts.ask("up == 1"))
        yield World(scene, disk, Path(files.certificate), *ends, alerts)


async def test_each_alert_is_raised_and_says_what_to_do(
    tmp_path: Path, disk: Path
) -> None:
    async with world_on(disk, tmp_path) as world:
        for stage in STAGES:
            async with contextlib.AsyncExitStack() as stack:
                for fault in stage:
                    await stack.enter_async_context(fault(world))
                await world.raised(names_of(" ".join(stage.values())))
        text = world.scene.service.log.read_text()
    for name in ("endpoint.changed", "cutover.applied", "pool.drained"):
        assert f'"event": "{name}"' in text or f'"{name}"' in text


async def test_the_page_of_status_is_documented_key_by_key(tmp_path: Path) -> None:
    old, new = ("127.0.0.28", 5060), ("127.0.0.29", 5060)
    page = (ROOT / "docs/observability.md").read_text()
    table = page.partition("## /status as JSON")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line[:3] == "| `"]
    listed = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    async with two_pools(tmp_path, old, new) as scene:
        found = await waypost(scene.config, "status")
    assert found["status_version"] == 1
    only_then = {"waits_for", "workers", "workers_wanted", "worker_restarts"}
    assert listed - only_then == set(found)
