"""Nodes: a number for life, a sign of life, a goodbye; on every kind of store."""

from proxy.store import open_store
from proxy.store.nodes import NodeRecord

ONE, TWO = "sip:10.1.2.3:5060;transport=tcp", "sip:10.1.2.4:5060;transport=tcp"


async def test_a_node_keeps_its_number(store, store_url):
    assert await store.announce_node(ONE, 100.0) == 1
    other = await open_store(store_url)
    assert await other.announce_node(TWO, 100.5) == 2
    assert await store.announce_node(ONE, 101.0) == 1
    assert await store.announce_node(ONE, 0.0) == 1
    assert await other.announce_node(ONE, 102.25) == 1
    assert await other.nodes() == [
        NodeRecord(1, ONE, 102.25),
        NodeRecord(2, TWO, 100.5),
    ]
    await other.close()


async def test_a_goodbye_is_kept(store):
    await store.announce_node(ONE, 100.0)
    await store.announce_node(ONE, 0.0)
    assert await store.nodes() == [NodeRecord(1, ONE, 0.0)]


async def test_signs_of_life_do_not_move_the_table(store):
    before = await store.table_version()
    await store.announce_node(ONE, 100.0)
    assert await store.table_version() == before
