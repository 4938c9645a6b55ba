"""Addresses that nobody serves: what is counted, and how little it may hold."""

from types import SimpleNamespace

import pytest

from proxy.endpoints.unknown import (
    LONGEST,
    MOST_FRESH,
    NOBODY,
    UnknownBook,
    bounded_unknown,
)
from proxy.endpoints.usage import Usage
from proxy.sip.message import parse_message

DIALLED = "persistentchat@contoso.test"


def record(
    method="INVITE",
    uri=f"sip:{DIALLED}",
    user="alice",
    status=404,
    agent="UCCAPI/3.5",
    more="",
):
    text = (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP 10.1.1.1;branch=z9hG4bK1\r\n"
        f"From: <sip:{user}@contoso.test>;tag=1;epid=ab\r\nTo: <{uri}>\r\n"
        f"Call-ID: 1\r\nCSeq: 1 {method}\r\nUser-Agent: {agent}\r\n{more}"
        "Content-Length: 0\r\n\r\n"
    )
    return SimpleNamespace(
        request=parse_message(text.encode()),
        source=SimpleNamespace(transport="tcp", host="10.1.1.1", port=5060),
        status=status,
        seconds=0.0,
        pool="",
        rule="nowhere",
        endpoint="",
    )


def counted(*records):
    book = UnknownBook()
    book.domains = {"contoso.test"}
    for at, each in enumerate(records):
        book.count(each, float(at))
    return book.take()


def test_who_dialled_it_how_often_and_when():
    rows = counted(record(), record(uri="sip:PersistentChat@contoso.test;user=phone"))
    assert rows == [
        Usage(
            *(DIALLED, "alice@contoso.test", 0.0, 1.0, 2, 2),
            *("UCCAPI/3.5", "ab", "tcp:10.1.1.1"),
        )
    ]


def test_a_subscription_is_dialled_but_not_a_contact_list():
    (row,) = counted(
        record("SUBSCRIBE", more="Event: registration\r\n"),
        record("SUBSCRIBE", user="bob", more="Event: presence\r\n"),
        record("SUBSCRIBE", user="bob", more="Event: Presence;id=1\r\n"),
    )
    assert row.aor == "alice@contoso.test"


@pytest.mark.parametrize(
    "other",
    [
        record("MESSAGE"),
        record("OPTIONS"),
        record(status=403),
        record(status=200),
        record(status=410),
        record(uri="sip:chat@elsewhere.test"),
        record(uri="sip:contoso.test"),
        record(uri="tel:+15551234"),
        record(user="waypost-doctor"),
    ],
)
def test_what_is_nothing_of_ours_is_not_counted(other):
    assert counted(other) == []


def test_a_password_is_not_kept():
    (row,) = counted(record(uri="sip:chat:secret@contoso.test"))
    assert "secret" not in repr(row)


def test_an_address_that_is_too_long_has_no_name_and_is_no_other_one():
    rows = counted(
        record(uri=f"sip:{'a' * LONGEST}@contoso.test"),
        record(uri=f"sip:{'ä' * 150}@contoso.test".encode().decode("latin-1")),
        record(uri=f"sip:{'a' * (LONGEST - 13)}@contoso.test"),
    )
    assert {(r.endpoint_key, r.aor) == NOBODY: r.count for r in rows} == {
        True: 2,
        False: 1,
    }


def test_hostile_names_hold_little_and_no_control_character():
    rows = counted(
        record(uri="sip:%1b%5b2Ja%0d%0ab@contoso.test", agent="\x1b[2J" + "x" * 3000),
        record(user="u" * 5000),
    )
    assert len(rows) == 2
    for row in rows:
        texts = row.endpoint_key, row.aor, row.user_agent, row.epid, row.source
        assert all(text.isprintable() for text in texts)
        assert sum(len(text.encode()) for text in texts) < 1_100


def test_a_scan_fills_no_memory_and_every_request_is_counted():
    book = UnknownBook()
    book.domains = {"contoso.test"}
    for number in range(MOST_FRESH + 500):
        book.count(record(uri=f"sip:{number}@contoso.test"), float(number))
    rows = book.take()
    assert len(rows) <= MOST_FRESH + 1
    assert sum(row.count for row in rows) == MOST_FRESH + 500
    assert book.take() == []


def row(address, last, count=1, aor="a@x"):
    return Usage(address, aor, 0.0, last, count, count, "ua", "e", "tcp:10.1.1.1")


def test_what_is_dialled_every_day_outlasts_what_was_tried_once():
    daily = row("chat@x", 1000.0, 20)
    scan = [row(f"{n}@x", 2000.0 + n) for n in range(50)]
    kept = bounded_unknown([daily, *scan], 10)
    assert daily in kept and len(kept) == 11
    assert sum(each.count for each in kept) == 70
    (nobody,) = [each for each in kept if (each.endpoint_key, each.aor) == NOBODY]
    assert (nobody.count, nobody.user_agent, nobody.source) == (41, "", "")


def test_new_addresses_find_room_when_old_ones_are_no_longer_dialled():
    old = [row(f"{n}@x", 0.0, 5) for n in range(10)]
    fresh = row("new@x", 86_400.0)
    assert fresh in bounded_unknown([*old, fresh], 10)
    assert bounded_unknown([], 10) == []
