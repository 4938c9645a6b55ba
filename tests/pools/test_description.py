"""What is shown of a pool: rows with ages, not instants."""

import json
from dataclasses import asdict

from proxy.pools.answers import Answer, Question
from proxy.pools.description import describe
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.pools.health import HealthBook
from proxy.pools.srv import NaptrRecord, SrvRecord

POOL = Lookup("pool.test")


def front_end(n, priority, weight=0, transport="tcp"):
    return FrontEnd(
        transport, f"192.0.2.{n}", 5060, f"fe{n}.test", "pool.test", priority, weight
    )


def made(*groups, **more):
    return Resolution(POOL, {"tcp": groups}, expires=160.0, resolved_at=100.0, **more)


def test_shares_follow_the_weights_of_one_priority():
    resolution = made((front_end(1, 10, 30), front_end(2, 10, 10)), (front_end(3, 20),))
    rows = describe(POOL, resolution, [], 110.0).front_ends
    assert {row.name: row.share for row in rows} == {
        "fe1.test": 0.75,
        "fe2.test": 0.25,
        "fe3.test": 1.0,
    }
    assert [row.position for row in rows] == [1, 2, 3]


def test_an_ejected_front_end_is_shown_last_with_the_time_left():
    health = HealthBook()
    bad = front_end(1, 10)
    for at in (101.0, 102.0, 103.0):
        health.record_failure(bad.address_key, "refused", at)
    resolution = made((bad,), (front_end(2, 20),))
    last = describe(POOL, resolution, [], 105.0, health=health).front_ends[-1]
    assert (last.name, last.state, last.reason) == ("fe1.test", "ejected", "refused")
    assert (last.state_for, last.ejected_for) == (2.0, 8.0)


def test_every_record_and_every_gap_has_a_row():
    answers = [
        Answer(Question("pool.test", "NAPTR"), (), 30, 100.0),
        Answer(
            Question("_sip._tcp.pool.test", "SRV"),
            (SrvRecord(10, 5, 5060, "fe1.test"), SrvRecord(20, 5, 5060, "fe2.test")),
            60,
            100.0,
        ),
        Answer(
            Question("x.test", "NAPTR"),
            (NaptrRecord(1, 2, "s", "SIP+D2T", "_sip._tcp.pool.test"),),
            60,
            100.0,
        ),
    ]
    rows = describe(POOL, made((front_end(1, 10),)), answers, 110.0).records
    assert [row.text for row in rows] == [
        "",
        "10 5 5060 fe1.test",
        "20 5 5060 fe2.test",
        "1 2 s SIP+D2T _sip._tcp.pool.test",
    ]
    assert (rows[1].ttl_left, rows[1].age) == (50.0, 10.0)


def test_a_failure_keeps_its_reason_and_has_no_front_ends():
    failed = Resolution(POOL, {}, expires=5.0, error="srv", reason="nothing there")
    shown = describe(POOL, failed, [], 1.0)
    assert (shown.error, shown.reason, shown.front_ends) == ("srv", "nothing there", ())


def test_a_description_is_plain_enough_for_json():
    shown = describe(POOL, made((front_end(1, 10),)), [], 110.0)
    assert json.loads(json.dumps(asdict(shown)))["front_ends"][0]["host"] == "192.0.2.1"
