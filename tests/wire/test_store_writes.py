"""A store that answers and takes no changes: said everywhere, and over by itself.

Full disks are real ones (a small tmpfs), Redis is at its real limits, files really
belong to somebody else or are really replaced.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.admin.control import ControlError
from proxy.admin.in_force import rollback_keeper
from proxy.config import load_config
from proxy.lab.service import command
from tests.support.redis import RedisServer
from tests.support.service import HOST, ServiceProcess, new_service
from tests.support.small_disk import fill, make_room, needs_root, small_disk
from tests.support.warm import Ended, run_now

REGISTRAR = '[registrar]\nenabled = true\ntrusted_networks = ["127.0.0.0/8"]\n'
PLAN = """
[[change]]
sip_address = "sip:two@contoso.test"
pool_fqdn = "pool.contoso.test"
create = true
"""
NOBODY = 65534


@contextlib.contextmanager
def configured(directory: Path, **environment: str) -> Iterator[ServiceProcess]:
    service = new_service(directory, **environment)
    service.config.write_text(service.config.read_text() + REGISTRAR)
    try:
        yield service
    finally:
        service.end()


def register(service: ServiceProcess, user: str) -> int:
    """The status that a REGISTER gets."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind((HOST, 0))
        client.settimeout(10)
        port = client.getsockname()[1]
        lines = [
            "REGISTER sip:contoso.test SIP/2.0",
            f"Via: SIP/2.0/UDP {HOST}:{port};branch=z9hG4bK{user}{time.monotonic_ns()}",
            f"From: <sip:{user}@contoso.test>;tag=1",
            f"To: <sip:{user}@contoso.test>",
            f"Call-ID: {user}{time.monotonic_ns()}",
            "CSeq: 1 REGISTER",
            f"Contact: <sip:{user}@{HOST}:{port}>",
            "Expires: 600",
            "Content-Length: 0",
        ]
        message = "\r\n".join([*lines, "", ""]).encode()
        client.sendto(message, (HOST, service.port))
        while (status := int(client.recv(65535).split(b" ")[1])) < 200:
            continue
        return status


def metric(service: ServiceProcess, name: str) -> float:
    for line in service.get("/metrics")[1].splitlines():
        if line.startswith(f"waypost_{name} "):
            return float(line.rpartition(" ")[2])
    raise AssertionError(name)


def until(condition: Callable[[], bool], seconds: float = 12) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def waypost(service: ServiceProcess, *words: str) -> Ended:
    environment = {**os.environ, **service.environment}
    return run_now("--config", str(service.config), *words, env=environment)


def says(service: ServiceProcess, word: str) -> None:
    """Status, page, metrics and log say that it cannot be written, and why."""
    until(lambda: metric(service, "store_writable") == 0)
    assert metric(service, "store_up") == 0
    assert metric(service, "store_unwritable_seconds") > 0
    assert metric(service, "store_away_seconds") == 0, "it answers"
    found = json.loads(service.get("/status")[1])
    assert found["store"].startswith("cannot be written since 20")
    assert word in found["store"] and found["store_writable"] is False
    said = "ready; store: cannot be written since 20"
    until(lambda: service.get("/ready")[1].startswith(said), 3)
    assert service.get("/ready")[0] == 200, "calls go on"
    assert waypost(service, "status", "--ready").returncode == 0
    shown = " ".join(waypost(service, "status").stdout.split())
    assert "cannot be written since" in shown and word in shown
    assert "store.not_written" in service.log
    assert register(service, "refused") == 503
    # No rollback is promised that this service could not make.
    promise = rollback_keeper(load_config(service.config))
    assert "its store cannot be written since" in promise.problem
    with pytest.raises(ControlError, match="--force goes on without"):
        promise.refuse_unless(force=False)


def is_over(service: ServiceProcess) -> None:
    """By itself, soon, and told."""
    until(lambda: metric(service, "store_writable") == 1)
    assert metric(service, "store_up") == 1
    assert json.loads(service.get("/status")[1])["store"] == "ok"
    assert "store.written" in service.log
    assert register(service, "again") == 200


@needs_root
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_disk_that_fills_up(tmp_path, workers) -> None:
    with (
        small_disk(tmp_path / "fs") as disk,
        configured(tmp_path, WAYPOST_SERVER_WORKERS=workers) as service,
    ):
        text = service.config.read_text()
        service.config.write_text(text.replace("waypost.db", "fs/waypost.db"))
        service.start()
        assert register(service, "one") == 200
        fill(disk)
        says(service, "has no room to write")
        make_room(disk)
        is_over(service)


@needs_root
def test_a_disk_that_is_full_at_the_start_is_no_reason_not_to_serve(tmp_path) -> None:
    with small_disk(tmp_path / "fs") as disk, configured(tmp_path) as service:
        text = service.config.read_text()
        service.config.write_text(text.replace("waypost.db", "fs/waypost.db"))
        service.start()
        service.end()
        fill(disk)
        service.start()
        says(service, "has no room to write")
        checked = waypost(service, "config", "check")
        assert checked.returncode == 3 and "has no room to write" in checked.stdout
        make_room(disk)
        is_over(service)


