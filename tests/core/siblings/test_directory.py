"""What a worker's core gives to a sibling, and what it keeps."""

from proxy.core.siblings.directory import (
    DIRECTORY_BYTES,
    TRANSACTION_BUCKETS,
    Directory,
    Siblings,
    stream_key,
)

SHARED = memoryview(bytearray(DIRECTORY_BYTES))


def directory(worker: int) -> Directory:
    return Directory(SHARED, 0, TRANSACTION_BUCKETS, worker)


def test_a_sibling_finds_what_a_worker_noted_and_the_worker_does_not():
    mine, other = directory(3), directory(5)
    mine.note(b"z9hG4bK-1 host INVITE")
    assert other.owner(b"z9hG4bK-1 host INVITE") == 3
    assert mine.owner(b"z9hG4bK-1 host INVITE") == -1
    assert other.owner(b"z9hG4bK-2 host INVITE") == -1


def test_what_two_have_noted_belongs_to_whoever_asks_first_for_its_own():
    directory(0).note(b"both")
    directory(1).note(b"both")
    assert directory(0).owner(b"both") == -1
    assert directory(2).owner(b"both") in (0, 1)


def test_what_is_forgotten_is_not_found():
    directory(0).note(b"gone")
    directory(1).forget(b"gone")
    assert directory(1).owner(b"gone") == -1


def test_thirty_thousand_transactions_lose_next_to_nothing():
    """As many as live in 32 s at 1,000 calls a second."""
    shared = memoryview(bytearray(DIRECTORY_BYTES))
    mine = Directory(shared, 0, TRANSACTION_BUCKETS, 0)
    other = Directory(shared, 0, TRANSACTION_BUCKETS, 1)
    for number in range(100_000, 130_000):
        mine.note(b"old %d" % number)
    keys = [b"z9hG4bK%d host INVITE" % number for number in range(30_000)]
    for key in keys:
        mine.note(key)
    lost = sum(other.owner(key) != 0 for key in keys)
    assert lost <= 10


def test_a_connection_is_found_by_its_remote_address():
    first = Siblings(0, 2, 1, 1, SHARED)
    second = Siblings(1, 2, 1, 1, SHARED)
    first.streams.note(stream_key("tcp", "10.1.0.9", 40000))
    assert second.streams.owner(stream_key("tcp", "10.1.0.9", 40000)) == 0
    assert second.transactions.owner(stream_key("tcp", "10.1.0.9", 40000)) == -1
