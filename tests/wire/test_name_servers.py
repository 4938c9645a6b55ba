"""Name servers that misbehave, and a system that changes its mind about them."""

import asyncio
import signal
import struct
import time
from contextlib import asynccontextmanager

import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from proxy.pools.answers import DnsLimits
from proxy.pools.front_end import Lookup
from proxy.pools.name_servers import MAX_BYTES
from proxy.pools.resolver import LOOK, Resolver
from proxy.pools.srv import OF_OTHERS, OF_POOLS
from tests.support.dns import MisbehavingZone, dns_zone
from tests.support.service import new_service

UDP = Lookup("pool.test", None, "udp")
PATIENT = 60.0
"""The budget where many questions are asked, on a machine that may be busy."""
ZONE = {"_sip._udp.pool.test SRV": "0 0 5060 fe.test", "fe.test A": "127.0.0.11"}


class Hostile(MisbehavingZone):
    """Answers some questions with what it is given instead."""

    def __init__(self, records, **more):
        super().__init__(records, **more)
        self.answers = {}

    async def respond(self, query, transport):
        response = await super().respond(query, transport)
        question = query.question[0]
        key = question.name.to_text(omit_final_dot=True), question.rdtype.name
        if key in self.answers:
            response = dns.message.make_response(query)
            response.answer = list(self.answers[key])
        return response


@asynccontextmanager
async def hostile_zone(records):
    zone = Hostile(records)
    await zone.start()
    try:
        yield zone
    finally:
        await zone.stop()


def resolver_at(*addresses, clock=time.monotonic, budget=2.0, **more):
    limits = DnsLimits(budget=budget, ttl_floor=0.0)
    return Resolver(
        list(addresses) or None, ("udp",), (4,), limits=limits, clock=clock, **more
    )


def rrset(name, kind, *texts):
    return dns.rrset.from_text(f"{name}.", 60, "IN", kind, *texts)


def addresses(count, first=0):
    numbers = range(first, first + count)
    return [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in numbers]


