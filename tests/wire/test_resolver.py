"""The resolver against a real name server: what it asks, keeps and shares."""

import asyncio
import random
import time
from contextlib import asynccontextmanager

import pytest

from proxy.pools.answers import DnsLimits
from proxy.pools.front_end import Lookup
from proxy.pools.resolver import Resolver
from proxy.pools.selection import order
from tests.support.dns import dns_zone

ALL = ("tls", "tcp", "udp")
POOL = Lookup("pool.test")
UDP = Lookup("pool.test", None, "udp")
ZONE = {
    "_sip._udp.pool.test SRV": ["10 60 5060 fe1.test", "20 0 5070 fe2.test"],
    "_sip._tcp.pool.test SRV": "10 0 5060 fe1.test",
    "fe1.test A": "127.0.0.11",
    "fe2.test A": "127.0.0.12",
}


class Clock:
    """The resolver's clock: real time, plus what a test skips."""

    def __init__(self):
        self.skipped = 0.0

    def __call__(self):
        return time.monotonic() + self.skipped

    def skip(self, seconds):
        self.skipped += seconds


PATIENCE = 10.0
"""The budget of a resolver whose servers answer, on a machine that may be busy."""


@asynccontextmanager
async def resolver_for(zone, *, transports=ALL, clock=None, budget=PATIENCE, **more):
    resolver = Resolver(
        [zone.address],
        transports,
        clock=clock or time.monotonic,
        limits=more.pop("limits", DnsLimits(budget=budget)),
        rng=random.Random(1),
        **more,
    )
    try:
        yield resolver
    finally:
        await resolver.close()


def places(resolution):
    return {(fe.transport, fe.host, fe.port) for fe in resolution.front_ends()}


async def until(condition):
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.01)


async def test_auto_finds_every_transport_that_has_srv():
    async with dns_zone(ZONE) as zone, resolver_for(zone) as resolver:
        resolution = await resolver.resolve(POOL)
        assert places(resolution) == {
            ("udp", "127.0.0.11", 5060),
            ("udp", "127.0.0.12", 5070),
            ("tcp", "127.0.0.11", 5060),
        }
        assert resolution.error is None and resolution.stale_since is None
        assert zone.asked("fe1.test A") == 1
        assert zone.asked("pool.test A") == 0


async def test_only_what_we_can_send_from_is_asked_for():
    async with (
        dns_zone(ZONE) as zone,
        resolver_for(zone, transports=("udp",), families=(4,)) as resolver,
    ):
        await resolver.resolve(UDP)
        assert {key for key, _ in zone.queries} == {
            "_sip._udp.pool.test SRV",
            "fe1.test A",
            "fe2.test A",
        }


async def test_a_fixed_port_asks_for_addresses_only():
    zone = {**ZONE, "pool.test A": "127.0.0.13"}
    async with dns_zone(zone) as server, resolver_for(server) as resolver:
        resolution = await resolver.resolve(Lookup("pool.test", 5099, "tcp"))
        assert places(resolution) == {("tcp", "127.0.0.13", 5099)}
        assert {key for key, _ in server.queries} == {"pool.test A", "pool.test AAAA"}


async def test_without_srv_the_host_itself_is_used():
    async with (
        dns_zone({"pool.test A": "127.0.0.13"}) as zone,
        resolver_for(zone, transports=("tcp", "udp")) as resolver,
    ):
        assert places(await resolver.resolve(POOL)) == {
            ("tcp", "127.0.0.13", 5060),
            ("udp", "127.0.0.13", 5060),
        }


async def test_microsofts_tls_name_is_enough():
    records = {
        "_sip._tls.pool.test SRV": "0 0 5061 fe1.test",
        "fe1.test A": "127.1.1.1",
    }
    async with dns_zone(records) as zone, resolver_for(zone) as resolver:
        assert places(await resolver.resolve(POOL)) == {("tls", "127.1.1.1", 5061)}


