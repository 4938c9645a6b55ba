"""A backup holds all of a store that is in use, and is whole or not there."""

import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from proxy.admin.control import ControlError
from proxy.admin.storage.backup import back_up, thin_out
from proxy.location.binding import Binding, BindingChange
from proxy.store import StoreError
from proxy.store.sqlite.backup_file import BackupError, examine
from proxy.store.sqlite.file import SqliteFile
from tests.support.rich_store import everything, fill_store
from tests.support.small_disk import fill, needs_root, small_disk

NOW = 1_800_000_000.0


async def test_a_backup_of_either_kind_is_a_whole_store(full, tmp_path) -> None:
    path = tmp_path / "b.db"
    made = await back_up(full, path, NOW)
    assert path.stat().st_mode & 0o777 == 0o600
    assert made == examine(path)
    assert made.origin == full.partition(":")[0]
    assert made.contents.rows["bindings"] == 1200
    assert [each.name for each in tmp_path.iterdir() if "part" in each.name] == []
    assert await everything(f"sqlite:///{path}") == await everything(full)


async def test_a_backup_is_one_moment_of_a_store_that_is_written_to(tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/waypost.db"
    await fill_store(url)
    done, is_over = [0], threading.Event()

    def write() -> None:
        """Two contacts in one transaction, always equal."""
        file = SqliteFile(Path(tmp_path / "waypost.db"))
        while not is_over.is_set():
            number = done[0] + 1
            both = [
                Binding(f"{x}@x", b"k", b"u", b"v", 0.7, 9e9, 1.5, b"c", number)
                for x in ("left", "right")
            ]
            changes = [BindingChange(x.aor, b"k", x) for x in both]
            file.registrar.save_bindings(changes)
            done[0] = number
        file.close()

    def written_after(before: int) -> int:
        while done[0] <= before:
            assert thread.is_alive()
            time.sleep(0.001)
        return done[0]

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(5):
            before = written_after(0)
            path = tmp_path / f"{number}.db"
            await back_up(url, path, NOW)
            db = sqlite3.connect(path)
            rows = db.execute("SELECT cseq FROM bindings WHERE aor LIKE '%@x'")
            left, right = (cseq for (cseq,) in rows)
            db.close()
            assert left == right >= before
            written_after(before)
    finally:
        is_over.set()
        thread.join()


@pytest.mark.parametrize("at", [0, 20, 5000, -30000, -9000])
async def test_a_damaged_backup_is_known(full, tmp_path, at) -> None:
    path = tmp_path / "b.db"
    await back_up(full, path, NOW)
    whole = path.read_bytes()
    at %= len(whole)
    # A row's own text, changed so that SQLite sees nothing: only the sums tell.
    for word, other in (
        (b"u7@contoso.test", b"u7@contosO.test"),
        (b"ticked", b"TICKED"),
    ):
        assert word in whole
        path.write_bytes(whole.replace(word, other))
        with pytest.raises(BackupError, match=r"b\.db is damaged .* take another"):
            examine(path)
    path.write_bytes(whole[:at] + b"\xff" * 4096 + whole[at + 4096 :])
    with pytest.raises(BackupError, match="damaged"):
        examine(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BackupError, match="damaged"):
        examine(path)


async def test_only_a_backup_is_written_over(full, tmp_path) -> None:
    path = tmp_path / "b.db"
    await back_up(full, path, NOW)
    assert (await back_up(full, path, NOW + 1)).made_at == NOW + 1
    path.write_text("notes")
    with pytest.raises(ControlError, match="is no whole backup: name another"):
        await back_up(full, path, NOW)
    assert path.read_text() == "notes"
    with pytest.raises(ControlError, match="is no folder: make it"):
        await back_up(full, tmp_path / "no" / "b.db", NOW)


async def test_the_store_is_not_written_over_by_its_backup(tmp_path) -> None:
    path = tmp_path / "waypost.db"
    await fill_store(f"sqlite:///{path}")
    with pytest.raises(ControlError, match="is the store itself"):
        await back_up(f"sqlite:///{path}", path, NOW)


async def test_where_there_is_no_store_none_is_made(tmp_path, redis_url) -> None:
    for url in (f"sqlite:///{tmp_path}/none.db", redis_url):
        with pytest.raises(StoreError, match="there is no store"):
            await back_up(url, tmp_path / "b.db", NOW)
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_keeps_as_many_as_it_should(full, tmp_path) -> None:
    folder = tmp_path / "daily"
    folder.mkdir()
    (folder / "waypost-notes.db").write_text("mine")
    for day in range(4):
        made = await back_up(full, folder, NOW + 86400 * day)
    assert made.path.name == "waypost-20270118T080000Z.db"
    assert len(thin_out(folder, 2)) == 2
    assert len(list(folder.iterdir())) == 3 and made.path.exists()


@needs_root
async def test_a_full_disk_leaves_the_backup_that_was_there(full, tmp_path) -> None:
    with small_disk(tmp_path / "disk", 2000) as disk:
        await back_up(full, disk / "b.db", NOW)
        fill(disk)
        with pytest.raises(ControlError, match="has no room for the backup"):
            await back_up(full, disk / "b.db", NOW + 1)
        assert examine(disk / "b.db").made_at == NOW
        assert sorted(os.listdir(disk)) == ["b.db", "fill"]


async def test_what_belongs_together_is_of_one_moment_of_a_redis(
    redis_server, redis_url, tmp_path
) -> None:
    await fill_store(redis_url)
    before = await everything(redis_url)

    def change_meanwhile(what: str, done: int, whole: int) -> None:
        if what == "endpoints":
            row = r'"9\n[1.0,\"a\",\"b\",\"v\",\"k\",\"k\",null,null]"'
            late = "endpoints late x", "pools late x", f"audit 99 {row}", "users l x"
            for line in late:
                assert redis_server.send(f"HSET {{waypost}}:{line}") == b":1\r\n"

    path = tmp_path / "b.db"
    await back_up(redis_url, path, NOW, change_meanwhile)
    assert await everything(f"sqlite:///{path}") == before
