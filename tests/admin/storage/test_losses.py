"""What a restore would lose, by how far the store and the backup have come."""

from dataclasses import replace
from pathlib import Path

from proxy.admin.storage.losses import losses
from proxy.store.sqlite.backup_file import Backup
from proxy.store.sqlite.contents import Contents

HELD = Contents(
    schema=9,
    secret=b"s",
    table_version=4,
    number=7,
    changes=7,
    change=(100.0, "anna", "endpoint.new"),
    registered_at=50.0,
    used_at=60.0,
    rows={"audit": 7},
)
BACKUP = Backup(Path("b.db"), HELD, 120.0, "0.1.0", "sqlite", 1)


def words(present: Contents | None) -> list[str]:
    return [each.split(" at ")[0] for each in losses(present, BACKUP)]


def test_nothing_is_lost_of_what_the_backup_has() -> None:
    assert words(None) == words(HELD) == []
    assert words(replace(HELD, secret=b"t", rows={"audit": 0, "meta": 4})) == []
    assert words(replace(HELD, changes=6, change=(90.0, "a", "b"), used_at=0.0)) == []


def test_each_thing_that_the_backup_lacks_is_named() -> None:
    later = 101.0, "bob", "pool.set"
    assert words(replace(HELD, changes=8, change=later)) == [
        "changes up to pool.set by bob"
    ]
    # As many changes, but others: the store was restored once and went on from there.
    assert words(replace(HELD, change=later)) == ["changes up to pool.set by bob"]
    assert words(replace(HELD, registered_at=51.0))[0].startswith("registrations up to")
    assert words(replace(HELD, used_at=61.0))[0].startswith("calls counted up to")
    assert "another store" in words(replace(HELD, secret=b"t"))[0]
    assert "schema 99, the backup has 9" in words(replace(HELD, schema=99))[0]