@pytest.mark.parametrize(
    "ill, well, word",
    [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "has no memory left"),
        (
            "CONFIG SET min-replicas-to-write 1",
            "CONFIG SET min-replicas-to-write 0",
            "fewer replicas than its min-replicas-to-write",
        ),
        (f"REPLICAOF {HOST} 1", "REPLICAOF NO ONE", "is a replica and cannot"),
    ],
)
def test_a_redis_that_refuses_changes(tmp_path, ill, well, word) -> None:
    redis = RedisServer(tmp_path)
    redis.start()
    try:
        with configured(tmp_path, WAYPOST_STORE_URL=redis.url) as service:
            service.start()
            assert register(service, "one") == 200
            redis.send(ill)
            says(service, word)
            service.end()
            service.start()
            says(service, word)
            checked = waypost(service, "config", "check")
            assert checked.returncode == 3 and word in " ".join(checked.stdout.split())
            redis.send(well)
            is_over(service)
    finally:
        redis.kill()


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv"
)
def test_a_file_of_somebody_else_ends_the_start_and_says_whose_it_is(tmp_path) -> None:
    """A backup that root has put back."""
    with configured(tmp_path) as service:
        made = waypost(
            *(service, "endpoint", "new", "--sip-address", "a@contoso.test"),
            *("--pool-fqdn", "pool.contoso.test"),
        )
        assert made.returncode == 0, made.stderr
        (tmp_path / "waypost.db").chmod(0o644)
        for each in (tmp_path, service.config):
            os.chown(each, NOBODY, NOBODY)
        service.waypost = [
            *("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY)),
            *("--clear-groups", "--inh-caps", "+dac_read_search"),
            *("--ambient-caps", "+dac_read_search", *command()),
        ]
        service.start(is_ready=False)
        assert service.wait() == 3
        path = tmp_path / "waypost.db"
        assert f"{path} belongs to root and you are nobody" in service.log
        assert f"chown nobody: {path}*" in service.log


def test_a_file_that_is_replaced_takes_no_registration_that_would_be_lost(
    tmp_path,
) -> None:
    with configured(tmp_path) as service:
        service.start()
        assert register(service, "early") == 200
        for each in tmp_path.glob("waypost.db*"):
            each.unlink()
        (tmp_path / "waypost.db").write_bytes(b"")
        until(lambda: metric(service, "store_up") == 0)
        assert register(service, "late") == 503
        told = json.loads(service.get("/status")[1])["store"]
        assert "has been replaced or removed" in told
        assert service.get("/ready")[0] == 200


def test_a_backup_that_is_put_back_is_gone_on_with(tmp_path) -> None:
    with configured(tmp_path) as service:
        service.start()
        assert register(service, "early") == 200
        backup = tmp_path / "backup"
        line = ["sqlite3", str(tmp_path / "waypost.db"), f"VACUUM INTO '{backup}'"]
        if shutil.which("sqlite3"):
            subprocess.run(line, check=True)
        else:
            _copy(tmp_path / "waypost.db", backup)
        assert register(service, "lost") == 200
        for each in tmp_path.glob("waypost.db*"):
            each.unlink()
        os.replace(backup, tmp_path / "waypost.db")
        until(lambda: "registrar.loaded" in service.log.partition("opened again")[2])
        assert register(service, "late") == 200
        rows = json.loads(waypost(service, "--json", "binding", "list").stdout)
        assert {each["aor"].partition("@")[0] for each in rows} == {"early", "late"}
        assert metric(service, "bindings") == 2


def _copy(path: Path, backup: Path) -> None:
    import sqlite3

    with contextlib.closing(sqlite3.connect(path)) as source:
        source.execute(f"VACUUM INTO '{backup}'")


@needs_root
def test_a_rollback_that_cannot_be_written_is_told_once_and_shown(tmp_path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    with small_disk(tmp_path / "fs") as disk, configured(tmp_path) as service:
        text = service.config.read_text()
        service.config.write_text(text.replace("waypost.db", "fs/waypost.db"))
        service.start()
        apply = ("cutover", "apply", str(tmp_path / "plan.toml"), "--force")
        done = waypost(service, *apply, "--confirm-within", "0.05")
        assert done.returncode == 0, done.stderr
        fill(disk)
        until(lambda: metric(service, "cutover_overdue_seconds") > 2)
        assert service.log.count("cutover.not_rolled_back") == 1
        shown = waypost(service, "cutover", "status")
        assert shown.returncode == 0, shown.stderr
        assert "has no room to write" in " ".join(shown.stdout.split())
        assert "overdue" in shown.stdout
        assert "could not be rolled back" in waypost(service, "status").stdout
        make_room(disk)
        until(lambda: "cutover.rolled_back" in service.log)
        until(lambda: metric(service, "cutover_overdue_seconds") == 0)
