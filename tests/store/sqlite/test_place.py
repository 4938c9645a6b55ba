"""The file under an open store: replaced, removed, put back, given to its owner."""

import asyncio
import os
import shutil

import pytest

from proxy.endpoints.changes import RowChange
from proxy.endpoints.model import Endpoint
from proxy.store import Actor, StoreError, open_store
from proxy.store.sqlite.place import obstacle, prepare

ACTOR = Actor("a", "b")
NOBODY = 65534


@pytest.fixture
def path(tmp_path):
    return tmp_path / "waypost.db"


@pytest.fixture
async def store(path):
    store = await open_store(f"sqlite:///{path}")
    yield store
    await store.close()


async def add(store, name):
    row = RowChange(None, Endpoint(f"sip:{name}@c.d", f"{name}@c.d", "p.q"))
    await store.change(ACTOR, "x", lambda table: [row], 1.0)


def files(path):
    return [each for each in path.parent.iterdir() if each.name.startswith(path.name)]


async def test_a_file_that_was_removed_is_not_written_any_more(store, path) -> None:
    await add(store, "one")
    for each in files(path):
        each.unlink()
    for work in (store.news(""), store.load_table(), add(store, "two")):
        with pytest.raises(StoreError, match="has been replaced or removed: put that"):
            await work
    assert not files(path), "nothing was made in its place"


async def test_another_store_in_its_place_is_not_taken_for_ours(store, path) -> None:
    other = await open_store(f"sqlite:///{path}.other")
    await add(other, "stranger")
    await other.close()
    for each in ("", "-wal", "-shm"):
        path.with_name(path.name + each).unlink()
    os.replace(f"{path}.other", path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="restart waypost if the file that is there"):
        await add(store, "two")
    assert path.read_bytes() == before
    # Moved away and the old one put back, as after a mistake: see the next test.


async def test_a_file_that_comes_back_is_gone_on_with(store, path, tmp_path) -> None:
    await add(store, "one")
    away = tmp_path / "away"
    away.mkdir()
    for each in files(path):
        each.rename(away / each.name)
    with pytest.raises(StoreError, match="replaced or removed"):
        await store.load_table()
    for each in away.iterdir():
        each.rename(tmp_path / each.name)
    await add(store, "two")
    assert {*(await store.load_table()).endpoints} == {"one@c.d", "two@c.d"}


async def test_a_backup_of_the_store_is_opened_and_all_of_it_is_news(
    store, path
) -> None:
    await add(store, "one")
    await store.close()
    shutil.copy(path, f"{path}.backup")
    store = await open_store(f"sqlite:///{path}")
    await add(store, "two")
    mark = (await store.news("")).mark
    for each in files(path):
        if each.suffix != ".backup":
            each.unlink()
    os.replace(f"{path}.backup", path)
    with pytest.raises(StoreError, match="was put back and opened again"):
        await store.news(mark)
    news = await store.news(mark)
    assert news.is_table and news.is_users and news.bindings is None
    assert (await store.news(news.mark)).is_empty
    assert {*(await store.load_table()).endpoints} == {"one@c.d"}
    await add(store, "three")
    await store.close()
    again = await open_store(f"sqlite:///{path}")
    assert {*(await again.load_table()).endpoints} == {"one@c.d", "three@c.d"}
    await again.close()


async def test_calls_that_waited_for_the_old_file_may_be_made_again(
    store, path
) -> None:
    """They came upon a closed database, which counted as a fault that stays."""
    await add(store, "one")
    path.with_name(path.name + "-wal").unlink()
    calls = store.table_version(), store.load_table(), add(store, "two")
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert all("opened again" in str(each) and each.is_passing for each in found), found
    await add(store, "two")
    assert {*(await store.load_table()).endpoints} == {"one@c.d", "two@c.d"}


async def test_a_log_that_was_removed_loses_nothing(store, path) -> None:
    await add(store, "one")
    path.with_name(path.name + "-wal").unlink()
    with pytest.raises(StoreError, match="opened again"):
        await add(store, "two")
    await add(store, "two")
    await store.close()
    again = await open_store(f"sqlite:///{path}")
    assert {*(await again.load_table()).endpoints} == {"one@c.d", "two@c.d"}
    await again.close()


async def test_a_write_that_nobody_reads_leaves_everything_as_it_is(store) -> None:
    await add(store, "one")
    version = await store.table_version()
    mark = (await store.news("")).mark
    for is_thorough in (False, True, False):
        await store.try_write(is_thorough=is_thorough)
    assert await store.table_version() == version
    assert (await store.news(mark)).is_empty


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files for others")
async def test_what_root_makes_belongs_to_whom_the_directory_belongs(tmp_path) -> None:
    home = tmp_path / "var"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    store = await open_store(f"sqlite:///{home}/waypost.db")
    await add(store, "one")
    owners = {each.name: each.stat().st_uid for each in home.iterdir()}
    assert "waypost.db" in owners and set(owners.values()) == {NOBODY}
    await store.close()


def test_what_cannot_be_made_is_known_before_it_is_tried(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("file/w.db", "a/b/w.db"):
        path = tmp_path / name
        with pytest.raises(StoreError) as raised:
            prepare(path)
            open(path).close()
        assert str(obstacle(path)) == str(raised.value)
        assert "make that directory, or change url" in str(raised.value)
    for name in ("w.db", "new/w.db"):
        assert obstacle(tmp_path / name) is None
