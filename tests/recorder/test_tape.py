"""The tape of the last seconds: what it holds, what it carries along, and its end."""

from proxy.recorder.tape import CHUNK, Tape
from tests.recorder.world import World, settled
from tests.support.messages import request, response


def crowded(world: World, count: int = 1500) -> None:
    """More calls than the tape has room for."""
    for number in range(count):
        world.call(f"other-{number}-{world.now}", body=b"x" * 500)
        if number % 100 == 99:
            world.look(0.1)


def test_a_call_that_waits_is_carried_along_until_it_is_answered() -> None:
    world = settled(World(1024 * 1024))
    asked = world.heard(request(call_id="late"))
    world.sent(response(asked, 100))
    world.sent(request(call_id="late"), world.front_end)
    crowded(world)
    world.recorder.tape.woke(world.now)
    world.sent(request(call_id="late"), world.front_end)
    crowded(world)
    tape = world.recorder.tape
    assert tape.size <= tape.limit + CHUNK
    world.recorder.tape.woke(world.now)
    world.sent(response(asked, 504))
    world.ended(asked, 504, (("fe1", "timeout", 4.0),), 4.0)
    world.look()
    (call,) = world.recorder.call("late")
    said = [x["data"].split(" ")[0] + x["data"].split(" ")[1] for x in call["messages"]]
    assert said == [
        *("INVITEsip:ocschat@contoso.test", "SIP/2.0100"),
        *["INVITEsip:ocschat@contoso.test"] * 2,
        "SIP/2.0504",
    ]
    world.look()
    assert tape.find({b"late"}) != []  # until it leaves with all others
    crowded(world)
    assert tape.find({b"late"}) == []


def test_calls_that_wait_for_ever_have_an_end_too() -> None:
    world = World(1024 * 1024)
    for number in range(3000):
        world.heard(request(call_id=f"late-{number}", body=b"x" * 800))
        if number % 100 == 99:
            world.look(0.01)
    tape = world.recorder.tape
    assert tape.size <= tape.limit + CHUNK
    assert tape.find({b"late-2999"}) and not tape.find({b"late-0"})


def test_the_tape_has_an_end_in_bytes() -> None:
    tape = Tape(1024 * 1024)
    world = World()
    for number in range(4000):
        tape.heard(float(number), world.client, request(call_id=str(number)) * 2)
        tape.sent(world.client, b"SIP/2.0 200 OK\r\n")
    assert tape.size <= 1024 * 1024 + CHUNK + 4096
    tape.look(4000.0)
    assert tape.find({b"3999"}) and not tape.find({b"1"})


def test_a_message_that_was_ignored_is_taken_off_the_tape_again() -> None:
    world = World()
    tape = world.recorder.tape
    call = world.call("kept", 503)
    size = tape.size
    for _ in range(2 * CHUNK // 100):
        world.heard(b"BYE sip:x SIP/2.0\r\nCall-ID: flood\r\n\r\n")
        tape.unheard()
    assert tape.size == size
    assert tape.look(world.now) and tape.find({b"flood"}) == []
    assert len(tape.find({b"kept"})) >= 2, call


def test_an_ignored_message_takes_nothing_off_that_ended_in_another_segment() -> None:
    """The BYE stood where the ignored message stands now, one segment earlier."""
    world = World()
    tape = world.recorder.tape
    world.heard(b"BYE sip:x SIP/2.0\r\nCall-ID: ended\r\n\r\n" + b"x" * 900)
    place = tape._place
    assert [each.call_id for each in tape.endings()] == [b"ended"]
    while tape._place >= place:
        world.heard(b"OPTIONS sip:x SIP/2.0\r\nCall-ID: o\r\n\r\n")
    size = tape.size
    world.heard(b"?" * (place - tape._place))
    tape.unheard()
    assert tape.size == size
    assert world.heard(b"OPTIONS sip:y SIP/2.0\r\nCall-ID: after\r\n\r\n")
    assert [each.call_id for each in tape.pending({b"after"})] == [b"after"]


def test_what_ends_dialogs_is_noted_within_a_quarter_of_the_limit() -> None:
    world = World(limit=1024 * 1024)
    tape = world.recorder.tape
    long = b"c" * 2000
    for number in range(1000):
        world.heard(b"BYE sip:x SIP/2.0\r\nCall-ID: %b%d\r\n\r\n" % (long, number))
    kept = tape.endings()
    assert 0 < sum(len(each.call_id) for each in kept) < tape.limit // 4
    tape.look(world.now)
    for _ in range(1000):  # ignored ones leave the room to others
        world.heard(b"BYE sip:x SIP/2.0\r\nCall-ID: %b\r\n\r\n" % long)
        tape.unheard()
    world.heard(b"BYE sip:x SIP/2.0\r\nCall-ID: mine\r\n\r\n")
    assert [each.call_id for each in tape.endings()] == [b"mine"]
