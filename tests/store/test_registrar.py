"""Bindings, users and conflicts in the store."""

import time

import pytest

from proxy.location.binding import Binding, BindingChange
from proxy.store import Actor, Conflict, StoreError, User, open_store
from proxy.store.sqlite.store import SqliteStore

ADMIN = Actor("anna", "cli on box")


def binding(user="alice", key=b"k", expires_at=1000.0, **more):
    return Binding(
        f"{user}@contoso.test", key, b"sip:x", b"<sip:x>;q=0.5", 0.5, expires_at, 10.0,
        b"call", 7, b"<urn:uuid:1>", 2, "epid", "UCCAPI/3.5", "udp:10.0.0.1:5060",
        b"<sip:p;lr>", b"token", **more,
    )  # fmt: skip


def put(made):
    return BindingChange(made.aor, made.key, made)


async def test_a_binding_comes_back_whole(store):
    made = binding()
    await store.save_bindings([put(made)])
    (found,) = await store.bindings("alice@contoso.test", 0.0)
    assert found.row() == made.row()


async def test_a_group_sets_replaces_and_removes(store):
    await store.save_bindings([put(binding(key=b"a")), put(binding(key=b"b"))])
    gone = BindingChange("alice@contoso.test", b"a", None)
    later = binding(key=b"b", expires_at=2000.0)
    await store.save_bindings([gone, put(later), put(binding("bob"))])
    found = await store.bindings(None, 0.0)
    assert sorted((b.aor, b.key, b.expires_at) for b in found) == [
        ("alice@contoso.test", b"b", 2000.0),
        ("bob@contoso.test", b"k", 1000.0),
    ]


async def test_a_group_of_many_is_saved_whole_and_in_few_statements(tmp_path):
    """Python's lock changes hands with every statement."""
    store = await SqliteStore.open(tmp_path / "x.db")
    names = [f"user{n}" for n in range(75)]
    statements: list[str] = []
    await store._run(store._file._db.set_trace_callback, statements.append)
    await store.save_bindings([put(binding(each)) for each in names])
    await store._run(store._file._db.set_trace_callback, None)
    assert len(statements) < 16, "two tables of 75 rows, BEGIN and COMMIT"
    assert len(await store.bindings(None, 0.0)) == len(names)
    other = await SqliteStore.open(tmp_path / "x.db")
    told = await other.news("0 0 0")
    assert told.bindings is not None and len(told.bindings) == len(names)
    await other.close()
    await store.close()


@pytest.mark.parametrize("user", ["alice@contoso.test\nx", "\n", "a\0b", "ä\u2028"])
async def test_an_address_is_its_own_whatever_its_user_part_holds(store, other, user):
    """``sip:alice%40contoso.test%0Ax@contoso.test`` is somebody else than alice."""
    mark = (await other.news("")).mark
    await store.save_bindings([put(binding()), put(binding(user))])
    aors = f"{user}@contoso.test", "alice@contoso.test"
    news = await other.news(mark)
    assert sorted(each.aor for each in news.bindings) == sorted(aors)
    for aor in aors:
        (found,) = await store.bindings(aor, 0.0)
        assert found.aor == aor
    known = await store.look_up(aors, 0.0)
    assert [[each.aor for each in x.bindings] for x in known] == [[x] for x in aors]
    (gone,) = await store.remove_bindings("alice@contoso.test", ADMIN, 1.0)
    assert gone.aor == "alice@contoso.test"
    assert len(await store.bindings(aors[0], 0.0)) == 1


async def test_expired_bindings_are_not_shown_and_forgotten_later(store):
    await store.save_bindings([put(binding()), put(binding("bob", expires_at=50.0))])
    assert len(await store.bindings(None, 60.0)) == 1
    assert await store.forget_bindings(60.0) == 1
    assert await store.forget_bindings(60.0) == 0


async def test_bindings_are_there_after_a_restart(store_url):
    first = await open_store(store_url)
    await first.save_bindings([put(binding())])
    await first.close()
    second = await open_store(store_url)
    assert len(await second.bindings(None, 0.0)) == 1
    await second.close()


async def test_twenty_thousand_bindings_load_in_a_fraction_of_a_second(store):
    await store.save_bindings([put(binding(f"user{n}")) for n in range(20_000)])
    start = time.process_time()  # ours alone: others may keep the machine busy
    assert len(await store.bindings(None, 0.0)) == 20_000
    assert time.process_time() - start < 1.5  # measured 0.1 s and 0.4 s


async def test_another_process_sees_what_an_operator_changes(store, store_url):
    await store.save_bindings([put(binding())])
    before = await store.registrar_version()
    await store.save_bindings([put(binding("bob"))])
    assert await store.registrar_version() == before
    other = await open_store(store_url)
    gone = await other.remove_bindings("alice@contoso.test", ADMIN, 20.0)
    await other.close()
    assert [b.aor for b in gone] == ["alice@contoso.test"]
    assert await store.registrar_version() > before
    (row,) = await store.history()
    assert (row.verb, row.kind, row.key) == (
        "binding.remove",
        "binding",
        "alice@contoso.test",
    )
    assert (row.before, row.after) == (None, None)


async def test_users_are_kept_by_algorithm_and_replaced_whole(store):
    user = User("alice", "contoso.test", {"SHA-256": "aa", "MD5": "bb"}, 5.0)
    await store.set_user(user, "user.new", ADMIN)
    assert await store.users() == [user]
    again = User("alice", "contoso.test", {"SHA-256": "cc"}, 6.0)
    await store.set_user(again, "user.set", ADMIN)
    assert await store.users() == [again]
    assert await store.remove_user("alice", ADMIN, 7.0)
    assert not await store.remove_user("alice", ADMIN, 8.0)
    assert await store.users() == []
    assert [row.verb for row in await store.history()] == [
        "user.remove",
        "user.set",
        "user.new",
    ]


async def test_a_conflict_is_one_row_per_source_that_counts(store):
    for at, count in ((1.0, 1), (61.0, 12)):
        await store.note_conflict(
            Conflict("chat@x", "udp:10.0.0.1", "RTC", "sip:c", at, at, count)
        )
    await store.note_conflict(
        Conflict("chat@x", "udp:10.0.0.2", "RTC", "sip:c", 9.0, 9.0)
    )
    first, second = await store.conflicts("chat@x")
    assert (first.source, first.first_at, first.last_at, first.count) == (
        "udp:10.0.0.1",
        1.0,
        61.0,
        13,
    )
    assert second.count == 1
    assert await store.conflicts("other@x") == []


async def test_a_store_that_cannot_write_says_so(store):
    await store.close()
    with pytest.raises(StoreError):
        await store.save_bindings([put(binding())])