BAD = {
    "4,000 addresses": [rrset("fe.test", "A", *addresses(4000))],
    "300 addresses": [rrset("fe.test", "A", *addresses(300))],
    "too many bytes": [
        rrset("fe.test", "TXT", *[f'"{n:0240d}"' for n in range(MAX_BYTES // 240 + 1)])
    ],
    "a circle": [
        rrset("fe.test", "CNAME", "a.test."),
        rrset("a.test", "CNAME", "fe.test."),
    ],
    "a long chain": [
        rrset("fe.test", "CNAME", "n0.test."),
        *[rrset(f"n{n}.test", "CNAME", f"n{n + 1}.test.") for n in range(12)],
        rrset("n12.test", "A", "10.9.9.9"),
    ],
    "half a chain": [rrset("fe.test", "CNAME", "elsewhere.test.")],
}


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_answer_replaces_no_good_one(bad):
    skipped = 0.0
    async with hostile_zone(ZONE) as zone:
        resolver = resolver_at(zone.address, clock=lambda: time.monotonic() + skipped)
        before = await resolver.resolve(UDP)
        zone.answers["fe.test", "A"] = BAD[bad]
        skipped = 61.0
        after = await resolver.resolve(UDP)
        assert [x.host for x in after.front_ends()] == ["127.0.0.11"]
        assert after.groups == before.groups and after.stale_since is not None
        assert "fe.test A" in after.reason
        assert len(after.reason) < 300
        await resolver.close()


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_answer_about_a_new_name_is_a_failure_and_not_an_absence(bad):
    async with hostile_zone(ZONE) as zone:
        zone.answers["fe.test", "A"] = BAD[bad]
        resolver = resolver_at(zone.address)
        assert (await resolver.resolve(UDP)).error == "timeout"
        await resolver.close()


async def test_another_server_may_do_better():
    async with hostile_zone(ZONE) as bad, dns_zone(ZONE) as good:
        bad.answers["fe.test", "A"] = BAD["4,000 addresses"]
        resolver = resolver_at(bad.address, good.address)
        resolution = await resolver.resolve(UDP)
        assert [x.host for x in resolution.front_ends()] == ["127.0.0.11"]
        await resolver.close()


def _huge(query):
    """64 targets with an answer of 64 KB each, made without dnspython's help."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    kind = int.from_bytes(query[at + 1 : at + 3], "big")
    records = []
    if kind == dns.rdatatype.SRV:
        for n in range(64):
            name = f"fe{n}.test"
            target = b"".join(bytes([len(x)]) + x.encode() for x in name.split("."))
            records.append(struct.pack("!HHH", 0, 0, 5060) + target + b"\0")
    elif kind == dns.rdatatype.A:
        records = [struct.pack("!I", 0x0A000000 + n) for n in range(4000)]
    body = b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(each)) + each
        for each in records
    )
    head = query[:2] + struct.pack("!HHHHH", 0x8180, 1, len(records), 0, 0)
    return head + query[12 : at + 5] + body


class _Huge(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        answer = _huge(data)
        if len(answer) > 512:  # have them come over TCP
            answer = answer[:2] + b"\x83\x80" + answer[4:12] + data[12:]
        self.transport.sendto(answer, peer)


async def _over_tcp(reader, writer):
    size = int.from_bytes(await reader.readexactly(2), "big")
    answer = _huge(await reader.readexactly(size))
    writer.write(len(answer).to_bytes(2, "big") + answer)
    await writer.drain()
    writer.close()


async def test_huge_answers_cost_next_to_nothing():
    # 64 targets of 64 KB each took 7.5 s of CPU when all of them were read.
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(_over_tcp, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    datagrams, _ = await loop.create_datagram_endpoint(
        _Huge, local_addr=("127.0.0.1", port)
    )
    resolver = resolver_at(f"127.0.0.1:{port}", budget=PATIENT)
    sent = time.process_time()
    for _ in range(65):
        _huge(b"\0" * 12 + b"\3fe1\4test\0\0\1\0\1")
    own = time.process_time() - sent  # this test's own part of the work
    began = time.process_time()
    resolution = await resolver.resolve(UDP)
    spent = time.process_time() - began
    assert resolution.error == "timeout"
    assert f"64026 bytes, where {MAX_BYTES} are read" in resolution.reason
    assert spent - own < 1.0
    await resolver.close()
    datagrams.close()
    server.close()


async def test_a_pool_of_thousands_is_cut_to_its_first_choices():
    records = {
        "_sip._udp.pool.test SRV": [f"{n} 0 5060 fe{n}.test" for n in range(100)],
        **{f"fe{n}.test A": addresses(100, n << 16) for n in range(100)},
    }
    async with dns_zone(records) as zone:
        resolver = resolver_at(zone.address, budget=PATIENT)
        found = (await resolver.resolve(UDP)).front_ends()
        assert len(found) == OF_POOLS.front_ends
        assert {x.priority for x in found} == set(range(8))
        await resolver.close()


def lavish_zone(services=150, addresses=16):
    """What a stranger may make of a name: services of services, targets, addresses."""
    zone = {
        "pool.test NAPTR": [
            f'{n} 0 "s" "SIP+D2U" "" _s{n}.pool.test' for n in range(services)
        ]
    }
    targets = [f"{n} 0 5060 fe{n}.test" for n in range(150)]
    for n in range(services):
        zone[f"_s{n}.pool.test SRV"] = targets
    for n in range(150):
        zone[f"fe{n}.test A"] = [f"10.0.{n}.{m + 1}" for m in range(addresses)]
    return zone


ANY = Lookup("pool.test")


async def test_a_name_that_a_stranger_made_up_costs_few_questions():
    async with dns_zone(lavish_zone()) as zone:
        resolver = resolver_at(zone.address, hears_strangers=True, budget=PATIENT)
        resolution = await resolver.resolve(ANY)
        found = resolution.front_ends()
        assert {x.name for x in found} == {f"fe{n}.test" for n in range(4)}
        assert len(found) == OF_OTHERS.front_ends
        most = OF_OTHERS.services + OF_OTHERS.targets
        assert len({key for key, _ in zone.queries}) <= most + 2  # and NAPTR, SRV
        assert len(resolver.dns._answers._answers) <= most + 2
        await resolver.close()


async def test_one_of_ours_costs_more_and_not_without_end():
    async with dns_zone(lavish_zone()) as zone:
        resolver = resolver_at(zone.address, budget=PATIENT)
        assert len((await resolver.resolve(ANY)).front_ends()) == OF_POOLS.front_ends
        most = OF_POOLS.services + OF_POOLS.targets
        assert len({key for key, _ in zone.queries}) <= most + 2
        await resolver.close()


async def test_a_name_that_becomes_a_pool_is_looked_at_whole():
    async with dns_zone(lavish_zone(services=1)) as zone:
        resolver = resolver_at(zone.address, hears_strangers=True, budget=PATIENT)
        assert len((await resolver.resolve(ANY)).front_ends()) == OF_OTHERS.front_ends
        resolver.pin([ANY])
        async with asyncio.timeout(PATIENT):
            while len(resolver.cached(ANY, 0.0).front_ends()) < OF_POOLS.front_ends:
                await asyncio.sleep(0.01)
        await resolver.close()


# -- /etc/resolv.conf -----------------------------------------------------------------


async def test_an_empty_file_at_the_start_is_not_for_good(tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_text("")
    async with dns_zone(ZONE, host="127.0.0.53", port=53) as zone:
        told = []
        resolver = resolver_at(resolv_conf=str(path))
        resolver.on_servers = told.append
        resolver.pin([UDP])
        resolver.start()
        failed = await resolver.resolve(UDP)
        assert failed.error == "timeout"
        assert "names no name server" in failed.reason
        path.write_text(f"nameserver {zone.host}\n")
        async with asyncio.timeout(LOOK + 3):
            while True:
                found = resolver.cached(UDP, time.monotonic())
                if found is not None and found.front_ends():
                    break
                await asyncio.sleep(0.05)
        assert told == [["127.0.0.53:53"]]
        await resolver.close()


async def test_what_another_server_says_counts_though_the_old_answer_still_holds(
    tmp_path,
):
    path = tmp_path / "resolv.conf"
    moved = {**ZONE, "fe.test A": "127.0.0.99"}
    async with (
        dns_zone(ZONE, host="127.0.0.53", port=53, ttl=3600),
        dns_zone(moved, host="127.0.0.54", port=53, ttl=3600),
    ):
        path.write_text("nameserver 127.0.0.53\n")
        resolver = resolver_at(resolv_conf=str(path))
        resolver.pin([UDP])
        resolver.start()
        before = (await resolver.resolve(UDP)).front_ends()
        assert [x.host for x in before] == ["127.0.0.11"]
        path.write_text("nameserver 127.0.0.54\n")
        resolver.look_again()
        async with asyncio.timeout(5):
            while True:
                found = resolver.cached(UDP, time.monotonic())
                if found and [x.host for x in found.front_ends()] == ["127.0.0.99"]:
                    break
                await asyncio.sleep(0.02)
        await resolver.close()


async def test_a_reload_has_other_servers_asked(tmp_path):
    records = {"fe.test A": "127.0.0.11"}
    async with dns_zone(records) as old, dns_zone(records) as new:
        service = new_service(tmp_path)
        text = service.config.read_text().replace(
            'default = "sip:', 'default = "sip:fe.test:5060"\n# "sip:'
        )
        servers = '\n[dns]\nnameservers = ["{}"]\n'
        service.config.write_text(text + servers.format(old.address))
        service.start()
        try:
            async with asyncio.timeout(10):
                while not old.asked("fe.test A"):
                    await asyncio.sleep(0.05)
            assert not new.asked()
            service.config.write_text(text + servers.format(new.address))
            service.signal(signal.SIGHUP)
            async with asyncio.timeout(10):
                while not new.asked("fe.test A"):
                    await asyncio.sleep(0.05)
            assert f'"servers": ["{new.address}"]' in service.log
        finally:
            service.end()
