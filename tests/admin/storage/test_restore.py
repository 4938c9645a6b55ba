"""A restore is all of a backup or nothing, and never loses what was there."""

import os
import sqlite3

import pytest

from proxy.admin.control import ControlError
from proxy.admin.storage.backup import back_up
from proxy.admin.storage.restore import Wish, restore
from proxy.admin.storage.rows import copy_rows
from proxy.endpoints.changes import EndpointFields, new_endpoint
from proxy.store import StoreError, open_store
from proxy.store.factory import sqlite_path
from proxy.store.redis.swap import RedisSwap
from proxy.store.sqlite import migrations
from proxy.store.sqlite.copying import SqliteCopy
from tests.support.rich_store import ANNA, POOL, RULES, everything, fill_store
from tests.support.small_disk import fill, needs_root, small_disk

NOW = 1_800_000_000.0
NOBODY = 65534


def plain(found):
    """Without the history, which gets a row by a restore."""
    return [each for each in found[1:] if not is_history(each)]


def is_history(found):
    return isinstance(found, list) and found and hasattr(found[0], "verb")


async def add(url, name, now=NOW):
    store = await open_store(url)
    decide = new_endpoint(
        f"{name}@contoso.test", EndpointFields(pool_fqdn=POOL), RULES, now
    )
    await store.change(ANNA, "endpoint.new", decide, now)
    await store.close()


async def endpoints(url):
    store = await open_store(url)
    found = {each.partition("@")[0] for each in (await store.load_table()).endpoints}
    await store.close()
    return found


def wish(url, backup, **options):
    return Wish(url, backup, ANNA, NOW + 60, **options)


@pytest.mark.parametrize("target", ["sqlite", "redis"])
async def test_a_backup_restores_into_either_kind(
    full, target, tmp_path, redis_url
) -> None:
    wanted = await everything(full)
    path = tmp_path / "b.db"
    await back_up(full, path, NOW)
    store = await open_store(redis_url)
    if target == "redis":
        await store._redis.command("FLUSHALL")
    await store.close()
    url = redis_url if target == "redis" else f"sqlite:///{tmp_path}/new/waypost.db"
    (tmp_path / "new").mkdir()
    found = await restore(wish(url, path))
    assert (found.lost, found.kept) == ([], None)
    assert plain(await everything(url)) == plain(wanted)
    store = await open_store(url)
    newest, *rest = await store.history()
    assert (newest.verb, newest.actor) == ("store.restore", ANNA)
    assert rest == wanted[5] or len(rest) == 5
    await store.close()
    await add(url, "later")
    assert await endpoints(url) == {"ocschat", "later"}


async def test_a_newer_store_is_refused_and_kept_when_forced(full, tmp_path) -> None:
    path = tmp_path / "b.db"
    await back_up(full, path, NOW)
    await add(full, "later")
    for what_if in (True, False):
        with pytest.raises(ControlError, match=r"changes up to endpoint\.new by anna"):
            await restore(wish(full, path, what_if=what_if))
    assert await endpoints(full) == {"ocschat", "later"}
    await restore(wish(full, path, what_if=True, force=True))
    assert await endpoints(full) == {"ocschat", "later"}
    found = await restore(wish(full, path, force=True))
    assert await endpoints(full) == {"ocschat"}
    assert found.kept.stat().st_mode & 0o777 == 0o600
    assert await endpoints(f"sqlite:///{found.kept}") == {"ocschat", "later"}
    # It is no newer store by having been restored, and what is kept is never lost.
    again = await restore(wish(full, path))
    assert again.kept != found.kept and found.kept.exists()
    back = await restore(wish(full, found.kept, force=True))
    assert await endpoints(full) == {"ocschat", "later"} and back.kept.exists()


async def test_a_damaged_backup_changes_nothing(full, tmp_path) -> None:
    path = tmp_path / "b.db"
    await back_up(full, path, NOW)
    before = await everything(full)
    path.write_bytes(path.read_bytes().replace(b"ticked", b"TICKED"))
    with pytest.raises(ControlError, match=r"b\.db is damaged"):
        await restore(wish(full, path, force=True))
    path.write_text("[proxy]")
    with pytest.raises(ControlError, match=r"b\.db is damaged or no backup"):
        await restore(wish(full, path, force=True))
    with pytest.raises(ControlError, match="there is no file"):
        await restore(wish(full, tmp_path / "none"))
    assert await everything(full) == before


