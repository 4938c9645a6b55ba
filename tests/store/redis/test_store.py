"""What a Redis that is shared with others must get right beyond the interface."""

import asyncio
import signal
import subprocess
import sys

import pytest

from proxy.endpoints.changes import (
    EndpointFields,
    Rules,
    new_endpoint,
    remove_endpoint,
    set_endpoint,
)
from proxy.location.binding import Binding, BindingChange
from proxy.store import Actor, StoreError, open_store
from proxy.store.redis import connection
from tests.support.certificates import Authority
from tests.support.redis import HOST, RedisServer

ANNA, BEN = Actor("anna", "cli on a"), Actor("ben", "cli on b")
RULES = Rules(frozenset({"contoso.test"}))
KEY = "ocschat@contoso.test"


@pytest.fixture
def store_url(redis_url):
    return redis_url


@pytest.fixture
def own_server(tmp_path):
    """A Redis that a test may treat as it likes."""
    made = []

    def make(*options, tls=False):
        made.append(RedisServer(tmp_path, *options, tls=tls))
        made[-1].start()
        return made[-1]

    yield make
    for server in made:
        server.kill()


def new(address=KEY):
    return new_endpoint(address, EndpointFields(pool_fqdn="old.test"), RULES, 1.0)


def lead_to(pool):
    return set_endpoint(KEY, EndpointFields(pool_fqdn=pool), RULES, 2.0)


def meanwhile(decide, work):
    """Decide, and let somebody else work before the first decision is written."""
    left = [work]

    def both(table):
        changes = decide(table)
        if left:
            # The event loop stands still here: another one does the work.
            subprocess.run([sys.executable, "-c", left.pop()], check=True)
        return changes

    return both


def script(url, decision):
    return (
        "import asyncio\n"
        "from tests.store.redis.test_store import *\n"
        "async def main():\n"
        f"    store = await open_store({url!r})\n"
        f"    await store.change(BEN, 'ben.did', {decision}, 3.0)\n"
        "    await store.close()\n"
        "asyncio.run(main())\n"
    )


async def test_who_changes_a_row_second_is_told_who_came_first(store, store_url):
    await store.change(ANNA, "new", new(), 1.0)
    decide = meanwhile(lead_to("anna.test"), script(store_url, "lead_to('ben.test')"))
    with pytest.raises(StoreError, match=r"changed by ben \(ben.did\) at the same"):
        await store.change(ANNA, "set", decide, 3.0)
    assert (await store.load_table()).endpoints[KEY].pool_fqdn == "ben.test"
    assert [row.actor for row in await store.history(KEY)] == [BEN, ANNA]


async def test_a_change_of_another_row_at_the_same_time_is_no_conflict(
    store, store_url
):
    await store.change(ANNA, "new", new(), 1.0)
    decide = meanwhile(lead_to("x.test"), script(store_url, "new('b@contoso.test')"))
    await store.change(ANNA, "set", decide, 3.0)
    table = await store.load_table()
    assert table.endpoints[KEY].pool_fqdn == "x.test"
    assert "b@contoso.test" in table.endpoints


async def test_many_changes_at_once_from_two_users_are_all_made(store, other):
    work = [
        each.change(ANNA, "new", new(f"{number}@contoso.test"), 1.0)
        for number in range(20)
        for each in (store, other)
    ]
    results = await asyncio.gather(*work, return_exceptions=True)
    assert sum(isinstance(result, list) for result in results) == 20
    assert len((await other.load_table()).endpoints) == 20
    numbers = [row.number for row in await store.history()]
    assert numbers == list(range(20, 0, -1))


async def test_a_redis_that_was_emptied_is_not_a_table_without_endpoints(
    store, redis_server
):
    await store.change(ANNA, "new", new(), 1.0)
    redis_server.clear()
    binding = Binding(KEY, b"k", b"u", b"v", 1.0, 9e9, 1.0, b"c", 1)
    for call in (
        store.table_version(),
        store.load_table(),
        store.registrar_version(),
        store.change(ANNA, "new", new(), 1.0),
        store.save_bindings([BindingChange(KEY, b"k", binding)]),
    ):
        with pytest.raises(StoreError, match="has been emptied or replaced"):
            await call
    assert redis_server.send("DBSIZE") == b":0\r\n"


async def test_every_byte_of_a_binding_survives(store):
    octets = bytes(range(256))
    made = Binding(
        "älice@contoso.test", octets, octets, octets, 0.1, 9e9, 1.1, octets, 2**40
    )
    await store.save_bindings([BindingChange(made.aor, made.key, made)])
    (found,) = await store.bindings(made.aor, 0.0)
    assert found.row() == made.row()


async def test_names_that_begin_alike_are_not_one(store):
    for aor in ("a@x", "a@x.test"):
        made = Binding(aor, b"k", b"u", b"v", 1.0, 9e9, 1.0, b"c", 1)
        await store.save_bindings([BindingChange(aor, b"k", made)])
    assert [each.aor for each in await store.bindings("a@x", 0.0)] == ["a@x"]
    assert len(await store.remove_bindings("a@x", ANNA, 1.0)) == 1
    assert [each.aor for each in await store.bindings(None, 0.0)] == ["a@x.test"]


async def test_removing_an_endpoint_forgets_what_was_learned_for_it_alone(store):
    await store.change(ANNA, "new", new(), 1.0)
    await store.change(ANNA, "new", new("b@contoso.test"), 1.0)
    await store.learn("sip:GC-1@contoso.test", "old.test", KEY, 1.0)
    await store.learn("sip:GC-1@contoso.test", "old.test", "b@contoso.test", 2.0)
    await store.change(ANNA, "remove", remove_endpoint(KEY), 3.0)
    assert "gc-1@contoso.test" in (await store.load_table()).learned


