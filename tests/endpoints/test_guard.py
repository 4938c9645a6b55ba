"""The guard: what is a failure of the new pool, and when there are too many."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.endpoints.address import Refused
from proxy.endpoints.callers import OF_CALLER, bucket_of_caller
from proxy.endpoints.codec import cutover_from_json, cutover_to_json
from proxy.endpoints.guard import (
    GuardBook,
    Recent,
    Tally,
    is_guarded,
    parse_limit,
    parse_span,
    reason_for,
    verdict_on,
)
from proxy.endpoints.model import Canary, Cutover, Endpoint, Guard, Switch
from proxy.sip.message import parse_message

KEY, OLD, NEW = "ocschat@contoso.test", "oldpool.contoso.test", "newpool.contoso.test"
REQUEST = (
    b"%b sip:ocschat@contoso.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1\r\n"
    b"From: <sip:a@contoso.test>;tag=1\r\nTo: <sip:ocschat@contoso.test>\r\n"
    b"Call-ID: 1\r\nCSeq: 1 %b\r\nContent-Length: 0\r\n\r\n"
)
BEFORE = Endpoint(f"sip:{KEY}", KEY, OLD)
AFTER = replace(BEFORE, pool_fqdn=NEW)
GUARD = Guard(5.0, 20, until=1000.0)


@dataclass
class Record:
    status: int = 200
    seconds: float = 0.1
    rule: str = "endpoint"
    endpoint: str = KEY
    pool: str = NEW
    method: bytes = b"INVITE"
    attempts: list = field(default_factory=list)

    @property
    def request(self):
        return parse_message(REQUEST % (self.method, self.method))


def cutover(before=BEFORE, after=AFTER, number: int = 1, **more) -> Cutover:
    more.setdefault("guard", GUARD)
    switches = (Switch(before, after),)
    return Cutover(number, "applied", "p", 0.0, "me", switches=switches, **more)


def counted(*records, **more) -> dict[str, int]:
    book = GuardBook(lambda: cutover(**more))
    for record in records:
        book.count(record, 0.0)
    return of_pools(book.take()[1])


def of_pools(counts):
    """Without whose calls they were."""
    return {k: n for k, n in counts.items() if not k.startswith(OF_CALLER)}


@pytest.mark.parametrize(
    ("status", "what"),
    [
        *((200, "served"), (202, "served"), (401, ""), (407, ""), (487, "")),
        *((500, "failed 500"), (503, "failed 503"), (504, "failed 504")),
        *((408, "failed 408"), (403, "refused 403"), (404, "refused 404")),
        *((486, "refused 486"), (302, "refused 302"), (600, "refused 600")),
        *((501, "refused 501"), (513, "refused 513")),
    ],
)
def test_what_an_answer_says_of_the_pool(status, what):
    assert verdict_on(Record(status), 4.0) == what


def test_silence_is_named_as_such_and_not_by_our_own_504():
    attempts = [("fe1", "connect-timeout", 2.0), ("fe2", "timeout", 10.0)]
    assert verdict_on(Record(504, 12.0, attempts=attempts), 4.0) == "failed timeout"


def test_a_descriptor_that_we_did_not_have_says_nothing_of_the_pool():
    assert verdict_on(Record(504, attempts=[("fe1", "limit", 0.0)]), 4.0) == ""


def test_a_caller_who_gave_up_has_waited_in_vain_or_changed_his_mind():
    assert verdict_on(Record(487, 5.0), 4.0) == "failed given-up"
    assert verdict_on(Record(487, 1.0), 4.0) == ""


def test_only_calls_that_went_to_the_new_pool_count():
    assert counted(
        Record(500),
        Record(500, rule="learned"),
        Record(500, method=b"SUBSCRIBE"),
        Record(500, pool=OLD),
        Record(500, endpoint="help@contoso.test"),
        Record(500, rule="probe", endpoint=""),
        Record(500, method=b"OPTIONS"),
        Record(500, rule="default", endpoint=""),
    ) == {"failed 500": 3}


def test_of_a_canary_those_count_that_it_sends_to_the_new_pool():
    canary = replace(BEFORE, canary=Canary(NEW, 10))
    assert counted(Record(500, pool=OLD), Record(500), after=canary) == {
        "failed 500": 1
    }


def test_a_dialog_that_is_dead_is_one_failure_however_often_it_is_asked():
    book = GuardBook(cutover)
    for _ in range(9):
        book.count_in_dialog(KEY, NEW, 481, b"one")
    book.count_in_dialog(KEY, NEW, 500, b"two")
    book.count_in_dialog(KEY, OLD, 481, b"three")
    assert book.take() == (1, {"failed in-dialog 481": 1, "failed in-dialog 500": 1})


def test_the_next_cutover_begins_anew_and_without_one_nothing_is_counted():
    now: list[Cutover | None] = [None]
    book = GuardBook(lambda: now[0])
    book.count(Record(500), 0.0)
    assert book.take() == (0, {})
    now[0] = cutover()
    book.count(Record(500), 0.0)
    now[0] = cutover(number=2)
    book.turn()
    assert book.take() == (2, {})
    now[0] = None
    book.count(Record(500), 0.0)
    book.count_in_dialog(KEY, NEW, 481, b"one")
    assert book.take() == (0, {})


def test_the_limit_is_passed_by_more_than_the_share_of_calls_enough():
    assert not Tally.of({"served": 18, "failed 500": 1}).is_too_much(GUARD)
    assert not Tally.of({"served": 19, "failed 500": 1}).is_too_much(GUARD)
    passed = Tally.of({"served": 19, "failed 500": 1, "failed timeout": 1})
    assert passed.is_too_much(GUARD)
    assert reason_for(passed, GUARD) == (
        "2 of 21 calls failed (9.5 %): 500 (1), timeout (1); "
        "the limit is 5 % of at least 20"
    )


def test_refusals_are_the_callers_matter_as_long_as_others_are_served():
    assert not Tally.of({"served": 1, "refused 403": 40}).is_too_much(GUARD)
    assert Tally.of({"refused 403": 20}).is_too_much(GUARD)
    assert str(Tally.of({"refused 404": 20})) == (
        "20 of 20 calls failed (100.0 %): 404 (20)"
    )


@given(
    st.dictionaries(
        st.sampled_from(["served", "failed 500", "failed timeout", "refused 403"]),
        st.integers(0, 1000),
    ),
    st.floats(0, 99),
    st.integers(1, 500),
)
def test_a_share_that_is_within_the_limit_never_passes_it(counts, limit, least):
    tally = Tally.of(counts)
    guard = Guard(limit, least)
    passed = tally.is_too_much(guard)
    assert passed == (tally.calls >= least and tally.bad * 100 > limit * tally.calls)
    assert 0 <= tally.share <= 100
    assert str(tally)


def test_it_is_on_guard_until_its_time_is_over_whoever_sets_the_clock():
    armed = cutover(guard=replace(GUARD, machine="m", uptime_by=500.0))
    assert is_guarded(armed, 999.0, ("another", 0.0))
    assert not is_guarded(armed, 1000.0, ("another", 0.0))
    assert is_guarded(armed, 9e9, ("m", 499.0))
    assert not is_guarded(armed, 0.0, ("m", 500.0))
    assert not is_guarded(replace(armed, state="confirmed"), 0.0, ("m", 0.0))
    assert not is_guarded(cutover(guard=None), 0.0, ("m", 0.0))
    assert not is_guarded(None, 0.0, ("m", 0.0))


def test_it_is_stored_and_read_again_also_from_a_row_of_before():
    armed = cutover(reason="why", plan_text="name = 1")
    assert cutover_from_json(cutover_to_json(armed)) == armed
    row = cutover_to_json(armed)
    for key in ("guard", "reason", "plan_text"):
        del row[key]
    assert cutover_from_json(row).guard is None
    row["guard"] = {"limit": 5.0, "of the future": 1}
    assert cutover_from_json(row).guard == Guard(5.0)


@pytest.mark.parametrize(
    ("text", "limit"), [("5 %", 5), ("5%", 5), ("0.5 %", 0.5), ("0 %", 0), ("7", 7)]
)
def test_a_limit_as_people_write_it(text, limit):
    assert parse_limit(text) == limit


@pytest.mark.parametrize("text", ["", "%", "five", "-1 %", "100 %", "5 % 3", "1e1"])
def test_what_is_no_limit(text):
    with pytest.raises(Refused, match="--guard"):
        parse_limit(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1800), ("90s", 90), ("2h", 7200), ("1d", 86400), ("5", 300)],
)
def test_a_span_as_people_write_it(text, seconds):
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["", "0m", "soon", "-5m", "31d", "1.5h"])
def test_what_is_no_span(text):
    with pytest.raises(Refused, match="--for"):
        parse_span(text)


def test_the_last_minutes_are_judged_by_themselves():
    recent = Recent()
    recent.note(1, {"served": 5000}, 0.0)
    lately = recent.note(1, {"served": 5030, "failed 500": 4}, 200.0)
    assert not recent.is_too_much(lately, GUARD), "four may be an accident"
    lately = recent.note(1, {"served": 5030, "failed 500": 5}, 201.0)
    assert (lately.served, lately.failed) == (30, 5)
    assert recent.is_too_much(lately, GUARD)
    lately = recent.note(1, {"served": 5030, "failed 500": 5}, 900.0)
    lately = recent.note(1, {"served": 5030, "failed 500": 5}, 901.0)
    assert not recent.is_too_much(lately, GUARD), "that was long ago"
    assert recent.note(2, {"failed 500": 9}, 902.0).calls == 0


def test_refusals_of_late_are_nobodys_fault():
    recent = Recent()
    recent.note(1, {"served": 100}, 0.0)
    lately = recent.note(1, {"served": 100, "refused 403": 50}, 10.0)
    assert not recent.is_too_much(lately, GUARD)


def test_a_round_without_anything_to_try_is_no_call():
    book = GuardBook(cutover)
    for is_tried in (True, False, False):
        book.count_round(NEW, is_tried)
    tally = Tally.of(book.take()[1])
    assert (tally.calls, tally.rounds) == (0, {NEW: (1, 2)})


USERS = [f"user{n}@contoso.test" for n in range(40)]


def call(user, status=200, call_id="1"):
    text = REQUEST.replace(b"a@contoso.test", user.encode()).replace(
        b"Call-ID: 1", f"Call-ID: {call_id}".encode()
    )
    found = Record(status)
    message = parse_message(text % (b"INVITE", b"INVITE"))
    return SimpleNamespace(**vars(found), request=message)


class Watched:
    """A guard that looks after every call, as the service does."""

    def __init__(self, counts=()):
        self.book, self.recent = GuardBook(cutover), Recent()
        self.counts = dict(counts)
        self.now, self.reason = 0.0, ""

    def see(self, *records, seconds=1.0):
        for each in records:
            self.book.count(each, 0.0)
            self.look(seconds)

    def look(self, seconds=0.0):
        for what, count in self.book.take()[1].items():
            self.counts[what] = self.counts.get(what, 0) + count
        self.now += seconds
        self.recent.note(1, self.counts, self.now)
        self.reason = self.recent.judge(self.counts, GUARD, self.now)

    @property
    def trips(self):
        return bool(self.reason)


def test_one_caller_who_makes_the_pool_fail_does_not_trip_it_alone():
    guard = Watched()
    for number in range(200):
        guard.see(call("mallory@contoso.test", 500), call(USERS[number % 40]))
        # Five of the others must have been served to know that it is him alone.
        assert number < 12 or not guard.trips, number
    assert "200 of one caller" in str(Tally.of(guard.counts))
    for number in range(400):  # he has gone, and that stays so
        guard.see(call(USERS[number % 40]))
        assert not guard.trips


def test_a_burst_of_one_caller_waits_for_what_the_others_see():
    """All of it between two looks: nobody else can have been served meanwhile."""
    guard = Watched()
    guard.see(*(call(user) for user in USERS), seconds=0.25)
    for _ in range(30):
        guard.book.count(call("mallory@contoso.test", 500), 0.0)
    guard.look(0.25)
    assert not guard.trips
    for number in range(8):  # four calls a second, and five of them are enough
        guard.see(call(USERS[number]), seconds=0.25)
        assert not guard.trips, number
    guard.look(60.0)
    assert not guard.trips


def test_a_burst_that_nobody_speaks_against_trips_it_in_time():
    """The pool has broken, and only one has called since."""
    guard = Watched()
    guard.see(*(call(user) for user in USERS), seconds=0.25)
    for _ in range(30):
        guard.book.count(call("mallory@contoso.test", 500), 0.0)
    guard.look(0.25)
    began = guard.now
    while not guard.trips:
        guard.look(0.25)
    assert 2.0 < guard.now - began < 3.0


def test_a_pool_that_breaks_during_a_burst_trips_it_as_soon_as_another_fails():
    guard = Watched()
    guard.see(*(call(user) for user in USERS), seconds=0.25)
    for _ in range(30):
        guard.book.count(call("mallory@contoso.test", 500), 0.0)
    guard.look(0.25)
    assert not guard.trips
    for user in USERS[:4]:
        guard.book.count(call(user, 500), 0.0)
    guard.look(0.25)
    assert guard.trips


def test_a_pool_that_fails_two_callers_trips_it():
    guard = Watched()
    guard.see(*(call(user) for user in USERS))
    one, other = "mallory@contoso.test", "alice@contoso.test"
    assert bucket_of_caller(one) != bucket_of_caller(other)
    for number in range(30):
        guard.see(call(one, 500), call(other, 500), call(USERS[number % 40]))
    assert guard.trips


def test_a_pool_that_breaks_while_only_one_still_calls_trips_it():
    guard = Watched()
    guard.see(*(call(user) for user in USERS))
    assert not guard.trips
    for _ in range(30):
        guard.see(call(USERS[0], 500))
    assert guard.trips


def test_the_only_caller_there_is_trips_it():
    guard = Watched()
    guard.see(*(call(USERS[0], status) for status in (200, 500) * 15))
    assert guard.trips


def test_a_pool_that_breaks_for_all_trips_it_in_spite_of_him():
    guard = Watched()
    for number in range(60):
        guard.see(call("mallory@contoso.test", 500), call(USERS[number % 40]))
    assert not guard.trips
    for number in range(15):
        guard.see(call(USERS[number], 500))
    assert guard.trips


def test_after_a_restart_his_failures_of_before_are_still_his_alone():
    before = Watched()
    for number in range(60):
        before.see(call("mallory@contoso.test", 500), call(USERS[number % 40]))
    after = Watched(before.counts)
    after.look()
    assert not after.trips


def test_a_failure_inside_a_dialog_is_that_of_who_called():
    guard = Watched()
    for number in range(60):
        call_id = f"call-{number}"
        guard.see(call("mallory@contoso.test", 200, call_id), call(USERS[number % 40]))
        guard.book.count_in_dialog(KEY, NEW, 500, call_id.encode())
        guard.look()
    assert guard.counts["failed in-dialog 500"] == 60
    assert not guard.trips
