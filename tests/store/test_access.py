"""Tokens and people of the console in the store."""

from dataclasses import replace

from proxy.store import Actor
from proxy.store.access import Access

ANNA = Actor("anna", "cli on box")
MADE = Access(
    *("token", "ci", "operator", "ab12", ("contoso.test",), ("o@contoso.test",)),
    *(1.5, "anna (cli on box)", 99.5),
)


async def put(store, access=MADE, verb="token.new", is_new=True):
    return await store.set_access(access, verb, ANNA, 1.5, is_new=is_new)


async def test_one_comes_back_whole_and_stands_in_the_history(store):
    assert await put(store)
    assert await store.accesses() == [MADE]
    (row,) = await store.history()
    assert (row.verb, row.kind, row.key) == ("token.new", "token", "ci")
    assert (row.actor, row.at, row.before, row.after) == (ANNA, 1.5, None, None)


async def test_a_name_is_given_once_and_a_person_may_have_it_too(store):
    assert await put(store)
    assert not await put(store, replace(MADE, role="admin"))
    assert await put(store, replace(MADE, kind="person"))
    assert [(x.kind, x.role) for x in await store.accesses()] == [
        ("person", "operator"),
        ("token", "operator"),
    ]


async def test_only_one_that_is_there_is_changed(store):
    assert not await put(store, is_new=False)
    assert await store.accesses() == []
    assert await store.history() == []
    await put(store)
    assert await put(store, replace(MADE, role="viewer"), "person.set", False)
    assert [x.role for x in await store.accesses()] == ["viewer"]


async def test_a_use_is_noted_and_changes_nothing_else(store, other):
    await put(store)
    await store.note_access_use("token", "ci", 7.5, "10.0.0.1")
    used = replace(MADE, used_at=7.5, used_from="10.0.0.1")
    assert await other.accesses() == [used]
    assert len(await store.history()) == 1
    await put(store, replace(MADE, role="viewer"), "person.set", False)
    assert [x.used_at for x in await store.accesses()] == [7.5]


async def test_a_revoked_one_is_gone_and_no_late_use_brings_it_back(store):
    await put(store)
    await store.note_access_use("token", "ci", 7.5, "10.0.0.1")
    assert await store.remove_access("token", "ci", "token.revoke", ANNA, 8.0)
    await store.note_access_use("token", "ci", 9.0, "10.0.0.1")
    assert await store.accesses() == []
    assert not await store.remove_access("token", "ci", "token.revoke", ANNA, 8.0)
    assert [row.verb for row in await store.history()] == ["token.revoke", "token.new"]
    await put(store)
    assert [x.used_at for x in await store.accesses()] == [0.0]


async def test_a_look_at_a_call_stands_in_the_history_and_changes_nothing(store):
    version = await store.table_version()
    await store.note_look(ANNA, "trace.bodies", "call-1", 7.5)
    (row,) = await store.history()
    assert (row.verb, row.kind, row.key) == ("trace.bodies", "call", "call-1")
    assert (row.actor, row.at, row.before, row.after) == (ANNA, 7.5, None, None)
    assert await store.table_version() == version
    assert await store.history("call-1") == [row]
