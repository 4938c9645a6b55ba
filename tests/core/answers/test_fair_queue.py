"""A queue in which each source has its turn and its part of the memory."""

import pytest

from proxy.core.answers.fair_queue import MOST_HELD, MOST_OF_ONE, OVERHEAD, FairQueue
from proxy.sip.flow import Account, Flow, Listener

LISTENER = Listener("udp", "10.0.0.5", 5060)


@pytest.fixture
def queue():
    return FairQueue()


def flow_of(number):
    return Flow(LISTENER, f"10.1.0.{number}", 5060)


def test_each_source_in_turn_and_each_in_its_own_order(queue):
    loud, quiet = Account(), Account()
    for number in range(4):
        queue.put(loud, flow_of(1), b"loud %d" % number, 1.0)
    queue.put(quiet, flow_of(2), b"quiet", 2.0)
    taken = [queue.take()[1] for _ in range(len(queue))]
    assert taken == [b"loud 0", b"quiet", b"loud 1", b"loud 2", b"loud 3"]
    assert (len(queue), queue.held) == (0, 0)
    assert not queue.has(loud)
    with pytest.raises(IndexError):
        queue.take()


def test_it_knows_what_was_sent_again_and_since_when_a_source_waits(queue):
    source = Account()
    queue.put(source, flow_of(1), b"first", 1.0)
    queue.put(source, flow_of(1), b"second", 2.0)
    assert queue.holds(b"first") and not queue.holds(b"third")
    assert queue.since(source, 9.0) == 1.0
    queue.take()
    assert queue.since(source, 9.0) == 2.0
    assert queue.since(Account(), 9.0) == 9.0


def test_one_source_has_its_part_and_strangers_have_half_of_all(queue):
    size = 60_000
    greedy = Account()
    number = 0
    while queue.has_room(greedy, flow_of(1)):
        queue.put(greedy, flow_of(1), b"%08d" % number + bytes(size), 1.0)
        number += 1
    assert MOST_OF_ONE <= queue.held < MOST_OF_ONE + size + OVERHEAD + 8
    other = Account()
    assert queue.has_room(other, flow_of(2))
    crowd = [Account() for _ in range(4)]
    while queue.has_room(crowd[number % 4], flow_of(3)):
        queue.put(crowd[number % 4], flow_of(3), b"%08d" % number + bytes(size), 1.0)
        number += 1
    assert queue.held < MOST_HELD // 2 + 2 * size
    friend = flow_of(4)
    friend.is_proven = True
    assert queue.has_room(other, friend) and not queue.has_room(other, flow_of(2))
