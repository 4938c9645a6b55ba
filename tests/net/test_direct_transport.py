"""What both transports share: an end is told in the next turn, and told once."""

import socket

from proxy.net.plain_transport import PlainTransport
from tests.support.fake_net import FakeLoop
from tests.support.fake_wait import FakeProtocol, FakeWait


class World:
    def __init__(self, pair: tuple[socket.socket, socket.socket], **more: bool) -> None:
        self.ours, self.theirs = pair
        self.loop, self.wait = FakeLoop(), FakeWait()
        self.protocol = FakeProtocol(**more)
        self.transport = PlainTransport(
            self.loop,  # type: ignore[arg-type]
            self.wait,  # type: ignore[arg-type]
            self.ours,
            self.protocol,
        )
        self.transport.start()


def test_the_protocol_is_told_and_reading_begins(pair) -> None:
    world = World(pair)
    assert world.protocol.told == ["made"] and world.wait.wanted == (True, False)


def test_who_comes_first_has_no_source_and_others_are_one_for_each_network(pair):
    assert list(World(pair).wait.sources.values()) == [""]
    with socket.create_server(("127.0.0.1", 0)) as server:
        opened = socket.create_connection(server.getsockname()[:2])
        accepted, _ = server.accept()
        with opened, accepted:
            world = World((accepted, opened), comes_first=False)
            assert list(world.wait.sources.values()) == ["127.0.0.1"]


def test_an_abort_is_told_in_the_next_turn_and_only_once(pair) -> None:
    world = World(pair)
    world.transport.abort()
    world.transport.abort()
    world.transport.close()
    assert world.protocol.told == ["made"] and world.wait.wanted is None
    assert world.ours.fileno() >= 0
    world.loop.turn()
    assert world.protocol.told == ["made", "lost"] and world.protocol.error is None
    assert world.ours.fileno() < 0


def test_a_failed_read_ends_it_with_the_error(pair) -> None:
    world = World(pair)

    def fails(buffer: memoryview) -> int:
        raise ConnectionResetError

    world.transport._recv_into = fails
    world.wait.can_read()
    world.loop.turn()
    assert isinstance(world.protocol.error, ConnectionResetError)


def test_a_failed_write_ends_it_with_the_error_and_drops_what_waited(pair) -> None:
    world = World(pair)

    def fails(data: bytes) -> int:
        raise BrokenPipeError

    world.transport._send = fails
    world.transport.write(b"x")
    world.transport.write(b"y")
    world.loop.turn()
    assert isinstance(world.protocol.error, BrokenPipeError)
    assert world.transport.get_write_buffer_size() == 0


def test_a_pause_stops_reading_and_the_next_sign_is_the_end(pair) -> None:
    world = World(pair)
    world.transport.pause_reading()
    assert world.wait.wanted == (False, False)
    world.theirs.send(b"x")
    world.wait.can_read()
    world.loop.turn()
    assert world.protocol.told == ["made", "lost"] and world.protocol.data == b""


def test_nothing_to_read_is_no_end(pair) -> None:
    world = World(pair)
    world.wait.can_read()
    world.loop.turn()
    assert world.protocol.told == ["made"]
