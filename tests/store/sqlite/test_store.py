"""What a store in a file of its own must get right beyond the interface."""

import stat

import pytest

from proxy.store import StoreError, open_store


@pytest.fixture
def store_url(tmp_path):
    return f"sqlite:///{tmp_path}/waypost.db"


async def test_the_file_is_readable_by_its_owner_alone(tmp_path, store):
    mode = (tmp_path / "waypost.db").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


async def test_the_last_directory_is_made_but_not_a_whole_path(tmp_path):
    await (await open_store(f"sqlite:///{tmp_path}/var/w.db")).close()
    with pytest.raises(StoreError, match="does not exist: make that directory"):
        await open_store(f"sqlite:///{tmp_path}/a/b/w.db")


async def test_a_store_that_is_not_a_store_says_what_to_do(tmp_path):
    bad = tmp_path / "bad.db"
    bad.write_bytes(b"this is not a database, it is a letter\n" * 50)
    with pytest.raises(StoreError, match="restore a backup"):
        await open_store(f"sqlite:///{bad}")
    assert bad.read_bytes().startswith(b"this is not")
    with pytest.raises(StoreError, match="is a directory"):
        await open_store(f"sqlite:///{tmp_path}")
    with pytest.raises(StoreError, match='"mysql" is not known'):
        await open_store("mysql://x")