async def test_naptr_chooses_the_transport_and_the_names():
    records = {
        **ZONE,
        "pool.test NAPTR": [
            '10 10 "s" "SIP+D2T" "" _sip._tcp.elsewhere.test',
            '20 10 "s" "SIP+D2U" "" _sip._udp.pool.test',
        ],
        "_sip._tcp.elsewhere.test SRV": "0 0 5080 fe2.test",
    }
    async with dns_zone(records) as zone, resolver_for(zone) as resolver:
        resolution = await resolver.resolve(POOL)
        assert resolution.naptr_order == ("tcp", "udp")
        first = order(resolution, ("udp",), random.Random(1))[0]
        assert first.key == ("tcp", "127.0.0.12", 5080)


async def test_ipv6_addresses_are_found_too():
    records = {**ZONE, "fe1.test AAAA": "::1"}
    async with dns_zone(records) as zone, resolver_for(zone) as resolver:
        found = places(await resolver.resolve(UDP))
        assert {("udp", "::1", 5060), ("udp", "127.0.0.11", 5060)} < found


async def test_a_name_server_on_ipv6_can_be_asked():
    async with dns_zone(ZONE, host="::1") as zone, resolver_for(zone) as resolver:
        assert (await resolver.resolve(UDP)).error is None


async def test_cname_chains_of_targets_are_followed():
    records = {
        "_sip._udp.pool.test SRV": "0 0 5060 alias.test",
        "alias.test CNAME": "other.test",
        "other.test CNAME": "fe9.test",
        "fe9.test A": "127.0.0.19",
    }
    async with dns_zone(records) as zone, resolver_for(zone) as resolver:
        assert places(await resolver.resolve(UDP)) == {("udp", "127.0.0.19", 5060)}


async def test_a_lame_target_is_skipped():
    records = {
        **ZONE,
        "_sip._udp.pool.test SRV": ["1 0 5060 gone.test", "2 0 5 fe2.test"],
    }
    async with dns_zone(records) as zone, resolver_for(zone) as resolver:
        resolution = await resolver.resolve(UDP)
        assert places(resolution) == {("udp", "127.0.0.12", 5)}
        # and is looked for again soon, though the others would hold for a minute
        assert resolution.expires - resolution.resolved_at <= 30.0


async def test_a_large_answer_comes_over_tcp():
    many = [f"{n} 0 5060 fe{n}-with-a-rather-long-name.test" for n in range(50)]
    records = {"_sip._udp.pool.test SRV": many}
    records |= {
        f"fe{n}-with-a-rather-long-name.test A": f"127.0.1.{n}" for n in range(50)
    }
    async with dns_zone(records) as zone, resolver_for(zone, budget=3) as resolver:
        assert len((await resolver.resolve(UDP)).front_ends()) == 50
        assert ("_sip._udp.pool.test SRV", "tcp") in zone.queries


async def test_concurrent_look_ups_of_one_name_are_one_question():
    async with dns_zone(ZONE) as zone, resolver_for(zone, budget=3) as resolver:
        zone.delay = 0.05
        found = await asyncio.gather(*(resolver.resolve(UDP) for _ in range(100)))
        assert len({id(resolution) for resolution in found}) == 1
        assert zone.asked("_sip._udp.pool.test SRV") == 1


async def test_a_caller_that_gives_up_does_not_take_the_look_up_with_it():
    async with dns_zone(ZONE) as zone, resolver_for(zone, budget=3) as resolver:
        zone.delay = 0.05
        impatient = asyncio.ensure_future(resolver.resolve(UDP))
        patient = asyncio.ensure_future(resolver.resolve(UDP))
        await asyncio.sleep(0.01)
        impatient.cancel()
        assert (await patient).error is None
        assert impatient.cancelled()


