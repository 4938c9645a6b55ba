"""Backups of a store that a service writes to, and kill -9 in the middle."""

import asyncio
import contextlib
import json
import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.lab.service import command
from proxy.server.store_side import store_writes
from proxy.store import open_store
from proxy.store.sqlite.backup_file import BackupError, examine
from tests.support.service import ServiceProcess, new_service
from tests.wire.test_store_writes import register, until, waypost

REGISTRAR = '[registrar]\nenabled = true\ntrusted_networks = ["127.0.0.0/8"]\n'
CONTACTS = 20_000


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceProcess]:
    service = new_service(tmp_path)
    service.config.write_text(service.config.read_text() + REGISTRAR)
    yield service
    service.end()


@contextlib.contextmanager
def registering(service: ServiceProcess, done: list[str]) -> Iterator[None]:
    """Clients register one after the other; who got a 200 is in ``done``."""
    is_over = threading.Event()
    statuses = set()

    def run() -> None:
        while not is_over.is_set():
            name = f"u{len(done)}"
            statuses.add(register(service, name))
            done.append(name)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
    assert statuses == {200}


def names_in(path: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT aor FROM bindings").fetchall()
    return {aor.partition("@")[0] for (aor,) in rows}


def test_a_backup_under_load_has_every_registration_of_before(
    service: ServiceProcess, tmp_path: Path
) -> None:
    service.start()
    done: list[str] = []
    with registering(service, done):
        for number in range(3):
            until(lambda wanted=6 * number + 6: len(done) >= wanted)
            before = set(done)
            path = tmp_path / f"{number}.db"
            made = waypost(service, "store", "backup", str(path))
            assert made.returncode == 0, made.stderr
            assert before <= names_in(path)
            examine(path)


def test_a_running_service_keeps_its_store_and_a_stopped_one_gets_the_backup(
    service: ServiceProcess, tmp_path: Path
) -> None:
    service.start()
    assert register(service, "alice") == 200
    backup = str(tmp_path / "b.db")
    assert waypost(service, "store", "backup", backup).returncode == 0
    assert register(service, "bob") == 200
    holder = f'"waypost serve" (process {service.child.pid})'
    refused = waypost(service, "store", "restore", backup, "--force")
    assert refused.returncode in (1, 3)
    assert f"is in use by {holder}" in refused.stderr
    assert "systemctl stop waypost" in refused.stderr
    # What would happen can be asked while the service runs: nothing is changed.
    asked = waypost(service, "store", "restore", backup, "--force", "--what-if")
    assert asked.returncode == 0, asked.stderr
    assert "not in it: registrations up to" in asked.stdout
    assert f"not yet: {holder} has the store open" in asked.stdout
    newer = waypost(service, "store", "restore", backup, "--what-if")
    assert newer.returncode == 1 and "registrations up to" in newer.stderr
    line = "--json", "store", "restore", backup, "--force", "--what-if"
    assert json.loads(waypost(service, *line).stdout)["in_use_by"] == holder
    assert register(service, "carol") == 200
    service.end()
    refused = waypost(service, "store", "restore", backup)
    assert refused.returncode == 1 and "registrations up to" in refused.stderr
    done = waypost(service, "store", "restore", backup, "--force")
    assert done.returncode == 0, done.stderr
    service.start()
    assert names_in(tmp_path / "waypost.db") == {"alice"}
    assert register(service, "dora") == 200


async def test_a_service_empties_the_log_of_its_store_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only when 4 MB have come together."""
    monkeypatch.setattr(store_writes, "AGAIN", 0.01)
    monkeypatch.setattr(store_writes, "TIDY", 0.1)
    store = await open_store(f"sqlite:///{tmp_path}/waypost.db")
    await store.set_note("x", "y" * 10_000)
    log = tmp_path / "waypost.db-wal"
    assert log.stat().st_size > 10_000
    writes = store_writes.StoreWrites()
    writes.done()

    async def look() -> None:
        while log.stat().st_size:
            await asyncio.sleep(0.01)
        raise Emptied

    with pytest.raises(ExceptionGroup) as ended:
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(writes.watch(store, is_first=True))
            group.create_task(look())
    assert ended.group_contains(Emptied)
    await store.close()


class Emptied(Exception):
    """What was waited for."""


# -- kill -9 -------------------------------------------------------------------------


@pytest.fixture
def large(service: ServiceProcess, tmp_path: Path) -> ServiceProcess:
    """A store that takes a while to copy."""
    assert waypost(service, "endpoint", "get").returncode == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "waypost.db")) as db:
        db.executemany(
            "INSERT INTO bindings VALUES (?, 'k', 'u', 'v', 1.0, 9e9, 1.0, 'c', 1, '',"
            " 0, '', 'agent', 'udp:10.0.0.1:5060', '', '')",
            [(f"u{number}@contoso.test",) for number in range(CONTACTS)],
        )
        db.commit()
    return service


def parts(folder: Path) -> list[Path]:
    return [*folder.glob(".waypost-part-*")]


def killed(service: ServiceProcess, folder: Path, seconds: float, *words: str) -> bool:
    """Run a command and kill it so long after it began to write; False: too late."""
    child = subprocess.Popen(
        command("--config", str(service.config), *words),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **service.environment},
    )
    while not parts(folder) and child.poll() is None:
        time.sleep(0.001)
    time.sleep(seconds)
    child.kill()
    return child.wait(30) == -9


def test_a_killed_backup_leaves_the_old_one_and_nothing_else(
    large: ServiceProcess, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    line = "store", "backup", str(folder / "b.db")
    assert waypost(large, *line).returncode == 0
    first = examine(folder / "b.db")
    for seconds in (0.0, 0.05, 0.1, 0.2):
        if killed(large, folder, seconds, *line):
            assert len(parts(folder)) <= 1
        examine(folder / "b.db")
    assert waypost(large, *line).returncode == 0
    assert examine(folder / "b.db").made_at != first.made_at
    assert os.listdir(folder) == ["b.db"]


def test_a_killed_restore_leaves_the_old_store_or_the_new_one(
    large: ServiceProcess, tmp_path: Path
) -> None:
    store, backup = tmp_path / "waypost.db", tmp_path / "out" / "b.db"
    backup.parent.mkdir()
    assert waypost(large, "store", "backup", str(backup)).returncode == 0
    line = "store", "restore", str(backup), "--force"
    seen, tries = set(), 0
    delays = [0.0, 0.1, 0.2, 0.4, 0.8]
    while delays:
        seconds = delays.pop()
        with contextlib.closing(sqlite3.connect(store)) as db:
            db.execute("INSERT OR REPLACE INTO notes VALUES ('kill', 'old')")
            db.commit()
        killed(large, tmp_path, seconds, *line)
        with contextlib.closing(sqlite3.connect(store)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            count = db.execute("SELECT count(*) FROM bindings").fetchone()[0]
            seen.add(bool(db.execute("SELECT 1 FROM notes").fetchone()))
        assert count == CONTACTS
        tries += 1
        if not delays and True not in seen and tries < 30:
            delays.append(0.0)  # this machine was too busy to kill it in time
    assert waypost(large, *line).returncode == 0
    assert not parts(tmp_path)
    assert True in seen, "none was killed before its end"
    with contextlib.closing(sqlite3.connect(store)) as db:
        assert not db.execute("SELECT 1 FROM notes").fetchone()


def test_a_killed_restore_leaves_no_second_name_of_the_store(
    large: ServiceProcess, tmp_path: Path
) -> None:
    """As one that was killed between keeping the old file and the rename."""
    store, backup = tmp_path / "waypost.db", tmp_path / "b.db"
    assert waypost(large, "store", "backup", str(backup)).returncode == 0
    os.link(store, tmp_path / "waypost.db.before-restore-1")
    assert waypost(large, "store", "restore", str(backup)).returncode == 0
    kept = [*tmp_path.glob("waypost.db.before-restore-*")]
    assert len(kept) == 1 and kept[0].name != "waypost.db.before-restore-1"
    with pytest.raises(BackupError):
        examine(tmp_path / "waypost.toml")