async def test_what_was_acknowledged_is_there_after_a_kill(own_server):
    server = own_server()
    store = await open_store(server.url)
    await store.change(ANNA, "new", new(), 1.0)
    key, version = await store.hmac_key(), await store.table_version()
    server.kill()
    with pytest.raises(StoreError, match=r"cannot be reached .*start Redis or mend"):
        await store.table_version()
    server.start()
    assert await store.table_version() == version
    await store.change(ANNA, "set", lead_to("x.test"), 2.0)
    await store.close()
    again = await open_store(server.url)
    assert await again.hmac_key() == key
    assert (await again.load_table()).endpoints[KEY].pool_fqdn == "x.test"
    await again.close()


async def test_a_redis_that_hangs_holds_up_nobody_for_longer_than_one_timeout(
    own_server, monkeypatch
):
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.2)
    server = own_server()
    store = await open_store(server.url)
    server.signal(signal.SIGSTOP)
    start = asyncio.get_running_loop().time()
    calls = [store.table_version() for _ in range(20)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, StoreError) for result in results)
    # One after the other they would take 4 s.
    assert asyncio.get_running_loop().time() - start < 3.0
    server.signal(signal.SIGCONT)
    assert await store.table_version() == 0
    await store.close()


async def test_whoever_is_cancelled_in_the_middle_of_a_call_ends(store):
    async def ask_for_ever():
        while True:
            await store.table_version()

    for number in range(100):
        tasks = [asyncio.ensure_future(ask_for_ever()) for _ in range(3)]
        await asyncio.sleep(number / 100_000)  # another place each time
        for task in tasks:
            task.cancel()
        _, pending = await asyncio.wait(tasks, timeout=2)
        assert not pending
    assert await store.table_version() == 0


async def test_a_user_with_only_the_rights_of_the_documentation_is_enough(own_server):
    rules = "user waypost on >s%cret ~{waypost}:* +@all -@admin -@dangerous"
    server = own_server("--user", *rules.split()[1:])
    with_user = server.url.replace("//", "//waypost:s%25cret@")
    store = await open_store(with_user)
    await store.change(ANNA, "new", new(), 1.0)
    await store.learn("sip:GC-1@contoso.test", "old.test", KEY, 1.0)
    assert len(await store.history()) == 1
    await store.close()
    with pytest.raises(StoreError, match="refuses our user or password") as caught:
        await open_store(server.url.replace("//", "//waypost:wrong@"))
    assert "wrong@" not in str(caught.value)


async def test_a_user_without_the_rights_says_which_to_give(own_server):
    rules = "user waypost on >x ~else:* +@all"
    server = own_server("--user", *rules.split()[1:])
    with pytest.raises(StoreError, match=r"give it .*ACL SETUSER"):
        await open_store(server.url.replace("//", "//waypost:x@"))


async def test_a_right_that_is_missing_inside_a_script_is_advised_on_too(own_server):
    rules = "user waypost on >x ~{waypost}:* +@all -@admin -@dangerous -xadd"
    server = own_server("--user", *rules.split()[1:])
    with pytest.raises(StoreError, match=r"give it .*ACL SETUSER"):
        await open_store(server.url.replace("//", "//waypost:x@"))


async def test_a_redis_of_a_newer_version_is_left_alone(store, store_url, redis_server):
    redis_server.send("HSET {waypost}:meta schema 99")
    with pytest.raises(StoreError, match=r"newer waypost \(schema 99"):
        await open_store(store_url)


async def test_keys_of_something_else_are_named(redis_server, store_url):
    redis_server.clear()
    redis_server.send("SET {waypost}:meta x")
    with pytest.raises(StoreError, match="of something else"):
        await open_store(store_url)


async def test_a_full_redis_says_so(own_server):
    server = own_server()
    store = await open_store(server.url)
    server.send("CONFIG SET maxmemory 1")
    with pytest.raises(StoreError, match="no memory left"):
        await store.change(ANNA, "new", new(), 1.0)
    assert (await store.load_table()).endpoints == {}
    await store.close()


async def test_tls_needs_a_certificate_that_the_authority_vouches_for(
    own_server, tmp_path
):
    files = Authority(tmp_path).issue(HOST)
    server = own_server(
        *("--tls-cert-file", str(files.certificate), "--tls-key-file", str(files.key)),
        *("--tls-ca-cert-file", str(files.ca), "--tls-auth-clients", "no"),
        tls=True,
    )
    url = server.url.replace("redis://", "rediss://")
    with pytest.raises(StoreError, match="certificate"):
        await open_store(url)
    store = await open_store(f"{url}?ssl_ca_certs={files.ca}")
    await store.change(ANNA, "new", new(), 1.0)
    assert KEY in (await store.load_table()).endpoints
    await store.close()


def test_an_embedded_store_does_not_load_the_client_of_redis(tmp_path):
    code = (
        "import asyncio, sys, proxy.server.lifecycle, proxy.cli.main\n"
        "from proxy.store import open_store\n"
        "async def main():\n"
        "    await (await open_store(sys.argv[1])).close()\n"
        "asyncio.run(main())\n"
        "sys.exit('redis' in sys.modules)\n"
    )
    url = f"sqlite:///{tmp_path}/w.db"
    assert subprocess.run([sys.executable, "-c", code, url]).returncode == 0
