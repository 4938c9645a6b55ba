"""The ledger's book-keeping: what counts, and for whom."""

from types import SimpleNamespace

import pytest

from proxy.endpoints.usage import OTHERS, Usage, merged, summarise
from proxy.endpoints.usage_book import UsageBook
from proxy.sip.message import parse_message

KEY = "ocschat@contoso.test"
DAY = 86_400.0


def record(
    method="INVITE", user="alice", status=200, rule="endpoint", endpoint=KEY, epid="ab"
):
    text = (
        f"{method} sip:{KEY} SIP/2.0\r\nVia: SIP/2.0/TCP 10.1.1.1;branch=z9hG4bK1\r\n"
        f'From: "A" <sip:{user}@Contoso.test>;tag=1;epid={epid}\r\n'
        f"To: <sip:{KEY}>\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n"
        "User-Agent: UCCAPI/3.5\r\nContent-Length: 0\r\n\r\n"
    )
    return SimpleNamespace(
        request=parse_message(text.encode()),
        source=SimpleNamespace(transport="tcp", host="10.1.1.1", port=5060),
        status=status,
        seconds=0.1,
        pool="",
        rule=rule,
        endpoint=endpoint,
    )


def counted(*records):
    book = UsageBook()
    for at, each in enumerate(records):
        book.count(each, float(at))
    return {(row.endpoint_key, row.aor): row for row in book.take()}


def test_a_client_is_one_row_with_what_it_said_last():
    rows = counted(record(), record(status=504), record("SUBSCRIBE", epid="cd"))
    assert rows == {
        (KEY, "alice@contoso.test"): Usage(
            *(KEY, "alice@contoso.test", 0.0, 2.0, 3, 1),
            *("UCCAPI/3.5", "cd", "tcp:10.1.1.1"),
        )
    }


@pytest.mark.parametrize(
    "not_a_use",
    [
        record("MESSAGE"),
        record("OPTIONS"),
        record(status=401),
        record(status=407),
        record(rule="learned"),
        record(rule="binding", endpoint=""),
        record(user="waypost-doctor"),
    ],
)
def test_what_is_no_use_of_the_address_is_not_counted(not_a_use):
    assert counted(not_a_use) == {}


def test_a_retired_endpoint_goes_on_being_counted():
    (row,) = counted(record(status=410), record(status=410)).values()
    assert (row.count, row.failed) == (2, 2)


def test_what_was_taken_is_not_taken_twice():
    book = UsageBook()
    book.count(record(), 1.0)
    assert len(book.take()) == 1 and book.take() == []
    assert book.counted == 1


def test_a_part_may_be_taken_and_nobody_is_lost_or_counted_twice():
    book = UsageBook()
    for n in range(7):
        book.count(record(user=f"u{n}"), float(n))
    taken = book.take(3)
    book.count(record(user="u6"), 9.0)  # whether taken or not
    assert len(taken) == 3
    while len(book):
        taken += book.take(3)
    assert sum(row.count for row in taken) == 8
    assert {row.aor for row in taken} == {f"u{n}@contoso.test" for n in range(7)}


def test_strangers_cannot_make_us_keep_names_without_end(monkeypatch):
    monkeypatch.setattr("proxy.endpoints.usage_book.MAX_NAMES", 2)
    rows = counted(*(record(user=f"u{n}") for n in range(5)), record(user="u0"))
    assert sum(row.count for row in rows.values()) == 6
    assert rows[KEY, OTHERS].count == 3 and rows[KEY, "u0@contoso.test"].count == 2


def row(aor, first, last, count=1, agent="x"):
    return Usage(KEY, aor, first, last, count, 0, agent)


def test_merging_adds_counts_and_keeps_the_latest_words():
    both = merged([row("a", 5.0, 9.0, 2, "new")], [row("a", 1.0, 3.0, 4, "old")])
    assert both == [row("a", 1.0, 9.0, 6, "new")]
    assert len(merged([row("a", 1, 1)], [row("b", 1, 1)])) == 2


def test_a_summary_knows_who_was_last_and_for_how_long_it_is_quiet():
    rows = [row("a", 0.0, DAY, 3), row("b", 0.0, 2 * DAY, 4)]
    summary = summarise(KEY, rows, 0.0, now=16 * DAY)
    assert (summary.users, summary.requests, summary.recent_users) == (2, 7, 0)
    assert summary.last.aor == "b" and summary.quiet_for(16 * DAY) == 14 * DAY
    assert summarise(KEY, [], 3 * DAY, now=5 * DAY).quiet_for(5 * DAY) == 2 * DAY


@pytest.mark.parametrize("letter", ["a", "ä", "\U0001f600", "%0a", "\u2028"])
def test_a_row_is_small_however_long_the_names_are_that_a_client_gives_itself(letter):
    made = record(user=(letter * 3000)[:1000], epid=letter * 700)
    agent = f"User-Agent: {letter * 1500}".encode()
    request = made.request
    request.lines[request.index["user-agent"]] = agent
    ((row,),) = [list(counted(made).values())]
    for text in (row.aor, row.user_agent, row.epid):
        assert 0 <= len(text.encode()) <= 200
    assert row.user_agent