async def test_a_backup_of_another_store_is_refused(full, tmp_path) -> None:
    other = f"sqlite:///{tmp_path}/other.db"
    await fill_store(other)
    await back_up(other, tmp_path / "b.db", NOW)
    with pytest.raises(ControlError, match="it is of another store"):
        await restore(wish(full, tmp_path / "b.db"))
    found = await restore(wish(full, tmp_path / "b.db", force=True))
    assert not found.is_same_store


async def test_nodes_on_a_redis_take_a_restore_over(redis_url, tmp_path) -> None:
    await fill_store(redis_url)
    await back_up(redis_url, tmp_path / "b.db", NOW)
    await add(redis_url, "later")
    node = await open_store(redis_url)
    mark = (await node.news("")).mark
    await restore(wish(redis_url, tmp_path / "b.db", force=True))
    news = await node.news(mark)
    assert news.is_table and news.is_users and news.bindings is None
    assert len((await node.load_table()).endpoints) == 1
    other = f"sqlite:///{tmp_path}/other.db"
    await fill_store(other)
    await back_up(other, tmp_path / "o.db", NOW)
    await restore(wish(redis_url, tmp_path / "o.db", force=True))
    with pytest.raises(StoreError, match="restart"):
        await node.news(news.mark)
    await node.close()


async def test_a_restore_that_was_killed_leaves_a_redis_as_it_was(
    redis_server, redis_url, tmp_path
) -> None:
    await fill_store(redis_url)
    path = tmp_path / "b.db"
    await back_up(redis_url, path, NOW)
    await add(redis_url, "later")
    before = await everything(redis_url)
    killed = await RedisSwap.open(redis_url)
    source = SqliteCopy(path)
    await copy_rows(source, killed.stage, lambda what, done, whole: None)
    await source.close()
    await killed.close()
    assert await everything(redis_url) == before
    assert redis_server.send("EXISTS {waypost}:restore:endpoints") == b":1\r\n"
    await restore(wish(redis_url, path, force=True))
    assert redis_server.send("EXISTS {waypost}:restore:endpoints") == b":0\r\n"
    assert await endpoints(redis_url) == {"ocschat"}


async def test_a_change_during_a_restore_of_a_redis_wins(redis_url, tmp_path) -> None:
    await fill_store(redis_url)
    path = tmp_path / "b.db"
    made = await back_up(redis_url, path, NOW)
    slow = await RedisSwap.open(redis_url)
    source = SqliteCopy(path)
    await copy_rows(source, slow.stage, lambda what, done, whole: None)
    await source.close()
    await add(redis_url, "later")
    contents = made.contents
    with pytest.raises(StoreError, match="was changed during the restore"):
        await slow.swap(contents.number, contents.table_version, contents.secret)
    await slow.close()
    assert await endpoints(redis_url) == {"ocschat", "later"}


# -- files ---------------------------------------------------------------------------


@pytest.fixture
async def file(tmp_path):
    (tmp_path / "home").mkdir()
    path = tmp_path / "home" / "waypost.db"
    await fill_store(f"sqlite:///{path}")
    await back_up(f"sqlite:///{path}", tmp_path / "b.db", NOW)
    return path