async def test_a_cached_name_is_not_asked_again_and_never_waits():
    async with dns_zone(ZONE) as zone, resolver_for(zone) as resolver:
        assert resolver.cached(UDP, time.monotonic()) is None
        resolution = await resolver.resolve(UDP)
        asked = zone.asked()
        zone.drop()
        assert resolver.cached(UDP, time.monotonic()) is resolution
        assert await resolver.resolve(UDP) is resolution
        assert zone.asked() == asked


async def test_an_expired_answer_is_still_at_hand_and_a_new_one_is_asked_for():
    clock = Clock()
    async with (
        dns_zone(ZONE, ttl=60) as zone,
        resolver_for(zone, clock=clock) as resolver,
    ):
        old = await resolver.resolve(UDP)
        clock.skip(61)
        assert resolver.cached(UDP, clock()) is old
        zone.set("fe1.test A", "127.0.0.99")
        assert ("udp", "127.0.0.99", 5060) in places(await resolver.resolve(UDP))


@pytest.mark.parametrize("trouble", ["fail", "drop"])
async def test_when_dns_fails_the_last_answer_is_used_on(trouble):
    clock, budget = Clock(), 2.0 if trouble == "drop" else PATIENCE
    async with (
        dns_zone(ZONE) as zone,
        resolver_for(zone, clock=clock, budget=budget) as resolver,
    ):
        before = places(await resolver.resolve(UDP))
        clock.skip(3600)
        getattr(zone, trouble)()
        stale = await resolver.resolve(UDP)
        assert places(stale) == before
        assert stale.error is None and stale.stale_since is not None
        zone.heal()
        clock.skip(60)
        assert (await resolver.resolve(UDP)).stale_since is None


async def test_a_stale_answer_is_not_trusted_for_more_than_a_day():
    clock = Clock()
    async with dns_zone(ZONE) as zone, resolver_for(zone, clock=clock) as resolver:
        await resolver.resolve(UDP)
        clock.skip(86_400 + 61)
        zone.fail()
        assert (await resolver.resolve(UDP)).error == "timeout"


async def test_servfail_for_one_record_loses_none_of_the_others():
    clock = Clock()
    async with dns_zone(ZONE) as zone, resolver_for(zone, clock=clock) as resolver:
        await resolver.resolve(UDP)
        clock.skip(61)
        zone.fail("fe1.test A")
        zone.set("fe2.test A", "127.0.0.22")
        assert places(await resolver.resolve(UDP)) == {
            ("udp", "127.0.0.11", 5060),  # the last that was known
            ("udp", "127.0.0.22", 5070),  # followed
        }


async def test_servfail_on_a_name_never_seen_is_a_failure_that_says_who():
    async with dns_zone(ZONE) as zone, resolver_for(zone) as resolver:
        zone.fail()
        resolution = await resolver.resolve(UDP)
        assert resolution.error == "timeout"
        assert f"{zone.address} answered SERVFAIL" in resolution.reason


@pytest.mark.parametrize("trouble", ["SERVFAIL", "REFUSED", "silence"])
@pytest.mark.parametrize("question", ["_sip._udp.pool.test SRV", "*"])
async def test_no_answer_about_srv_is_no_reason_to_use_the_address(trouble, question):
    records = {"pool.test A": "127.0.0.13"}
    budget = 0.6 if trouble == "silence" else PATIENCE
    async with (
        dns_zone(records, ttl=3600) as zone,
        resolver_for(zone, budget=budget) as resolver,
    ):
        if trouble == "silence":
            zone.drop(question)
        else:
            zone.fail(question, trouble)
        resolution = await resolver.resolve(UDP)
        assert resolution.error == "timeout"
        assert "_sip._udp.pool.test SRV" in resolution.reason
        assert resolution.expires - resolution.resolved_at <= 5.0
        assert zone.asked("pool.test A") == 0
        zone.heal()
        clock = time.monotonic() + 6
        assert resolver.cached(UDP, clock) is None  # asked for again by the next call


