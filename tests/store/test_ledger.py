"""The ledger and the notes in a store."""

from proxy.endpoints.usage import OTHERS, Usage
from proxy.store import open_store
from proxy.store.sqlite.store import SqliteStore

KEY = "ocschat@contoso.test"


def row(aor, first, last, count=1, failed=0, agent="x"):
    return Usage(KEY, aor, first, last, count, failed, agent, "e", "tcp:10.1.1.1")


async def test_counts_add_up_and_outlive_the_store(store, store_url):
    await store.add_usage([row("a", 5.0, 6.0, 2), row("b", 5.0, 9.0)])
    await store.add_usage([row("a", 7.0, 8.0, 3, 1, "y")])
    await store.close()
    again = await open_store(store_url)
    assert await again.usage() == [row("b", 5.0, 9.0), row("a", 5.0, 8.0, 5, 1, "y")]
    assert await again.usage("nobody@contoso.test") == []
    await again.close()


async def test_counting_does_not_move_the_version_of_the_table(store):
    version = await store.table_version()
    await store.add_usage([row("a", 1.0, 1.0)])
    assert await store.table_version() == version


async def test_a_full_ledger_counts_new_names_together(store):
    ledger = store._file.ledger if isinstance(store, SqliteStore) else store
    ledger._max_users = 2
    await store.add_usage([row("a", 1.0, 1.0), row("b", 1.0, 1.0)])
    await store.add_usage([row("a", 2.0, 2.0), row("c", 2.0, 2.0), row("d", 2.0, 2.0)])
    found = {each.aor: each.count for each in await store.usage()}
    assert found == {"a": 2, "b": 1, OTHERS: 2}


async def test_a_note_is_kept_replaced_and_forgotten(store):
    assert await store.note("runbook") == ""
    await store.set_note("runbook", "one")
    await store.set_note("runbook", "two")
    assert await store.note("runbook") == "two"
    await store.set_note("runbook", "")
    assert await store.note("runbook") == ""
