"""A closed piece of the tape says what it was made of."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.recorder.chunk import Chunk, Taped, call_id_of, find_in
from proxy.sip.flow import Ends
from tests.recorder.world import World
from tests.support.messages import request

ENDS = World().client.both_ends()
SENT = st.lists(st.binary(max_size=40), max_size=3)
HEARD = st.tuples(st.floats(0, 1e9), st.binary(max_size=40), SENT)
WOKE = st.tuples(st.floats(0, 1e9), st.none(), SENT)


@given(st.lists(HEARD | WOKE, max_size=12))
def test_a_piece_gives_back_every_instant_end_and_byte(
    turns: list[tuple[float, bytes | None, list[bytes]]],
) -> None:
    items: list[object] = []
    for at, data, sent in turns:
        ends: Ends | None = None if data is None else ENDS
        items += [at, ends, data or b""]
        for each in sent:
            items += [ENDS, each]
    assert Chunk(list(items), 0, 0.0, set()).items() == items


def test_it_knows_whose_invite_has_no_answer_and_is_none_of_a_dialog() -> None:
    inside = request(call_id="inside").replace(
        b"\r\nTo: ", b"\r\nTo: <sip:a@b>;tag=1\r\nx: "
    )
    messages = [request(call_id="new"), inside, request(call_id="answered")]
    items: list[object] = []
    for number, data in enumerate(messages):
        items += [float(number), ENDS, data]
    chunk = Chunk(items, 0, 0.0, {b"answered"})
    assert chunk.asked == {b"new": False, b"inside": True}


def test_the_messages_of_one_call_are_found_in_order() -> None:
    first, second = request(call_id="one"), request(call_id="two")
    items: list[object] = [1.0, ENDS, first, ENDS, second, 2.0, ENDS, second]
    found: list[Taped] = []
    find_in(Chunk(items, 0, 0.0, set()).items(), {b"two"}, found)
    assert [(x.at, x.is_in, x.data) for x in found] == [
        (1.0, False, second),
        (2.0, True, second),
    ]
    assert call_id_of(second) == b"two"
