"""How users of one store hear of what others did: all of it, and only once."""

from proxy.endpoints.changes import EndpointFields, Rules, new_endpoint
from proxy.location.binding import Binding, BindingChange
from proxy.store import Actor, User

ANNA = Actor("anna", "cli on box")
RULES = Rules(frozenset({"contoso.test"}))
KEY = "ocschat@contoso.test"


def put(user, key=b"k", cseq=1):
    aor = f"{user}@contoso.test"
    made = Binding(aor, key, b"sip:x", b"v", 1.0, 9e9, 1.0, b"c", cseq)
    return BindingChange(aor, key, made)


def gone(user, key=b"k"):
    return BindingChange(f"{user}@contoso.test", key, None)


def told(news):
    """AOR, contact, and the CSeq of what is bound now."""
    return [
        (each.aor.partition("@")[0], each.key, each.after and each.after.cseq)
        for each in news.bindings
    ]


async def create(store):
    decide = new_endpoint(KEY, EndpointFields(pool_fqdn="pool.test"), RULES, 1.0)
    await store.change(ANNA, "new", decide, 1.0)


async def test_to_who_knows_nothing_everything_is_new(store):
    news = await store.news("")
    assert (news.is_table, news.is_users, news.bindings) == (True, True, None)
    assert (await store.news(news.mark)).is_empty


async def test_bindings_are_told_to_others_as_they_are_now_and_once(store, other):
    mark = (await other.news("")).mark
    await store.save_bindings([put("a"), put("b"), put("b", b"two")])
    await store.save_bindings([put("a", cseq=2), gone("b")])
    news = await other.news(mark)
    assert sorted(told(news)) == [("a", b"k", 2), ("b", b"k", None), ("b", b"two", 1)]
    assert not news.is_table and not news.is_users
    assert (await other.news(news.mark)).is_empty


async def test_who_saved_it_need_not_hear_of_it(store, other):
    mark = (await store.news("")).mark
    await store.save_bindings([put("a")])
    await other.save_bindings([put("b")])
    assert told(await store.news(mark)) == [("b", b"k", 1)]


async def test_what_an_operator_removes_is_told_to_everybody(store, other):
    await store.save_bindings([put("a")])
    marks = [(await each.news("")).mark for each in (store, other)]
    await store.remove_bindings("a@contoso.test", ANNA, 2.0)
    for each, mark in zip((store, other), marks, strict=True):
        assert told(await each.news(mark)) == [("a", b"k", None)]


async def test_table_and_users_are_told_apart(store, other):
    mark = (await other.news("")).mark
    await create(store)
    news = await other.news(mark)
    assert (news.is_table, news.is_users, list(news.bindings)) == (True, False, [])
    await store.set_user(User("a", "contoso.test", {"MD5": "x"}, 1.0), "new", ANNA)
    news = await other.news(news.mark)
    assert (news.is_table, news.is_users, list(news.bindings)) == (False, True, [])
    await store.learn("sip:GC-1@contoso.test", "pool.test", KEY, 1.0)
    assert (await other.news(news.mark)).is_table


async def test_whoever_was_away_for_long_hears_of_all(store, other):
    mark = (await other.news("")).mark
    for first in range(0, 3000, 100):
        await store.save_bindings([put(f"u{first + n}") for n in range(100)])
    await store.save_bindings([gone("u7")])
    found = {}
    while True:
        news = await other.news(mark)
        assert news.bindings is not None
        found |= {user: cseq for user, _, cseq in told(news)}
        mark = news.mark
        if news.is_all:
            break
    assert len(found) == 3000 and found["u7"] is None


async def test_a_look_up_finds_bindings_and_learned_uris(store):
    await create(store)
    await store.save_bindings([put("a"), put("a", b"two"), put("ab")])
    await store.learn("sip:GC-1@contoso.test", "pool.test", KEY, 1.0)
    names = ["a@contoso.test", "gc-1@contoso.test", "nobody@contoso.test"]
    a, learned, nobody = await store.look_up(names, 0.0)
    assert sorted(each.key for each in a.bindings) == [b"k", b"two"]
    assert list(learned.learned) == [("sip:GC-1@contoso.test", "pool.test", KEY)]
    assert not nobody.bindings and not nobody.learned
    assert not (await store.look_up(names, 9e9 + 1))[0].bindings
