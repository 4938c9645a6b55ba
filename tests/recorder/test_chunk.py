"""A closed piece of the tape says what it was made of."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.recorder.chunk import Taped, call_id_of
from proxy.recorder.tape import CHUNK, GRAIN, Tape
from tests.recorder.world import World
from tests.support.messages import request, response

SENT = st.lists(st.binary(max_size=40), max_size=3)
TURN = st.tuples(st.floats(0, 0.01), st.none() | st.binary(max_size=40), SENT)


def all_of(tape: Tape) -> list[Taped]:
    tape.look(0.0)
    return tape.all_fresh()


@given(st.lists(TURN, max_size=12))
def test_a_piece_gives_back_every_instant_direction_and_byte(
    turns: list[tuple[float, bytes | None, list[bytes]]],
) -> None:
    world, tape, at = World(), Tape(1024 * 1024), 50.0
    said: list[tuple[float, bool, bytes]] = []
    for passed, data, sent in turns:
        at += passed
        if data is None:
            tape.woke(at)
        else:
            tape.heard(at, world.client, data)
            said.append((at, True, data))
        for each in sent:
            tape.sent(world.front_end, each)
            said.append((at, False, each))
    found = all_of(tape)
    assert [(x.is_in, x.data) for x in found] == [x[1:] for x in said]
    for taped, (told, is_in, _) in zip(found, said, strict=True):
        assert told - GRAIN <= taped.at <= told
        assert taped.ends.host == (world.client if is_in else world.front_end).host


def test_a_message_has_an_instant_of_its_own_when_there_is_time() -> None:
    world, tape = World(), Tape(1024 * 1024)
    for number in range(4):
        tape.heard(50.0 + number / 1000, world.client, request())
    assert [x.at for x in all_of(tape)] == [50.0, 50.001, 50.002, 50.003]


def test_only_the_invites_of_new_calls_that_wait_are_carried_along() -> None:
    world, tape = World(), Tape(64 * 1024)
    inside = request(call_id="inside").replace(
        b"\r\nTo: ", b"\r\nTo: <sip:a@b>;tag=1\r\nx: "
    )
    for data in (request(call_id="new"), inside, request(call_id="done")):
        tape.heard(50.0, world.client, data)
    tape.sent(world.client, response(request(call_id="new"), 180))
    tape.answered(b"done")
    for number in range(1500):
        tape.heard(51.0, world.client, request("INFO sip:x", call_id=f"{number}"))
    wanted = {b"new", b"inside", b"done"}
    assert [(x.call_id, x.is_in) for x in tape.find(wanted)] == [
        *((b"new", True), (b"new", False)),
    ]


def test_the_memory_of_the_tape_is_used_again() -> None:
    world, tape = World(), Tape(1024 * 1024)
    data = request(call_id="call-1", body=b"x" * 2000)
    segments = set()
    tracemalloc.start()
    try:
        for number in range(10_000):  # twenty times what it may hold
            tape.heard(50.0 + number / 1000, world.client, data)
            segments.update(id(each.segment) for each in tape._chunks[-1:])
            if number % 100 == 99:
                tape.look(50.0 + number / 1000)
                tape.forget_fresh()
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(segments) <= 7
    assert held <= most < tape.limit + 3 * CHUNK
    found = tape.find({b"call-1"})
    assert {x.data for x in found} == {data}
    assert len(found) * len(data) > tape.limit // 2
    tape.look(1e6)
    assert tape.size == 0
    assert sum(each.users for each in (tape._segment, tape._spare) if each) == 0


def test_one_turn_that_says_much_fills_several_pieces() -> None:
    world, tape = World(), Tape(4 * 1024 * 1024)
    tape.heard(50.0, world.client, request())
    for number in range(3000):
        tape.sent(world.client, request(call_id=f"call-{number}", body=b"x" * 500))
    assert len(tape._chunks) >= 5
    assert [x.at for x in tape.find({b"call-0", b"call-2500"})] == [50.0, 50.0]


def test_the_messages_of_one_call_are_found_in_order() -> None:
    world, tape = World(), Tape(1024 * 1024)
    first, second = request(call_id="one"), request(call_id="two")
    tape.heard(1.0, world.client, first)
    tape.sent(world.client, second)
    tape.heard(2.0, world.client, second)
    assert len(tape.pending({b"two"})) == 2, "also before the piece is closed"
    tape.look(2.0)
    assert [(x.at, x.is_in, x.data) for x in tape.find({b"two"})] == [
        (1.0, False, second),
        (2.0, True, second),
    ]
    assert call_id_of(second) == b"two"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Call-ID: a@b", b"a@b"),
        ("call-id : a@b", b"a@b"),
        ("i:a@b  ", b"a@b"),
        ("CALL-ID:\t a@b", b"a@b"),
        ("Call-ID: \r\n a@b", b"a@b"),
        ("X-Call-ID: a@b", b""),
        ("Subject: x\r\n Call-ID: a@b", b""),
    ],
)
def test_a_call_id_is_read_in_any_spelling(line: str, found: bytes) -> None:
    data = f"INVITE sip:x SIP/2.0\r\n{line}\r\nFrom: x\r\n\r\n".encode()
    assert call_id_of(data) == found
