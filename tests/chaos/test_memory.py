"""Each thing that Waypost depends on stays away under load, and memory stays flat.

Every request comes from somebody new, so whatever is kept for later grows with them.
Some seconds in the suite; ``WAYPOST_SOAK_AWAY=600`` is ten minutes for each.
"""

import contextlib
import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.redis import RedisServer
from tests.support.service import HOST, ServiceProcess, new_service, sip_request
from tests.support.warm import run_now

pytestmark = pytest.mark.cold
SECONDS = float(os.environ.get("WAYPOST_SOAK_AWAY", "4"))
RATE = 250
GROWTH = 32 * 1024 * 1024
"""Bytes that may come after a quarter of the time: 10,000 names and some room."""
CHAT = "chat@contoso.test"
MORE = """
[registrar]
enabled = true
trusted_networks = ["127.0.0.0/8"]
[dns]
nameservers = ["127.0.0.1:1"]
"""


class Strangers:
    """A socket from which somebody new calls each time; answers are thrown away."""

    def __init__(self, service: ServiceProcess) -> None:
        self._proxy = (HOST, service.port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, 0))
        self._socket.setblocking(False)
        self._port = self._socket.getsockname()[1]
        self.answers = 0
        self._number = 0

    def close(self) -> None:
        self._socket.close()

    def call(self, seconds: float) -> None:
        """Calls to the endpoint, to an unknown user, and REGISTERs."""
        end, due = time.monotonic() + seconds, time.monotonic()
        while (now := time.monotonic()) < end:
            if now < due:
                time.sleep(due - now)
            due += 1 / RATE
            self._number += 1
            self._socket.sendto(self._request(self._number), self._proxy)
            with contextlib.suppress(BlockingIOError):
                while self._socket.recv(65535):
                    self.answers += 1

    def _request(self, number: int) -> bytes:
        method = "REGISTER" if number % 4 == 0 else "SUBSCRIBE"
        made = sip_request(method, branch=f"m{number}", port=self._port)
        who = f"stranger{number}@contoso.test".encode()
        made = made.replace(b"alice@contoso.test", who)
        if method == "REGISTER":
            contact = f"Contact: <sip:x@{HOST}:{self._port}>\r\nExpires: 600\r\n"
            made = made.replace(b"REGISTER sip:bob@", b"REGISTER sip:")
            made = made.replace(b"To: <sip:bob@contoso.test>", b"To: <sip:%b>" % who)
            return made.replace(b"Content-", contact.encode() + b"Content-", 1)
        callee = CHAT if number % 4 == 1 else "bob@contoso.test"
        return made.replace(b"bob@contoso.test", callee.encode())


def resident(service: ServiceProcess) -> int:
    for line in service.get("/metrics")[1].splitlines():
        if line.startswith("waypost_process_resident_bytes "):
            return int(float(line.split()[1]))
    raise AssertionError(service.log)


@contextlib.contextmanager
def serving(directory: Path, **environment: str) -> Iterator[ServiceProcess]:
    """A service with one endpoint, whose name server does not answer."""
    service = new_service(directory, **environment)
    service.config.write_text(service.config.read_text() + MORE)
    new = ("endpoint", "new", "--sip-address", CHAT, "--pool-fqdn", "pool.contoso.test")
    line = ("--config", str(service.config), *new)
    run_now(*line, env={**os.environ, **environment}).check_returncode()
    service.start()
    try:
        yield service
    finally:
        service.end()


def stays_flat(service: ServiceProcess) -> None:
    strangers = Strangers(service)
    try:
        strangers.call(SECONDS / 4)
        before = resident(service)
        strangers.call(SECONDS * 3 / 4)
        grown = resident(service) - before
    finally:
        strangers.close()
    assert strangers.answers > SECONDS * RATE / 4, "it answers all the same"
    assert grown < GROWTH, f"{grown / 1e6:.0f} MB more after {SECONDS:.0f} s"
    assert service.get("/ready")[0] == 200


def test_redis_is_away(tmp_path: Path) -> None:
    redis = RedisServer(tmp_path)
    redis.start()
    with serving(tmp_path, WAYPOST_STORE_URL=redis.url) as service:
        redis.kill()
        stays_flat(service)
        assert json.loads(service.get("/status")[1])["store_away_since"]


def test_sqlite_is_locked(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        holder = sqlite3.connect(tmp_path / "waypost.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        stays_flat(service)
        holder.close()


def test_dns_does_not_answer(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        stays_flat(service)


def test_the_pool_is_silent(tmp_path: Path) -> None:
    """Whoever is not served by us goes to a next hop that never says a word."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HOST, 0))
        hop = f"{HOST}:{silent.getsockname()[1]}"
        service = new_service(tmp_path, next_hop=hop, total=1.0)
        short = "first_answer = 1.0\nsilence = 1.0\nconnect = 1.0\ntotal = 1.0"
        text = service.config.read_text().replace("total = 1.0", short)
        service.config.write_text(text)
        service.start()
        try:
            stays_flat(service)
        finally:
            service.end()


def test_what_waited_for_redis_is_saved_when_it_is_back(tmp_path: Path) -> None:
    redis = RedisServer(tmp_path)
    redis.start()
    with serving(tmp_path, WAYPOST_STORE_URL=redis.url) as service:
        redis.kill()
        stays_flat(service)
        redis.start()
        end = time.monotonic() + 30
        while b":0" in redis.send("HLEN {waypost}:usage:" + CHAT):
            assert time.monotonic() < end
            time.sleep(0.5)
        redis.kill()