async def test_one_srv_question_without_an_answer_is_enough_to_doubt():
    records = {"pool.test A": "127.0.0.13"}
    async with dns_zone(records) as zone, resolver_for(zone) as resolver:
        zone.fail("_sip._tcp.pool.test SRV")
        assert (await resolver.resolve(POOL)).error == "timeout"


async def test_srv_records_that_are_there_are_used_though_others_fail():
    async with dns_zone(ZONE) as zone, resolver_for(zone) as resolver:
        zone.fail("_sip._tcp.pool.test SRV")
        zone.fail("pool.test NAPTR")
        resolution = await resolver.resolve(POOL)
        assert {fe.transport for fe in resolution.front_ends()} == {"udp"}
        assert resolution.expires - resolution.resolved_at <= 10.0


@pytest.mark.parametrize(
    ("trouble", "error"),
    [("SERVFAIL", "timeout"), ("REFUSED", "timeout"), ("NOTIMP", None)],
)
async def test_naptr_that_fails_may_hide_services_of_other_names(trouble, error):
    records = {"pool.test A": "127.0.0.13"}
    async with dns_zone(records) as zone, resolver_for(zone) as resolver:
        zone.fail("pool.test NAPTR", trouble)
        assert (await resolver.resolve(POOL)).error == error


async def test_srv_that_naptr_points_at_must_be_answered_too():
    records = {
        "pool.test NAPTR": '10 10 "s" "SIP+D2T" "" _sip._tcp.elsewhere.test',
        "pool.test A": "127.0.0.13",
    }
    async with dns_zone(records) as zone, resolver_for(zone) as resolver:
        zone.fail("_sip._tcp.elsewhere.test SRV")
        assert (await resolver.resolve(POOL)).error == "timeout"


async def test_stale_srv_records_are_used_when_srv_fails():
    clock = Clock()
    records = {**ZONE, "pool.test A": "127.0.0.13"}
    async with dns_zone(records) as zone, resolver_for(zone, clock=clock) as resolver:
        before = places(await resolver.resolve(UDP))
        clock.skip(120)
        zone.fail("_sip._udp.pool.test SRV")
        assert places(await resolver.resolve(UDP)) == before


@pytest.mark.parametrize(
    ("record", "word"),
    [
        ("0 0 0 fe1.test", "port 0 for fe1.test"),
        ("0 0 5060 192.0.2.7", "the address 192.0.2.7 as its target"),
        ("0 0 5060 .", "offers no SIP service"),
    ],
)
async def test_a_record_that_leads_nowhere_is_named(record, word):
    records = {
        "_sip._udp.pool.test SRV": record,
        "fe1.test A": "127.0.0.11",
        "pool.test A": "127.0.0.13",
    }
    async with dns_zone(records) as zone, resolver_for(zone) as resolver:
        resolution = await resolver.resolve(UDP)
        assert (resolution.error, resolution.front_ends()) == ("srv", [])
        assert word in resolution.reason
        assert zone.asked("192.0.2.7 A") == 0


async def test_names_are_asked_as_they_stand():
    async with (
        dns_zone({"pool.test A": "127.0.0.13"}) as zone,
        resolver_for(zone) as resolver,
    ):
        resolution = await resolver.resolve(Lookup("pool", 5060, "udp"))
        assert {key for key, _ in zone.queries} == {"pool A", "pool AAAA"}
        assert "write the full name" in resolution.reason


async def test_a_silent_server_costs_the_budget_and_no_more():
    async with dns_zone(ZONE) as zone, resolver_for(zone, budget=0.4) as resolver:
        zone.drop()
        started = time.monotonic()
        resolution = await resolver.resolve(UDP)
        assert resolution.error == "timeout"
        assert "no answer" in resolution.reason
        assert time.monotonic() - started < 3.0  # 5 s is what it takes without one


