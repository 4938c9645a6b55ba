"""What the stream of changes of a Redis store must get right beyond the interface."""

import pytest

from proxy.store import StoreError
from proxy.store.redis import scripts
from tests.store.test_news import put, told


@pytest.fixture
def store_url(redis_url):
    return redis_url


async def test_a_past_that_is_another_one_is_noticed(store, other, redis_server):
    """What a failover lost, and what has been trimmed, cannot be told: load all."""
    mark = (await other.news("")).mark
    await store.save_bindings([put("a")])
    mark = (await other.news(mark)).mark
    redis_server.send(f"XDEL {{waypost}}:changes {mark}")
    await store.save_bindings([put("b")])
    news = await other.news(mark)
    assert (news.is_table, news.is_users, news.bindings) == (True, True, None)
    assert (await other.news(news.mark)).is_empty


async def test_the_stream_does_not_grow_for_ever(store, redis_server, monkeypatch):
    short = scripts.SAVE_BINDINGS.replace("'20000'", "'100'")
    assert short != scripts.SAVE_BINDINGS
    monkeypatch.setattr(scripts, "SAVE_BINDINGS", short)
    mark = (await store.news("")).mark
    for number in range(400):
        await store.save_bindings([put("a", cseq=number)])
    assert int(redis_server.send("XLEN {waypost}:changes")[1:]) < 250
    assert (await store.news(mark)).bindings is None


async def test_a_save_without_an_answer_is_told_to_who_saved_it(store, redis_server):
    mark = (await store.news("")).mark
    await store.save_bindings([put("a")])
    redis_server.send("CONFIG SET maxmemory 1")
    with pytest.raises(StoreError, match="no memory left"):
        await store.save_bindings([put("b")])
    redis_server.send("CONFIG SET maxmemory 0")
    await store.save_bindings([put("c")])
    # It cannot know what became of the one before: all but the last are told again.
    assert told(await store.news(mark)) == [("a", b"k", 1)]
