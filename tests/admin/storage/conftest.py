"""Stores of both kinds, and a file of one with something of everything in it."""

import pytest

from tests.support.rich_store import fill_store


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
