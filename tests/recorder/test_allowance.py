"""What a flood may cost the recorder; everybody waits while it looks."""

import pytest

from proxy.recorder import allowance
from proxy.recorder.tape import CHUNK, Tape
from tests.recorder.test_recorder import settled
from tests.recorder.world import World
from tests.support.messages import request, response


def test_a_flood_under_one_name_is_followed_in_part() -> None:
    """500 messages were masked in each look, however soon it came: 12 ms of 15."""
    world = settled(World())
    world.call("flood", 400)
    world.look()
    kept = world.recorder.kept.calls[b"flood"].messages
    for seconds in (allowance.LOOK, allowance.LOOK / 10):
        before = len(kept)
        for _ in range(allowance.MOST_TAKEN):
            asked = world.heard(request(call_id="flood"))
            world.sent(response(asked, 400))
        world.now = world.recorder._room.looked_at + seconds
        world.recorder.look(world.now)
        part = seconds / allowance.LOOK
        most = max(allowance.MOST_OF_ONE * part + 1, allowance.FEW)
        assert 0 < len(kept) - before <= most


def test_a_look_that_comes_early_loses_nothing_of_a_watched_call() -> None:
    """Two looks three milliseconds apart, and a call that went on between them."""
    world = settled(World())
    world.call("watched", 400)
    world.look()
    kept = world.recorder.kept.calls[b"watched"].messages
    before = len(kept)
    for _ in range(6):
        world.sent(world.heard(request(call_id="watched")))
    world.now = world.recorder._room.looked_at + 0.003
    world.recorder.look(world.now)
    assert len(kept) - before == 12


def test_a_flood_of_names_reads_a_bounded_part_of_the_tape(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each unknown Call-ID would have what it said in the last minute looked for."""
    monkeypatch.setattr(allowance, "MOST_READ", 100_000)
    world = settled(World())
    read: list[int] = []

    class Counting(Tape):
        def find(self, wanted, *, fresh=False, stale=False, since=0.0):
            if not fresh:
                read.append(sum(x.size for x in self._chunks if x.began > since))
            return super().find(wanted, fresh=fresh, stale=stale, since=since)

    world.recorder.tape = Counting(world.recorder.tape.limit)
    world.recorder._room = allowance.Allowance()
    for number in range(40):
        for _ in range(50):
            world.sent(world.heard(request(call_id="others", body=b"x" * 400)))
        asked = world.heard(request(call_id=f"flood-{number}"))
        world.sent(response(asked, 400))
        world.look(allowance.LOOK)
    seconds = 40 * allowance.LOOK
    assert len(world.kept()) == 40, "what is new is always found"
    assert sum(read) < 500_000 + 2 * seconds * 100_000


def test_a_piece_of_the_tape_that_is_full_asks_for_a_look() -> None:
    """Otherwise a flood has a quarter of a second to pile up work for one look."""
    world, asked = World(), []
    world.recorder.tape.filled = lambda: asked.append(len(world.recorder.tape._fresh))
    for _ in range(3 * CHUNK // 1000):
        world.heard(request(call_id="flood", body=b"x" * 1000))
    assert 2 <= len(asked) <= 4
    before = len(asked)
    world.look()
    assert len(asked) == before, "a look asks for none"