async def test_a_server_that_swallows_naptr_leaves_time_for_the_rest():
    async with dns_zone(ZONE) as zone, resolver_for(zone, budget=3) as resolver:
        zone.drop("pool.test NAPTR")
        resolution = await resolver.resolve(POOL)
        assert resolution.error is None
        assert resolution.expires - resolution.resolved_at > 50  # nothing to retry


async def test_failing_aaaa_does_not_hide_the_a_record():
    async with dns_zone(ZONE) as zone, resolver_for(zone) as resolver:
        zone.fail("fe1.test AAAA")
        zone.fail("fe2.test AAAA")
        resolution = await resolver.resolve(UDP)
        assert resolution.error is None and resolution.stale_since is None


async def test_the_second_name_server_is_asked_when_the_first_is_dead():
    async with dns_zone(ZONE) as dead, dns_zone(ZONE) as zone:
        dead.drop()
        resolver = Resolver(
            [dead.address, zone.address], ALL, limits=DnsLimits(budget=1.0)
        )
        assert (await resolver.resolve(UDP)).error is None
        await resolver.close()


async def test_a_name_that_does_not_exist_is_remembered_for_half_a_minute_at_most():
    clock = Clock()
    async with (
        dns_zone({}, negative_ttl=3600) as zone,
        resolver_for(zone, clock=clock) as resolver,
    ):
        resolution = await resolver.resolve(UDP)
        assert resolution.error == "srv"
        asked = zone.asked()
        assert await resolver.resolve(UDP) is resolution
        assert zone.asked() == asked
        clock.skip(31)
        assert resolver.cached(UDP, clock()) is None
        zone.set("pool.test A", "127.0.0.13")
        assert (await resolver.resolve(UDP)).error is None


async def test_nxdomain_replaces_what_was_known():
    clock = Clock()
    async with dns_zone(ZONE) as zone, resolver_for(zone, clock=clock) as resolver:
        await resolver.resolve(UDP)
        for key in ZONE:
            zone.remove(key)
        clock.skip(61)
        doubtful = await resolver.resolve(UDP)
        assert doubtful.error is None and doubtful.stale_since is not None
        assert "though there were" in doubtful.reason
        clock.skip(31)
        assert (await resolver.resolve(UDP)).error == "srv"


async def test_a_short_nxdomain_empties_no_pool():
    clock, changes = Clock(), []
    async with (
        dns_zone(ZONE) as zone,
        resolver_for(zone, clock=clock, on_change=changes.append) as resolver,
    ):
        before = places(await resolver.resolve(UDP))
        zone.fail("*", "NXDOMAIN")
        for _ in range(3):
            clock.skip(61 if len(changes) == 1 else 6)
            assert places(await resolver.resolve(UDP)) == before
        zone.heal()
        clock.skip(11)
        assert (await resolver.resolve(UDP)).stale_since is None
        # News of each change, once: found, in doubt, well again.
        assert [each.stale_since is None for each in changes] == [True, False, True]


async def test_ttl_zero_is_held_for_the_floor():
    async with dns_zone(ZONE, ttl=0) as zone, resolver_for(zone) as resolver:
        resolution = await resolver.resolve(UDP)
        assert 3 < resolution.expires - resolution.resolved_at <= 5.0


async def test_a_flipped_record_is_followed_in_the_background():
    limits = DnsLimits(ttl_floor=0.0, budget=2.0)
    changes = []
    async with (
        dns_zone(ZONE, ttl=1) as zone,
        resolver_for(zone, limits=limits, on_change=changes.append) as resolver,
    ):
        resolver.start()
        await resolver.resolve(UDP)
        zone.set("fe1.test A", "127.0.0.99")
        await until(lambda: len(changes) == 2)
        assert ("udp", "127.0.0.99", 5060) in places(changes[1])
        assert resolver.cached(UDP, time.monotonic()) is changes[1]


