"""A stream connection between a fake wire and a fake sink, on a clock of its own."""

import pytest

from proxy.net.outbox import Outbox
from proxy.net.settings import StreamSettings
from proxy.net.stream import StreamConnection, Streams
from proxy.sip.flow import FlowTable, Listener
from tests.support.fake_net import FakeLoop, FakeWire
from tests.support.messages import request
from tests.support.recorder import Recorder

LISTENER = Listener("tcp", "10.0.0.5", 5060)
SETTINGS = StreamSettings(
    first_byte=5.0,
    whole_message=10.0,
    idle_new=120.0,
    idle_established=3600.0,
    close=5.0,
    half_closed=40.0,
    buffers=10_000,
)


class World:
    """Connections of one process."""

    def __init__(self):
        self.loop = FakeLoop()
        self.sink = Recorder()
        self.flows = FlowTable([LISTENER])
        outbox = Outbox(self.loop)
        self.streams = Streams(self.loop, self.flows, self.sink, outbox, SETTINGS)

    def connect(self, port=40000, **more):
        connection = StreamConnection(self.streams, LISTENER, "10.1.0.9", port, **more)
        wire = FakeWire()
        connection.connection_made(wire)
        return connection, wire

    def read(self, connection, data):
        while data:
            buffer = connection.get_buffer(-1)
            size = min(len(data), len(buffer))
            buffer[:size] = data[:size]
            connection.buffer_updated(size)
            data = data[size:]

    def passes(self, seconds):
        """Time passes, and the network's one timer looks."""
        self.loop.now += seconds
        self.streams.sweep()
        self.loop.turn()

    def closed(self):
        return [reason for _, reason in self.sink.of("flow_closed")]


@pytest.fixture
def world():
    return World()


@pytest.fixture
def made(world):
    return world.connect()


ONE = request(branch="z9hG4bK-1")
TWO = request(branch="z9hG4bK-2", body=b"two")


def messages(world):
    return [data for _, data in world.sink.of("message")]


def test_a_message_is_handed_on_whole_however_it_comes(world, made):
    connection, _ = made
    for at in range(0, len(ONE), 50):
        assert messages(world) == []
        world.read(connection, ONE[at : at + 50])
    assert messages(world) == [ONE]
    assert world.streams.held == 0
    world.read(connection, TWO + ONE)
    assert messages(world) == [ONE, TWO, ONE]
    flow, _ = world.sink.of("message")[0]
    assert flow is connection.flow
    assert world.flows.stream("tcp", "10.1.0.9", 40000) is flow


def test_what_a_batch_answers_leaves_as_one_write(world, made):
    connection, wire = made
    world.sink.on_message = lambda flow, data: flow.connection.send(b"answer;")
    world.read(connection, ONE + TWO)
    assert wire.written == [b"answer;answer;"]


def test_a_keep_alive_is_answered_where_that_was_agreed(world, made):
    connection, wire = made
    world.read(connection, b"\r\n\r\n")
    world.loop.turn()
    assert wire.written == [] and world.streams.keepalives == 1
    connection.flow.wants_pong = True
    world.read(connection, b"\r\n\r\n")
    world.loop.turn()
    assert wire.written == [b"\r\n"]


def test_what_cannot_be_framed_is_told_and_the_connection_closed(world, made):
    connection, wire = made
    world.sink.on_message = lambda flow, data: flow.connection.send(b"400")
    wrong = ONE.replace(b"Content-Length: 0", b"Content-Length: x")
    world.read(connection, wrong + ONE)
    assert len(world.sink.of("framing_failed")) == 1
    assert wire.is_paused
    world.loop.turn()
    assert wire.written == [b"400"] and wire.is_closed
    assert world.closed() == ["framing"]
    world.read(connection, ONE)
    assert messages(world) == []


@pytest.mark.parametrize(
    ("reads", "patience", "reason"),
    [
        ([], 5.0, "first-byte-timeout"),
        ([b"\r\n\r\n"], 119.0, "idle"),
        ([ONE[:40]], 10.0, "message-timeout"),
        ([ONE], 3600.0, "idle"),
        ([ONE, TWO[:40]], 10.0, "message-timeout"),
    ],
    ids=["silent", "keep-alive alone", "half a message", "one message", "then half"],
)
def test_a_peer_has_so_long_and_no_longer(world, made, reads, patience, reason):
    connection, wire = made
    world.loop.now += 1.0 if reads else 0.0
    for data in reads:
        world.read(connection, data)
    world.passes(patience)
    assert not wire.is_closed
    world.passes(0.5)
    assert wire.is_closed
    assert world.closed() == [reason]
    assert world.streams.timed_out == 1


def test_a_connection_of_ours_may_be_silent(world):
    _, wire = world.connect(was_opened_by_us=True)
    world.passes(3000.0)
    assert not wire.is_closed


def test_a_peer_that_does_not_read_loses_its_connection_alone(world, made):
    connection, wire = made
    other, other_wire = world.connect(40001)
    assert wire.high == SETTINGS.write_queue
    connection.send(b"lost")
    connection.pause_writing()
    world.loop.turn()
    assert wire.is_aborted and not wire.written
    assert not other_wire.is_aborted and other.flow.is_open
    assert (world.streams.shed, world.closed()) == (1, ["write-queue"])


def test_when_too_much_is_held_who_holds_most_goes_and_strangers_first(world):
    friend, friend_wire = world.connect(40000)
    friend.flow.is_proven = True
    _, big_wire = world.connect(40001)
    _, small_wire = world.connect(40002)
    friend_wire.unsent, big_wire.unsent, small_wire.unsent = 4000, 5000, 2000
    world.streams.sweep()
    assert big_wire.is_aborted and small_wire.is_aborted
    assert not friend_wire.is_aborted, "half of it is free again"


def test_halves_of_messages_count_as_held(world, made):
    connection, wire = made
    long = request(branch="z9hG4bK-3", body=b"x" * 20_000)
    world.read(connection, long[:9_000])
    assert world.streams.held == 9_000 and not wire.is_aborted
    world.read(connection, long[9_000:12_000])
    assert wire.is_aborted
    connection.connection_lost(None)
    assert world.streams.held == 0


def test_the_end_is_told_once_and_nothing_is_sent_after_it(world, made):
    connection, wire = made
    connection.send(b"last")
    connection.close("gone")
    connection.close("again")
    connection.send(b"late")
    connection.connection_lost(ConnectionResetError())
    world.loop.turn()
    assert wire.written == [b"last"]
    assert world.closed() == ["gone"]
    assert world.streams.messages_dropped == 1
    assert world.streams.connections == set()
    assert world.flows.streams() == []


def test_one_that_is_closed_and_takes_nothing_is_cut_off(world, made):
    connection, wire = made
    connection.close("gone")
    world.passes(SETTINGS.close)
    assert not wire.is_aborted
    world.passes(0.5)
    assert wire.is_aborted


def test_a_peer_that_has_finished_sending_ends_the_connection(world, made):
    connection, wire = made
    assert connection.eof_received() is False
    world.loop.turn()
    assert wire.is_closed and world.closed() == ["closed"]
