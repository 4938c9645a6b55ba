"""From a store's URL to the store, or to a sentence that says what to write."""

from pathlib import Path

import pytest

from proxy.store import StoreError, open_store
from proxy.store.factory import open_copy, sqlite_path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////var/lib/x.db", Path("/var/lib/x.db")),
        ("sqlite:///x.db", Path("x.db")),
        ("sqlite:///", None),
        ("sqlite://x.db", None),
        ("redis://h:6379/0", None),
    ],
)
def test_three_slashes_and_a_name_are_a_file(url: str, path: Path | None) -> None:
    assert sqlite_path(url) == path


@pytest.mark.parametrize("url", ["postgres://h/x", "sqlite://x.db", "waypost.db", ""])
async def test_another_store_says_what_to_write(url: str) -> None:
    for opening in (open_store(url), open_copy(url, is_source=True)):
        with pytest.raises(StoreError, match="is not known: in section"):
            await opening


async def test_a_source_must_exist_and_a_target_is_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/none.db"
    with pytest.raises(StoreError, match="name the file to move from"):
        await open_copy(url, is_source=True)
    assert not list(tmp_path.iterdir())
    target = await open_copy(url, is_source=False)
    await target.close()
    store = await open_store(f"sqlite:///{tmp_path}/other.db")
    await store.close()
    assert (tmp_path / "other.db").is_file()