async def test_an_unchanged_name_keeps_its_resolution_through_refreshes():
    limits = DnsLimits(ttl_floor=0.0, budget=2.0)
    changes = []
    async with (
        dns_zone(ZONE, ttl=1) as zone,
        resolver_for(zone, limits=limits, on_change=changes.append) as resolver,
    ):
        resolver.start()
        first = await resolver.resolve(UDP)
        expires = first.expires
        await until(lambda: zone.asked("_sip._udp.pool.test SRV") > 1)
        await until(lambda: first.expires > expires)
        assert resolver.cached(UDP, time.monotonic()) is first
        assert changes == [first]


async def test_pinned_names_are_resolved_before_anybody_asks():
    async with dns_zone(ZONE) as zone, resolver_for(zone) as resolver:
        resolver.pin([UDP, Lookup("127.0.0.1")])
        await until(lambda: resolver.cached(UDP, time.monotonic()) is not None)


async def test_one_failed_look_up_leaves_the_others_alone():
    # kamailio#4911: the failure of one request must not spoil a shared answer.
    async with dns_zone(ZONE) as zone, resolver_for(zone) as resolver:
        good = await resolver.resolve(UDP)
        zone.fail()
        bad = await asyncio.gather(
            resolver.resolve(Lookup("other.test")),
            resolver.resolve(Lookup("pool.test", None, "tcp")),
        )
        assert [resolution.error for resolution in bad] == ["timeout", "timeout"]
        assert resolver.cached(UDP, time.monotonic()) is good
        assert good.error is None and good.stale_since is None


async def test_closing_answers_whoever_waits():
    async with dns_zone(ZONE) as zone, resolver_for(zone, budget=3) as resolver:
        zone.drop()
        waiting = asyncio.ensure_future(resolver.resolve(UDP))
        await asyncio.sleep(0.02)
        await resolver.close()
        assert (await waiting).error == "timeout"
        assert (await resolver.resolve(POOL)).reason == "the resolver is closed"


@pytest.mark.parametrize("host", ["a..test", "x" * 64 + ".test", "."])
async def test_what_is_no_dns_name_is_an_error_and_no_exception(host):
    async with dns_zone(ZONE) as zone, resolver_for(zone) as resolver:
        resolution = await resolver.resolve(Lookup(host))
        assert resolution.error == "address"
        assert zone.asked() == 0


async def test_a_transport_without_a_listener_is_an_error_that_says_so():
    async with (
        dns_zone(ZONE) as zone,
        resolver_for(zone, transports=("udp",)) as resolver,
    ):
        resolution = await resolver.resolve(Lookup("pool.test", None, "tls"))
        assert resolution.error == "srv"
        assert "no tls listener" in resolution.reason


@pytest.mark.parametrize("text", ["ns.test:53", "127.0.0.1:0", "127.0.0.1:x", ""])
def test_a_name_server_must_be_an_address(text):
    with pytest.raises(ValueError, match="is not an address"):
        Resolver([text], ALL)


async def test_a_description_shows_records_front_ends_and_ages():
    clock = Clock()
    async with dns_zone(ZONE) as zone, resolver_for(zone, clock=clock) as resolver:
        assert resolver.describe(POOL) is None
        await resolver.resolve(POOL)
        clock.skip(61)
        zone.fail("fe1.test A")
        await resolver.resolve(POOL)
        shown = resolver.describe(POOL, preference=("udp", "tls", "tcp"))
        assert shown.transports == ("udp", "tcp")
        assert [(row.position, row.name) for row in shown.front_ends] == [
            (1, "fe1.test"),
            (2, "fe2.test"),
            (1, "fe1.test"),
        ]
        rows = {(row.name, row.type): row for row in shown.records}
        assert rows["fe2.test", "A"].text == "127.0.0.12"
        assert rows["fe1.test", "A"].ttl_left < 0
        assert rows["fe1.test", "A"].stale_for is not None
        assert "SERVFAIL" in rows["fe1.test", "A"].problem
        assert rows["_sip._tls.pool.test", "SRV"].text == ""
