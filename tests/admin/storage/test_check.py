"""The store's check: each thing that can be wrong, made so for real."""

import os
import sqlite3

import pytest

from proxy.admin.storage.check import check
from tests.support.rich_store import fill_store
from tests.support.small_disk import fill, needs_root, small_disk

NOW = 1_800_000_000.0
NOBODY = 65534


async def verdicts(url, now=NOW):
    return {step.name: step for step in await check(url, now)}


@pytest.fixture
async def file(tmp_path):
    path = tmp_path / "home" / "waypost.db"
    path.parent.mkdir()
    await fill_store(f"sqlite:///{path}")
    return path


async def test_a_store_that_is_well(full) -> None:
    found = await verdicts(full)
    assert {each.verdict for each in found.values()} == {"ok"}
    assert "1 endpoint, 1200 contacts, 1 legacy user, 5 changes" in found["rows"].text
    assert "token.new by anna" in found["rows"].text
    assert found["write"].text == "a value without meaning was written"


async def test_where_there_is_no_store(tmp_path, redis_url) -> None:
    found = await verdicts(f"sqlite:///{tmp_path}/none.db")
    assert found["file"].verdict == "failed" and "makes it" in found["file"].fix
    assert not list(tmp_path.iterdir())
    found = await verdicts(redis_url)
    assert found["answers"].verdict == "failed"
    found = await verdicts("redis://127.0.0.47:9/0")
    assert found["answers"].verdict == "failed"


async def test_damage_is_found_and_the_way_out_named(file) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:20_480] + b"\xff" * 4096 + whole[24_576:])
    found = await verdicts(f"sqlite:///{file}")
    assert found["integrity"].verdict == "failed"
    assert "waypost store restore" in found["integrity"].fix
    file.write_text("no database")
    assert (await verdicts(f"sqlite:///{file}"))["integrity"].verdict == "failed"


async def test_an_index_that_lies_is_found(file) -> None:
    db = sqlite3.connect(file)
    db.execute("PRAGMA writable_schema = ON")
    db.execute("DELETE FROM sqlite_master WHERE name = 'audit_by_key'")
    db.commit()
    db.close()
    found = await verdicts(f"sqlite:///{file}")
    assert found["integrity"].verdict == "failed", "pages that nothing leads to"


@pytest.mark.parametrize(("schema", "verdict"), [(99, "failed"), (1, "warning")])
async def test_another_version_is_told(file, schema, verdict) -> None:
    db = sqlite3.connect(file)
    db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (schema,))
    db.commit()
    db.close()
    found = await verdicts(f"sqlite:///{file}")
    assert (found["version"].verdict, "write" in found) == (verdict, False)


async def test_a_change_of_the_future_is_doubted(file) -> None:
    found = await verdicts(f"sqlite:///{file}", now=-1000.0)
    assert found["rows"].verdict == "warning" and "clock" in found["rows"].fix


async def test_others_may_not_read_it(file) -> None:
    file.chmod(0o644)
    found = await verdicts(f"sqlite:///{file}")
    assert found["mode"].verdict == "warning" and "chmod 600" in found["mode"].fix


@needs_root
async def test_the_account_of_the_service_must_own_and_write_it(file) -> None:
    os.chown(file.parent, NOBODY, NOBODY)
    found = await verdicts(f"sqlite:///{file}")
    assert found["owner"].verdict == found["writable"].verdict == "failed"
    assert "chown nobody: " in found["owner"].fix
    os.chown(file, NOBODY, NOBODY)
    found = await verdicts(f"sqlite:///{file}")
    assert found["owner"].verdict == found["writable"].verdict == "ok"
    file.parent.chmod(0o500)
    found = await verdicts(f"sqlite:///{file}")
    assert "may not make files in" in found["writable"].text


@needs_root
async def test_a_full_disk_is_told(tmp_path) -> None:
    with small_disk(tmp_path / "disk", 2500) as disk:
        url = f"sqlite:///{disk}/waypost.db"
        await fill_store(url)
        assert (await verdicts(url))["room"].verdict == "warning"
        fill(disk)
        assert (await verdicts(url))["room"].verdict == "failed"


async def test_rows_of_a_redis_that_nobody_can_read(redis_server, redis_url) -> None:
    await fill_store(redis_url)
    assert redis_server.send("HSET {waypost}:audit 3 rubbish") == b":0\r\n"
    found = await verdicts(redis_url)
    assert found["integrity"].verdict == "failed"
    assert '"audit" cannot be read' in found["integrity"].text
