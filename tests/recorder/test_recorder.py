"""Which calls are kept, what of them, and that the memory for it has an end."""

import tracemalloc

import pytest

from proxy.recorder import allowance
from proxy.recorder import recorder as module
from proxy.recorder.kept import MOST_FACTS
from proxy.recorder.live import Filter
from proxy.recorder.tape import CHUNK, SECONDS
from tests.recorder.world import WALL, World, settled
from tests.support.messages import request, response

FAILED_OVER = (("fe1", "timeout", 2.0), ("fe2", "200", 0.01))


@pytest.mark.parametrize(
    ("status", "why"),
    [(404, ["failed"]), (503, ["failed"]), (603, ["failed"]), (200, []), (302, [])],
)
def test_what_failed_is_kept(status: int, why: list[str]) -> None:
    world = settled(World())
    world.call("call-1", status)
    world.look()
    assert world.kept().get("call-1", []) == why


@pytest.mark.parametrize("status", [401, 407])
def test_a_challenge_is_no_failure(status: int) -> None:
    world = settled(World())
    world.call("call-1", status, "REGISTER", ())
    world.look()
    assert world.kept() == {}


def test_the_callers_own_cancel_is_no_failure() -> None:
    world = settled(World())
    asked = world.heard(request(call_id="call-1"))
    world.heard(request("CANCEL sip:ocschat@contoso.test", call_id="call-1"))
    world.sent(response(asked, 487))
    world.ended(asked, 487)
    world.call("call-2", 487)  # nobody has cancelled this one
    world.look()
    assert list(world.kept()) == ["call-2"]


def test_a_failover_is_kept_whatever_came_of_it() -> None:
    world = settled(World())
    world.call("call-1", 200, "INVITE", FAILED_OVER)
    world.look()
    (call,) = world.recorder.call("call-1")
    assert call["why"] == ["failover"]
    assert call["facts"][0]["attempts"][0]["outcome"] == "timeout"
    assert [x["direction"] for x in call["messages"]] == ["in", "out"]
    assert call["messages"][0]["at"] == pytest.approx(WALL + 50, abs=10)


def test_a_failure_inside_a_dialog_is_kept_with_all_of_its_call() -> None:
    world = settled(World())
    world.call("call-1")
    world.look(10.0)
    bye = world.heard(request("BYE sip:x@10.0.0.5", call_id="call-1", cseq=2))
    world.sent(response(bye, 481))
    world.look()
    (call,) = world.recorder.call("call-1")
    assert call["why"] == ["failed"]
    assert len(call["messages"]) == 4


def test_the_slowest_are_kept_and_only_those() -> None:
    world = settled(World())
    world.call("call-1", seconds=4.0)
    world.call("call-2", seconds=6.0)
    world.look()
    assert world.kept() == {"call-2": ["slow"]}


def test_what_follows_is_kept_once() -> None:
    world = settled(World())
    asked = world.call("call-1", 503)
    world.look()
    ack = request("ACK sip:ocschat@contoso.test", call_id="call-1")
    world.heard(ack)
    world.look()
    world.heard(asked)
    world.sent(response(asked, 503))
    world.look()
    (call,) = world.recorder.call("call-1")
    assert [x["data"].split(" ")[0] for x in call["messages"]] == [
        *("INVITE", "SIP/2.0", "ACK", "INVITE", "SIP/2.0"),
    ]


def test_a_call_that_went_well_is_there_for_minutes() -> None:
    world = settled(World())
    world.call("call-1")
    assert len(world.recorder.call("call-1")[0]["messages"]) == 2, "not looked at yet"
    world.look(60)
    assert len(world.recorder.call("call-1")[0]["messages"]) == 2
    assert world.recorder.find(0, 1e12, 10) == []
    world.call("call-2")
    world.look(SECONDS + 1)
    world.call("call-3")
    world.look()
    assert world.recorder.call("call-1") == []


def test_nothing_secret_is_kept() -> None:
    world = World()
    secret = "Authorization: Digest response=S3CRET"
    world.call("call-1", 503, "INVITE", (), secret, body=b"S3CRET")
    world.look()
    assert "S3CRET" not in str(world.recorder.call("call-1"))
    assert "S3CRET" not in str(world.recorder.call("call-1", bodies=True))
    assert b"S3CRET" not in world.recorder.kept.calls[b"call-1"].messages[0].head


def test_bodies_are_shown_where_they_are_kept_and_asked_for() -> None:
    world = World(bodies=True)
    world.call("call-1", 503, body=b"hello")
    world.look()
    assert "hello" not in str(world.recorder.call("call-1"))
    assert "hello" in str(world.recorder.call("call-1", bodies=True))


def test_kept_calls_have_an_end() -> None:
    world = World(1024 * 1024)
    for number in range(400):
        world.call(f"call-{number}", 503, body=b"x" * 1000)
        world.heard(request("ACK sip:x", call_id=f"call-{number}", body=b"y" * 4000))
        if number % 10 == 9:
            world.look()
    kept = world.recorder.kept
    assert kept.size <= 512 * 1024
    assert kept.size == sum(each.size for each in kept.calls.values())
    assert kept.refused_size == 0
    assert "call-399" in world.kept()
    assert "call-0" not in world.kept()