async def test_a_store_in_use_is_not_replaced(file, tmp_path) -> None:
    store = await open_store(f"sqlite:///{file}")
    before = file.stat().st_ino
    # Locks are of a process, and this one holds the store itself.
    pid = os.fork()
    if not pid:
        import asyncio

        try:
            asyncio.new_event_loop().run_until_complete(
                restore(wish(f"sqlite:///{file}", tmp_path / "b.db", force=True))
            )
        except StoreError as error:
            os._exit(7 if "is in use by" in str(error) else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert file.stat().st_ino == before
    await store.close()


async def test_a_damaged_store_is_put_right_and_kept(file, tmp_path) -> None:
    whole = file.read_bytes()
    for damage in (b"no database" * 500, whole[:4096] + b"\xff" * 8192 + whole[12288:]):
        file.write_bytes(damage)
        found = await restore(wish(f"sqlite:///{file}", tmp_path / "b.db"))
        assert found.kept.read_bytes()[100:] == damage[100:]
        assert await endpoints(f"sqlite:///{file}") == {"ocschat"}


async def test_a_stray_log_is_not_played_into_what_was_restored(file, tmp_path) -> None:
    url = f"sqlite:///{file}"
    store = await open_store(url)
    log = file.with_name("waypost.db-wal")
    await store.set_note("x", "y" * 10_000)
    stray = log.read_bytes()
    await store.close()
    file.unlink()
    log.write_bytes(stray)
    found = await restore(wish(url, tmp_path / "b.db"))
    assert found.kept is None
    assert await endpoints(url) == {"ocschat"}
    store = await open_store(url)
    assert await store.note("x") == ""
    await store.close()


async def test_a_plain_copy_without_its_log_is_doubted(file, tmp_path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(file.read_bytes())
    with pytest.raises(ControlError, match="is a plain copy of a store's file"):
        await restore(wish(f"sqlite:///{file}", copy))
    await restore(wish(f"sqlite:///{file}", copy, force=True))
    copy.with_name("copy.db-wal").write_bytes(b"x")
    with pytest.raises(ControlError, match="has a log beside it"):
        await restore(wish(f"sqlite:///{file}", copy, force=True))


async def test_a_backup_of_an_older_version_is_brought_up(
    tmp_path, monkeypatch
) -> None:
    old = tmp_path / "old.db"
    url = f"sqlite:///{tmp_path}/waypost.db"
    with monkeypatch.context() as patch:
        for name in ("STEPS", "NEWEST"):
            value = getattr(migrations, name)
            shorter = value[:7] if name == "STEPS" else 7
            patch.setattr(migrations, name, shorter)
        db = sqlite3.connect(tmp_path / "seven.db")
        migrations.migrate(db)
        db.commit()
        db.close()
    made = await back_up(f"sqlite:///{tmp_path}/seven.db", old, NOW)
    assert made.contents.schema == 7
    await restore(wish(url, old))
    store = await open_store(url)
    assert (await store.pool_usage(), await store.history()) != ([], [])
    await store.close()


async def test_a_backup_of_a_newer_version_is_refused(file, tmp_path) -> None:
    db = sqlite3.connect(file)
    db.execute("UPDATE meta SET value = 99 WHERE key = 'schema'")
    db.execute("CREATE TABLE later (a)")
    db.commit()
    db.close()
    url = f"sqlite:///{file}"
    await back_up(url, tmp_path / "newer.db", NOW)
    with pytest.raises(ControlError, match=r"was made by a newer waypost 0\.1\.0 .*99"):
        await restore(wish(url, tmp_path / "newer.db", force=True))
    # The way back to this version: the backup of before, knowingly.
    with pytest.raises(ControlError, match="only a newer waypost knows"):
        await restore(wish(url, tmp_path / "b.db"))
    await restore(wish(url, tmp_path / "b.db", force=True))
    assert await endpoints(url) == {"ocschat"}


@needs_root
async def test_the_restored_file_belongs_to_whom_the_store_belonged(
    file, tmp_path
) -> None:
    os.chown(file.parent, NOBODY, NOBODY)
    for _ in range(2):  # a store of before, and none
        await restore(wish(f"sqlite:///{file}", tmp_path / "b.db", force=True))
        found = file.stat()
        assert found.st_mode & 0o777 == 0o600
        file.unlink()
    os.chown(file.parent, NOBODY, NOBODY)
    await restore(wish(f"sqlite:///{file}", tmp_path / "b.db"))
    assert (file.stat().st_uid, file.stat().st_gid) == (NOBODY, NOBODY)


@needs_root
async def test_a_full_disk_changes_nothing(tmp_path) -> None:
    with small_disk(tmp_path / "disk", 2500) as disk:
        url = f"sqlite:///{disk}/waypost.db"
        await fill_store(url)
        await back_up(url, tmp_path / "b.db", NOW)
        await add(url, "later")
        fill(disk)
        with pytest.raises(ControlError, match="has no room for the restored store"):
            await restore(wish(url, tmp_path / "b.db", force=True))
        (disk / "fill").unlink()
        assert await endpoints(url) == {"ocschat", "later"}
        assert sqlite_path(url).exists()
        assert not [each for each in os.listdir(disk) if "part" in each]
