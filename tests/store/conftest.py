"""Each store in turn: a file of its own, or a Redis that knows nothing yet."""

import pytest

from proxy.store import open_store


@pytest.fixture(params=["sqlite", "redis"])
def store_url(request, tmp_path):
    """The URL that every user of the store under test opens."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/waypost.db"
    return request.getfixturevalue("redis_url")


@pytest.fixture
async def other(store_url, store):
    """The same store, opened by somebody else."""
    other = await open_store(store_url)
    yield other
    await other.close()


@pytest.fixture
async def store(store_url):
    store = await open_store(store_url)
    yield store
    await store.close()