def test_a_live_trace_of_everybody_holds_no_more_than_its_bytes() -> None:
    world = World(module.MEGABYTE)
    everybody = Filter({"source": "10.0.0.0/8"})
    world.recorder.begin("one", everybody, 86_400.0, world.now)
    tracemalloc.start()
    try:
        for number in range(4000):
            long = f"In-Reply-To: {number:07000d}"
            asked = world.heard(request("MESSAGE sip:x", long, call_id=f"c{number}"))
            world.sent(response(asked, 200))
            if number % 40 == 39:
                world.look()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    recorder = world.recorder
    assert recorder.kept.evicted > 3900
    assert recorder._watched.keys() <= recorder.kept.calls.keys()
    # The Call-IDs that a live trace knows come on top of it.
    assert held < module.MEGABYTE + CHUNK + 1_000_000, held


def test_what_is_watched_has_an_end_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WATCHED", 20)
    world = World()
    for number in range(30):
        world.call(f"call-{number}", 503)
        world.look()
    for number in (0, 29):
        world.heard(request("ACK sip:x", call_id=f"call-{number}"))
    world.look()
    calls = world.recorder.kept.calls
    assert len(world.recorder._watched) == 20
    assert [len(calls[f"call-{number}".encode()].messages) for number in (0, 29)] == [
        *(2, 3),
    ]


def test_a_call_that_had_to_go_is_taken_off_the_tape_when_it_fails_again() -> None:
    world = World(256 * 1024)
    world.call("call-1", 503)
    world.look()
    world.recorder.kept.limit = 0
    world.look()
    world.recorder.kept.limit = 128 * 1024
    assert world.kept() == {}
    world.call("call-1", 504)
    world.look()
    assert len(world.recorder.call("call-1")[0]["messages"]) == 4


def test_what_became_of_a_call_counts_as_what_was_said_does() -> None:
    world = World()
    asked = request("INVITE sip:x@y;z=" + "u" * 6000, call_id="call-1")
    for _ in range(MOST_FACTS + 2):
        world.ended(asked, 503, FAILED_OVER)
    world.look()
    for _ in range(2):
        world.ended(asked, 200)  # watched: one more, if there were room
    (call,) = world.recorder.kept.calls.values()
    assert len(call.facts) == MOST_FACTS
    assert world.recorder.kept.size == call.size > MOST_FACTS * 6000


def test_a_scan_pushes_nobody_out() -> None:
    world = World(512 * 1024)
    world.call("call-1", 200, "INVITE", FAILED_OVER)
    world.look()
    for number in range(2000):
        world.call(f"scan-{number}", 404, "OPTIONS", ())
        if number % 40 == 39:
            world.look()
    assert "call-1" in world.kept()
    kept = world.recorder.kept
    assert 0 < kept.refused_size <= kept.limit // 4


def test_an_outage_costs_a_bounded_amount_a_look() -> None:
    world = World()
    for number in range(500):
        world.call(f"door-{number}", 404, "INVITE", ())
    world.call("call-1", 504, "INVITE", (("fe1", "timeout", 2.0),))
    world.look()
    assert len(world.kept()) == allowance.MOST_A_LOOK
    assert "call-1" in world.kept()
    assert world.recorder.skipped == 451


def test_a_look_that_comes_sooner_takes_less() -> None:
    world = World()
    world.look(1.0)
    for number in range(100):
        world.call(f"door-{number}", 404, "INVITE", ())
    world.now = world.recorder._room.looked_at + allowance.LOOK / 10
    world.recorder.look(world.now)
    assert len(world.kept()) == allowance.MOST_A_LOOK / 10


def test_what_is_older_than_a_call_is_not_read_for_it() -> None:
    """The whole tape is megabytes, and nobody is served while it is read."""
    world = settled(World())
    world.heard(request(call_id="call-1"))  # as old as no call is: it is another
    world.look()
    world.heard(request(call_id="between"))
    world.look(10.0)
    world.heard(request(call_id="call-1"))
    world.look(module.BEFORE / 2)
    world.call("call-1", 503)
    world.look()
    (call,) = world.recorder.call("call-1")
    assert len(call["messages"]) == 3
    world.call("call-2")
    world.look(module.IN_DIALOG / 2)
    bye = world.heard(request("BYE sip:x@10.0.0.5", call_id="call-2", cseq=2))
    world.sent(response(bye, 481))
    world.look()
    (call,) = world.recorder.call("call-2")
    assert len(call["messages"]) == 4, "of a dialog more is read"


def test_a_call_of_thousands_of_messages_is_taken_in_part() -> None:
    world = settled(World())
    for _ in range(2 * allowance.MOST_TAKEN):
        asked = world.heard(request(call_id="flood"))
        world.sent(response(asked, 400))
    world.look()
    (call,) = world.recorder.call("flood")
    assert len(call["messages"]) == allowance.MOST_OF_ONE
    asked = world.heard(request("BYE sip:x@10.0.0.5", call_id="flood", cseq=2))
    world.call("call-1", 503)
    world.look()
    assert world.kept()["call-1"] == ["failed"]
    (call,) = world.recorder.call("flood")
    assert len(call["messages"]) == allowance.MOST_OF_ONE + 1, (
        "it goes on being watched"
    )


def test_a_flood_of_answers_to_nobody_is_read_in_part_and_counted() -> None:
    world = settled(World())
    world.call("call-1", 503)
    before = len(world.recorder.book.lines)
    for number in range(allowance.MOST_A_LOOK + 300):
        asked = world.heard(request(call_id=f"flood-{number}"))
        world.sent(response(asked, 400))  # no access line: it could not be read
    world.look()
    assert len(world.recorder.book.lines) == before + allowance.MOST_A_LOOK
    assert world.recorder.skipped >= 300
    assert world.kept()["call-1"] == ["failed"]
