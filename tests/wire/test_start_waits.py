"""A start that meets passing trouble waits, says so, and goes on by itself.

The real `waypost serve` with a Redis that is not there, a locked file, a full disk, an
address that is taken.  What a person must mend still ends it with exit code 3.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.lab.service import command
from proxy.store.sqlite.file import SqliteFile
from tests.support.redis import RedisServer
from tests.support.service import HOST, ServiceProcess, new_service
from tests.support.small_disk import fill, make_room, needs_root, small_disk
from tests.support.warm import run_now

ONE: dict[str, str] = {}
TWO = {"WAYPOST_SERVER_WORKERS": "2"}


@contextlib.contextmanager
def starting(directory: Path, **environment: str) -> Iterator[ServiceProcess]:
    """A service that is configured and not started."""
    service = new_service(directory, **environment)
    try:
        yield service
    finally:
        service.end()


def waits(service: ServiceProcess, word: str) -> None:
    """It is alive, not ready, and says everywhere what it waits for."""
    service.wait_for_log("service.waiting")
    assert word in service.log
    status, body = wait_for(service, "/ready")
    assert status == 503 and body.startswith("starting\nwaiting: ") and word in body
    assert service.get("/health")[0] == 200
    found = json.loads(service.get("/status")[1])
    assert found["phase"] == "starting" and word in found["waits_for"]
    told = run_now("--config", str(service.config), "status")
    assert word in " ".join(told.stdout.split())


def wait_for(service: ServiceProcess, path: str) -> tuple[int, str]:
    end = time.monotonic() + 10
    while not (found := service.get(path))[0]:
        assert time.monotonic() < end, service.log
        time.sleep(0.02)
    return found


def serves(service: ServiceProcess) -> None:
    """It has started meanwhile."""
    end = time.monotonic() + 15
    while service.get("/ready")[0] != 200:
        assert service.child is not None and service.child.poll() is None, service.log
        assert time.monotonic() < end, service.log
        time.sleep(0.02)
    assert service.get("/ready")[1] == "ready\n"
    assert service.log.count("service.waiting") == 1, "said once, not at every try"
    assert service.log.count("service.started") == 1
    service.signal(signal.SIGTERM)
    assert service.wait() == 0


@pytest.mark.parametrize("workers", [ONE, TWO])
def test_a_redis_that_is_not_there_yet_is_waited_for(tmp_path, workers) -> None:
    redis = RedisServer(tmp_path)
    name = str(tmp_path / "manager")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        manager.settimeout(10)
        wanted = {"WAYPOST_STORE_URL": redis.url, "NOTIFY_SOCKET": name, **workers}
        with starting(tmp_path, **wanted) as service:
            service.start(is_ready=False)
            told = manager.recv(1000).decode()
            assert told.startswith("STATUS=waiting: the Redis store")
            assert "EXTEND_TIMEOUT_USEC=" in told, "its patience is not ours"
            waits(service, "cannot be reached")
            redis.start()
            try:
                serves(service)
            finally:
                redis.kill()


def test_a_locked_file_is_waited_for(tmp_path) -> None:
    path = tmp_path / "waypost.db"
    SqliteFile(path).close()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    with starting(tmp_path) as service:
        service.start(is_ready=False)
        waits(service, "is locked by another process")
        holder.close()
        serves(service)


@needs_root
def test_a_full_disk_is_waited_for(tmp_path) -> None:
    with small_disk(tmp_path / "fs", 300) as disk, starting(tmp_path) as service:
        text = service.config.read_text()
        service.config.write_text(text.replace("waypost.db", "fs/waypost.db"))
        fill(disk)
        service.start(is_ready=False)
        waits(service, "has no room to write")
        make_room(disk)
        serves(service)


@pytest.mark.parametrize("workers", [ONE, TWO])
@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_an_address_that_is_still_in_use_is_waited_for(tmp_path, workers, kind) -> None:
    with starting(tmp_path, **workers) as service:
        with socket.socket(socket.AF_INET, kind) as taken:
            taken.bind((HOST, service.port))
            if kind == socket.SOCK_STREAM:
                taken.listen()
            service.start(is_ready=False)
            waits(service, "is in use by another process")
        serves(service)


def test_an_address_that_is_not_there_yet_is_waited_for(tmp_path) -> None:
    if os.geteuid() or not shutil.which("ip") or not shutil.which("unshare"):
        pytest.skip("only root may give a machine addresses")
    # In a network of its own: the address comes when it is known to be missed.
    comes = tmp_path / "comes"
    with starting(tmp_path) as service:
        text = service.config.read_text()
        text = text.replace(f'"{HOST}:{service.port}"', '"198.51.100.7:5060"')
        service.config.write_text(text)
        script = (
            "ip link set lo up\n"
            f"(until [ -e {comes} ]; do kill -0 $$ || exit; sleep 0.1; done\n"
            " ip addr add 198.51.100.7/32 dev lo) &\n"
            f'exec {" ".join(command())} "$@"'
        )
        service.waypost = ["unshare", "--net", "sh", "-c", script, "sh"]
        service.start(is_ready=False)
        service.wait_for_log("service.waiting")
        assert "is not an address of this machine" in service.log
        comes.touch()
        service.wait_for_log("service.started")


@pytest.mark.parametrize("workers", [ONE, TWO])
def test_what_a_person_must_mend_ends_the_start_with_3(tmp_path, workers) -> None:
    with starting(tmp_path, **workers) as service:
        (tmp_path / "waypost.db").write_bytes(b"no store" * 200)
        service.start(is_ready=False)
        assert service.wait() == 3
        assert "service.waiting" not in service.log


@pytest.mark.parametrize("workers", [ONE, TWO])
def test_a_stop_while_it_waits_is_obeyed_at_once(tmp_path, workers) -> None:
    url = f"redis://{HOST}:1/0"
    with starting(tmp_path, WAYPOST_STORE_URL=url, **workers) as service:
        service.start(is_ready=False)
        service.wait_for_log("service.waiting")
        start = time.monotonic()
        service.signal(signal.SIGTERM)
        assert service.wait(10) == 0
        assert time.monotonic() - start < 4
        assert "service.failed" not in service.log


@pytest.mark.cold
@pytest.mark.parametrize("workers", [ONE, TWO])
def test_a_reload_is_ignored_until_there_is_something_to_reload(
    tmp_path, workers
) -> None:
    """SIGHUP ends a process that has not said otherwise; see signal(7)."""
    with starting(tmp_path, **workers) as service:
        service.start(is_ready=False)
        assert service.child is not None
        bit = 1 << signal.SIGHUP - 1
        while not (masks := signal_masks(service.child.pid))["SigIgn"] & bit:
            assert not masks["SigCgt"] & bit, "handled, and deadly before that"
        while service.get("/ready")[0] != 200:
            assert service.child.poll() is None, service.child.returncode
            service.signal(signal.SIGHUP)
            time.sleep(0.002)
        service.signal(signal.SIGTERM)
        while service.child.poll() is None:
            service.signal(signal.SIGHUP)
            time.sleep(0.001)
        assert service.wait() == 0


def signal_masks(process: int) -> dict[str, int]:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    found = dict(line.split(":\t", 1) for line in lines if line.startswith("Sig"))
    return {name: int(found[name], 16) for name in ("SigIgn", "SigCgt")}
