"""Each store in turn: a file of its own, or a Redis that knows nothing yet."""

import pytest

from proxy.store import open_store
from tests.support.redis import RedisServer


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """One Redis for all tests: starting it takes longer than most of them."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_url(redis_server):
    redis_server.clear()
    return redis_server.url


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
