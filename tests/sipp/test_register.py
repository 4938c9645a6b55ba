"""The registrar under load: every 200 is in the store, and 20,000 bindings start fast.

Short in the suite, where a slow machine must not make it fail; `make soak` makes the
promises good: 1,000 REGISTERs a second with a durable answer, a second from start to
ready with 20,000 bindings.
"""

import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from proxy import clock
from proxy.lab.service import Service
from proxy.location.binding import FIELDS, Binding
from tests.bench.measure import cpu_seconds
from tests.sipp.runner import Sipp
from tests.support.ports import free_port

pytestmark = pytest.mark.cold
SOAK = os.environ.get("WAYPOST_SOAK_REGISTER")
RATE, SECONDS = (int(part) for part in (SOAK or "200x2").split("x"))
READY = 1.0 if SOAK else 8.0
"""Seconds from the start of the process to its first answer."""
BINDINGS = 20_000
RESIDENT = 250.0
"""MiB that they may take."""
CONFIG = """
[proxy]
domains = ["contoso.test"]
[[listen]]
transport = "udp"
address = "{host}:{port}"
[store]
url = "sqlite:///waypost.db"
[dns]
nameservers = ["127.0.0.1:9"]
[registrar]
enabled = true
trusted_networks = ["127.0.0.43/32"]
[log]
access = false
[admin]
listen = ""
"""


class World:
    """A registrar in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.database = directory / "waypost.db"
        self.address = ("127.0.0.46", free_port("127.0.0.46"))
        self.service = Service(directory / "waypost.toml", directory / "serve.log")
        host, port = self.address
        self.service.config.write_text(CONFIG.format(host=host, port=port))

    def bindings(self) -> int:
        with sqlite3.connect(self.database) as db:
            return db.execute("SELECT count(*) FROM bindings").fetchone()[0]


def resident(pid: int) -> float:
    """MiB of a process in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def test_every_answer_is_a_promise_and_none_is_missing(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.service.start(world.address)
    try:
        caller = Sipp(
            tmp_path,
            "uac_register",
            "127.0.0.43",
            remote=world.address,
            calls=RATE * SECONDS,
            rate=RATE,
        )
        pid = world.service.pid
        before, started = cpu_seconds({pid}), time.perf_counter()
        await caller.start()
        outcome = await caller.wait(SECONDS + 30)
        seconds = time.perf_counter() - started
        spent = cpu_seconds({pid}) - before
        os.kill(pid, signal.SIGKILL)
        await world.service.wait()
    finally:
        await world.service.stop()
    assert (outcome.successful, outcome.failed) == (RATE * SECONDS, 0), outcome.errors
    assert world.bindings() == RATE * SECONDS
    print(
        f"\n{outcome.successful} REGISTERs in {seconds:.1f} s "
        f"({outcome.successful / seconds:.0f}/s), 0 failed, "
        f"{outcome.retransmissions} retransmissions, all in the store after kill -9, "
        f"{spent / outcome.successful * 1e6:.0f} us of CPU each"
    )


def fill(database: Path) -> None:
    """Bindings as legacy clients make them."""
    now = clock.wall()
    rows = []
    for n in range(BINDINGS):
        instance = b"<urn:uuid:4b1682a8-f968-5701-83fc-%012x>" % n
        uri = b"sip:10.1.%d.%d:%d;transport=tcp" % (n >> 8, n & 255, 1024 + n)
        value = b'<%b>;proxy=replace;+sip.instance="%b"' % (uri, instance)
        binding = Binding(
            f"user{n}@contoso.test", instance, uri, value, 1.0, now + 3600, now,
            b"call-%d" % n, 1, instance, 0, f"{n:010x}", "UCCAPI/3.5.6907.0",
            f"tcp:10.1.{n >> 8}.{n & 255}:{1024 + n}", b"", b"t" * 30,
        )  # fmt: skip
        rows.append(binding.row())
    marks = ", ".join("?" * len(FIELDS))
    with sqlite3.connect(database) as db:
        db.executemany(
            f"INSERT INTO bindings ({', '.join(FIELDS)}) VALUES ({marks})", rows
        )
    db.close()


async def test_a_start_with_20_000_bindings_is_short_and_small(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.service.start(world.address)  # makes the store
    await world.service.stop()
    fill(world.database)
    started = time.perf_counter()
    await world.service.start(world.address)
    seconds = time.perf_counter() - started
    try:
        memory = resident(world.service.pid)
    finally:
        await world.service.stop()
    print(f"\n{BINDINGS} bindings: ready after {seconds:.2f} s, {memory:.0f} MiB")
    assert seconds <= READY
    assert memory <= RESIDENT
