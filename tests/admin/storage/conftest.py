"""Stores of both kinds, and a file of one with something of everything in it."""

import pytest

from tests.support.redis import RedisServer
from tests.support.rich_store import fill_store


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_url(redis):
    redis.clear()
    return redis.url


@pytest.fixture(params=["sqlite", "redis"])
async def full(request, tmp_path):
    """The URL of a store with something of everything in it, of either kind."""
    if request.param == "sqlite":
        (tmp_path / "home").mkdir()
        url = f"sqlite:///{tmp_path}/home/waypost.db"
    else:
        url = request.getfixturevalue("redis_url")
    await fill_store(url)
    return url
