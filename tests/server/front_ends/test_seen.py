"""A pool as the running service sees it, with a resolver that knows it."""

import asyncio

import pytest

from proxy.endpoints.model import Drain, Endpoint
from proxy.endpoints.table import EndpointTable
from proxy.pools.front_end import FrontEnd
from proxy.server.front_ends.seen import (
    answer_pool,
    drain_of,
    drained,
    front_end_of,
    pool_at_a_glance,
    pool_page,
)
from proxy.server.state import ServiceState
from tests.support.dns import dns_zone
from tests.support.proxy import running_proxy

POOL = "pool.test"
ZONE = {
    "_sip._udp.pool.test SRV": ["1 1 5060 fe1.pool.test", "2 1 5060 fe2.pool.test"],
    "fe1.pool.test A": "127.0.0.31",
    "fe2.pool.test A": "127.0.0.32",
}
CHAT = Endpoint("sip:chat@contoso.test", "chat@contoso.test", POOL)
FE1 = FrontEnd("udp", "127.0.0.31", 5060, "fe1.pool.test", POOL)
FE2 = FE1._replace(host="127.0.0.32", name="fe2.pool.test")
PATCH = Drain("fe1.pool.test", reason="patch", drained_by="anna")


@pytest.fixture
async def runtime():
    """A proxy that has resolved the pool."""
    async with dns_zone(ZONE) as zone, running_proxy() as proxy:
        runtime = proxy.runtime
        runtime.resolver.use([zone.address])
        runtime.swap_table(EndpointTable([CHAT]))
        lookup = runtime.pool_lookups()[POOL]
        async with asyncio.timeout(10):
            await runtime.resolver.resolve(lookup)
        yield runtime


def page(runtime, fqdn: str = POOL):
    return pool_page(runtime, ServiceState(), {"fqdn": fqdn})


async def test_front_ends_come_in_order_with_their_health(runtime) -> None:
    for _ in range(3):
        runtime.core.health.failed(FE1, "refused", runtime.loop.time())
    found = page(runtime, "Pool.test.")
    assert found["known"] and not found["error"]
    rows = {row["name"]: row for row in found["front_ends"]}
    assert rows["fe1.pool.test"]["state"] == "ejected"
    assert rows["fe1.pool.test"]["reason"] == "refused"
    assert rows["fe1.pool.test"]["transitions"][-1]["state"] == "ejected"
    assert rows["fe2.pool.test"]["state"] != "ejected" and not found["panic"]


async def test_when_all_that_may_be_tried_are_ejected_it_is_panic(runtime) -> None:
    for front_end in (FE1, FE2):
        for _ in range(3):
            runtime.core.health.failed(front_end, "refused", runtime.loop.time())
    assert pool_at_a_glance(runtime, POOL)["panic"]
    runtime.swap_table(EndpointTable([CHAT], drains=[PATCH, Drain("fe2.pool.test")]))
    assert not pool_at_a_glance(runtime, POOL)["panic"], "none may be tried"


async def test_a_drained_one_says_by_whom_and_until_when_and_an_ended_one_not(runtime):
    ended = Drain("fe2.pool.test", ends_at=1.0)
    runtime.swap_table(EndpointTable([CHAT], drains=[PATCH, ended]))
    rows = {x["name"]: x["drained"] for x in page(runtime)["front_ends"]}
    assert rows["fe2.pool.test"] is None
    assert rows["fe1.pool.test"]["by"] == "anna"
    assert rows["fe1.pool.test"]["until"] is None
    assert [x["front_end"] for x in drained(runtime)] == ["fe1.pool.test"]
    assert drain_of(runtime, POOL, "x", "127.0.0.32", 5060) is None
    assert drain_of(runtime, POOL, "FE1.pool.test", "x", 5060) == PATCH


async def test_a_pool_that_no_endpoint_leads_to_is_not_known(runtime) -> None:
    found = page(runtime, "elsewhere.test")
    assert not found["known"] and found["front_ends"] == []
    assert found.keys() == page(runtime).keys()


async def test_a_pool_without_an_answer_says_so(runtime) -> None:
    other = Endpoint("sip:x@contoso.test", "x@contoso.test", "slow.test")
    runtime.swap_table(EndpointTable([CHAT, other]))
    found = pool_at_a_glance(runtime, "slow.test")
    assert found["error"] == "not resolved yet" and found["dns_age"] is None


def test_where_no_worker_answers_the_page_is_503() -> None:
    assert answer_pool(None).status == 503 and answer_pool({"a": 1}).status == 200


async def test_a_row_is_its_front_end(runtime) -> None:
    described = runtime.resolver.describe(runtime.pool_lookups()[POOL])
    assert described is not None
    assert front_end_of(described.front_ends[0], POOL) == FE1
