"""kill -9 in the middle of a restore into a real Redis: all of it or nothing."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy import clock
from proxy.admin.storage.backup import back_up
from proxy.lab.service import command
from tests.support.redis import RedisServer
from tests.support.rich_store import everything, fill_store
from tests.support.service import ServiceProcess, new_service
from tests.wire.test_store_writes import waypost

CONTACTS = 10_000
DOMAIN = "@contoso.test"
STAGED = "EXISTS {waypost}:restore:endpoints {waypost}:restore:bindings"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A store that takes a while to put back, in a file."""
    path = tmp_path / "large.db"
    asyncio.run(fill_store(f"sqlite:///{path}"))
    with contextlib.closing(sqlite3.connect(path)) as db:
        _, *rest = db.execute("SELECT * FROM bindings LIMIT 1").fetchone()
        marks = ", ".join("?" * (1 + len(rest)))
        db.executemany(
            f"INSERT INTO bindings VALUES ({marks})",
            [(f"late{number}{DOMAIN}", *rest) for number in range(CONTACTS)],
        )
        db.commit()
    found = asyncio.run(back_up(f"sqlite:///{path}", tmp_path / "b.db", clock.wall()))
    return found.path


@pytest.fixture
def service(tmp_path: Path, redis: RedisServer) -> ServiceProcess:
    """Its configuration; it is not started."""
    service = new_service(tmp_path, WAYPOST_STORE_URL=redis.url)
    asyncio.run(fill_store(redis.url))
    return service


def begun(service: ServiceProcess, redis: RedisServer, backup: Path, seconds: float):
    """A restore that has been staging rows for so long."""
    child = subprocess.Popen(
        command(
            *("--config", str(service.config), "store", "restore", str(backup)),
            "--force",
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **service.environment},
    )
    while child.poll() is None and redis.send(STAGED) == b":0\r\n":
        time.sleep(0.001)
    time.sleep(seconds)
    return child


def addresses(redis: RedisServer) -> int:
    """How often the store speaks of the domain: with half of the rows it is less."""
    return str(asyncio.run(everything(redis.url))).count(DOMAIN)


def test_a_killed_restore_leaves_a_redis_as_it_was_or_as_it_shall_be(
    service: ServiceProcess, redis: RedisServer, backup: Path
) -> None:
    before, found = asyncio.run(everything(redis.url)), []
    for seconds in (0.0, 0.1, 0.4):
        child = begun(service, redis, backup, seconds)
        child.kill()
        child.wait(30)
        found.append(asyncio.run(everything(redis.url)))
        if found[-1] != before:
            break  # it was quicker than we: all of it must be there
    assert waypost(service, "store", "restore", str(backup), "--force").returncode == 0
    after = addresses(redis)
    assert after > CONTACTS
    assert all(x == before or str(x).count(DOMAIN) == after for x in found)
    assert redis.send(STAGED) == b":0\r\n"


def test_a_redis_that_is_killed_during_a_restore_is_as_it_was_or_as_it_shall_be(
    service: ServiceProcess, redis: RedisServer, backup: Path
) -> None:
    before = asyncio.run(everything(redis.url))
    child = begun(service, redis, backup, 0.1)
    redis.kill()
    status = child.wait(60)
    redis.start()
    found = asyncio.run(everything(redis.url))
    assert waypost(service, "store", "restore", str(backup), "--force").returncode == 0
    assert status or found != before
    assert found == before or str(found).count(DOMAIN) == addresses(redis)
    assert redis.send(STAGED) == b":0\r\n"
