"""Calls that are kept: within bytes, and a scan pushes nobody out."""

import pytest

from proxy.recorder import kept as module
from proxy.recorder.chunk import Taped
from proxy.recorder.kept import MOST_FACTS, Fact, Kept
from proxy.sip.flow import Flow, Listener
from tests.support.messages import request

CLIENT = Flow(Listener("tcp", "10.0.0.5", 5060), "10.1.0.9", 40000, 5)
FACT = Fact(
    1.0, "INVITE", "sip:x", 503, 0.12345, "endpoint", "x", "p", [("fe", "t", 1.0)]
)


def taped(call_id: str, body: bytes = b"", is_in: bool = True) -> Taped:
    data = request("INVITE sip:x@contoso.test", call_id=call_id, body=body)
    ends = CLIENT.both_ends()
    return Taped(1.5, is_in, ends if is_in else ends.outward, data, call_id.encode())


def held(kept: Kept) -> int:
    """What the calls say that they take."""
    return sum(call.size for call in kept.calls.values())


def filled(kept: Kept, count: int, *, is_refused: bool = False, first: int = 0) -> None:
    for number in range(first, first + count):
        kept.open(b"%d" % number, "failed", is_refused=is_refused)
        kept.add(taped(str(number)), 0.0)


def test_a_message_is_kept_with_both_ends_and_wall_clock_time() -> None:
    kept = Kept(100_000)
    kept.open(b"a", "failed", is_refused=False)
    message = kept.add(taped("a", b"secret words"), 1_000.0)
    assert message is not None
    told = message.to_json(bodies=True)
    assert (told["at"], told["direction"], told["connection"]) == (1001.5, "in", 5)
    assert (told["local"], told["peer"]) == ("10.0.0.5:5060", "10.1.0.9:40000")
    assert told["body_bytes"] == 12 and "secret" not in told["data"]
    sent = kept.add(taped("a", is_in=False), 0.0)
    assert sent is not None and sent.to_json()["direction"] == "out"
    assert sent.serial == message.serial + 1


def test_bodies_are_told_where_they_are_kept_and_asked_for() -> None:
    kept = Kept(100_000, bodies=True)
    kept.open(b"a", "failed", is_refused=False)
    message = kept.add(taped("a", b"secret words"), 0.0)
    assert message is not None
    assert "secret words" in message.to_json(bodies=True)["data"]
    assert "secret words" not in message.to_json()["data"]


def test_nothing_is_kept_of_a_call_that_is_not_open() -> None:
    kept = Kept(100_000)
    assert kept.add(taped("a"), 0.0) is None
    kept.note(b"a", FACT)
    assert kept.size == 0 and not kept.calls


def test_reasons_and_facts_are_said_once_and_have_an_end() -> None:
    kept = Kept(1_000_000)
    for number in range(2 * MOST_FACTS):
        kept.open(b"a", f"why {number // 2}", is_refused=False)
        kept.note(b"a", FACT)
    call = kept.calls[b"a"]
    assert call.why == [f"why {n}" for n in range(MOST_FACTS)]
    assert len(call.facts) == MOST_FACTS
    assert kept.size == held(kept)


def test_a_dialog_that_goes_on_for_days_keeps_its_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_MESSAGES", 3)
    kept = Kept(1_000_000)
    kept.open(b"a", "failed", is_refused=False)
    serials = [kept.add(taped("a"), 0.0) for _ in range(5)]
    assert [x is not None for x in serials] == [True, True, True, False, False]


def test_the_oldest_go_and_bytes_and_evictions_are_counted() -> None:
    kept = Kept(10_000)
    filled(kept, 40)
    gone = kept.shrink()
    assert gone == [b"%d" % n for n in range(len(gone))] and gone
    assert kept.size == held(kept) <= 10_000 and kept.evicted == len(gone)
    assert b"39" in kept.calls


def test_refused_calls_have_a_quarter_and_go_first() -> None:
    kept = Kept(40_000)
    filled(kept, 5)
    filled(kept, 40, is_refused=True, first=100)
    gone = kept.shrink()
    assert kept.refused_size <= 10_000 and gone[0] == b"100"
    assert all(b"%d" % n in kept.calls for n in range(5))


def test_a_refused_call_that_was_tried_after_all_leaves_the_quarter() -> None:
    kept = Kept(40_000)
    filled(kept, 1, is_refused=True)
    assert kept.refused_size == kept.size > 0
    kept.open(b"0", "failed", is_refused=False)
    assert kept.refused_size == 0 and kept.size == held(kept)
    kept.clear()
    assert (kept.size, kept.refused_size, kept.calls) == (0, 0, {})


def test_what_is_kept_for_a_live_trace_alone_did_not_fail() -> None:
    kept = Kept(40_000)
    kept.open(b"a", "live", is_refused=False)
    kept.open(b"b", "live", is_refused=False)
    kept.open(b"b", "failed", is_refused=False)
    assert [x.call_id for x in kept.failed()] == [b"b"]


def test_a_call_tells_names_of_its_peers_alone_and_what_is_new() -> None:
    kept, told = Kept(40_000), []
    kept.tell = lambda message, call_id: told.append((message.serial, call_id))
    kept.open(b"a", "failed", is_refused=False)
    kept.add(taped("a"), 0.0)
    names = {"10.1.0.9": "alice's", "10.9.9.9": "elsewhere"}
    call = kept.calls[b"a"].to_json(names)
    assert call["names"] == {"10.1.0.9": "alice's"} and call["facts"] == []
    assert call["from"] == "<sip:alice@contoso.test>"
    assert kept.calls[b"a"].to_json(names, after=1.5)["messages"] == []
    assert told == [(1, b"a")] and kept.calls[b"a"].last_at == 1.5
