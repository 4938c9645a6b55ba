"""What the history says stands in the log too, once."""

import pytest
from structlog.testing import capture_logs

from proxy.endpoints.changes import (
    EndpointFields,
    RowChange,
    Rules,
    new_endpoint,
    remove_endpoint,
    retire_endpoint,
    set_endpoint,
)
from proxy.endpoints.model import Cutover, Drain
from proxy.server.store_side import change_log
from proxy.server.store_side.change_log import ChangeLog
from proxy.store import Actor, User, open_store

ANNA = Actor("anna", "cli on box")
RULES = Rules(frozenset({"contoso.test"}))
KEY = "ocschat@contoso.test"


@pytest.fixture
async def store(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/x.db")
    yield store
    await store.close()


async def create(store, address=KEY):
    decide = new_endpoint(address, EndpointFields(pool_fqdn="p.contoso.test"), RULES, 1)
    await store.change(ANNA, "endpoint.new", decide, 1.0)


async def told(log):
    with capture_logs() as lines:
        await log.look()
    return lines


async def test_what_was_there_before_is_not_told_and_what_comes_is_told_once(store):
    await create(store)
    log = ChangeLog(store)
    assert await told(log) == []
    decide = set_endpoint(KEY, EndpointFields(pool_fqdn="q.contoso.test"), RULES, 2.0)
    await store.change(ANNA, "endpoint.set", decide, 2.0)
    (line,) = await told(log)
    assert line["event"] == "endpoint.changed"
    assert (line["actor"], line["origin"], line["verb"], line["key"]) == (
        *("anna", "cli on box", "endpoint.set", KEY),
    )
    assert line["before"]["pool_fqdn"] == "p.contoso.test"
    assert line["after"]["pool_fqdn"] == "q.contoso.test"
    assert await told(log) == []


async def test_the_first_change_of_an_empty_store_is_told(store):
    log = ChangeLog(store)
    await told(log)
    await create(store)
    (line,) = await told(log)
    assert (line["event"], line["before"]) == ("endpoint.created", None)


async def test_every_kind_of_change_has_its_name(store):
    log = ChangeLog(store)
    await told(log)
    await create(store)
    await store.change(ANNA, "endpoint.retire", retire_endpoint(KEY, "x", 2.0), 2.0)
    await store.change(ANNA, "endpoint.remove", remove_endpoint(KEY), 3.0)
    drain = Drain("fe1.test")
    for change in (RowChange(None, drain), RowChange(drain, None)):
        await store.change(ANNA, "pool.drain", lambda table, c=change: [c], 4.0)
    for state in ("applied", "confirmed", "rolled-back", "replaced"):
        row = RowChange(None, Cutover(1, state, "p.toml", 1.0, "anna"))
        await store.change(ANNA, "cutover", lambda table, c=row: [c], 5.0)
    await store.set_user(User("alice", "contoso.test", {"MD5": "b"}, 5.5), "new", ANNA)
    assert [line["event"] for line in await told(log)] == [
        *("endpoint.created", "endpoint.retired", "endpoint.removed"),
        *("pool.drained", "pool.undrained"),
        *("cutover.applied", "cutover.confirmed", "cutover.undone"),
        *("cutover.replaced", "user.changed"),
    ]


async def test_every_node_tells_and_one_of_them_leads(store):
    here = ChangeLog(store, "sip:10.0.0.1:5060", lambda: True)
    there = ChangeLog(store, "sip:10.0.0.2:5060", lambda: False)
    for log in (here, there):
        await told(log)
    await create(store)
    lines = [*await told(here), *await told(there)]
    assert [(x["node"], x["leads"]) for x in lines] == [
        *(("sip:10.0.0.1:5060", True), ("sip:10.0.0.2:5060", False)),
    ]
    assert len({x["number"] for x in lines}) == 1


async def test_a_flood_is_counted(store, monkeypatch):
    monkeypatch.setattr(change_log, "MOST", 3)
    log = ChangeLog(store)
    await told(log)
    for number in range(5):
        await create(store, f"u{number}@contoso.test")
    lines = await told(log)
    assert lines[0]["event"] == "history.skipped" and lines[0]["rows"] == 2
    assert [x["key"] for x in lines[1:]] == [f"u{n}@contoso.test" for n in (2, 3, 4)]


async def test_a_store_that_is_away_says_nothing(store):
    log = ChangeLog(store)
    await told(log)
    await store.close()
    assert await told(log) == []
