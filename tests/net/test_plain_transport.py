"""A TCP connection without asyncio's transport: what is written, kept and ended."""

import socket

from tests.net.test_direct_transport import World

LARGE = b"x" * 4_000_000


def drained(world: World) -> bytes:
    """All that the peer can read now."""
    world.theirs.setblocking(False)
    data = b""
    try:
        while piece := world.theirs.recv(1_000_000):
            data += piece
    except BlockingIOError:
        pass
    return data


def test_what_comes_is_handed_on(pair) -> None:
    world = World(pair)
    world.theirs.send(b"hello")
    world.wait.can_read()
    assert world.protocol.data == b"hello"


def test_what_the_kernel_takes_goes_at_once(pair) -> None:
    world = World(pair)
    world.transport.write(b"hello")
    assert world.theirs.recv(100) == b"hello" and world.wait.wanted == (True, False)


def test_the_rest_waits_its_turn_in_order_and_the_protocol_is_told(pair) -> None:
    world = World(pair)
    world.transport.write(LARGE)
    world.transport.write(b"end")
    assert world.wait.wanted == (True, True) and "pause" in world.protocol.told
    assert 0 < world.transport.get_write_buffer_size() < len(LARGE)
    data = b""
    while world.transport.get_write_buffer_size():
        data += drained(world)
        world.wait.can_write()
    data += drained(world)
    assert data == LARGE + b"end" and world.wait.wanted == (True, False)


def test_below_the_limit_nobody_is_paused(pair) -> None:
    world = World(pair)
    world.transport.set_write_buffer_limits(2 * len(LARGE))
    world.transport.write(LARGE)
    assert "pause" not in world.protocol.told


def test_a_close_lets_everything_out_first_and_reads_no_more(pair) -> None:
    world = World(pair)
    world.transport.write(LARGE)
    world.transport.close()
    assert world.wait.wanted == (False, True)
    data = b""
    while world.wait.wanted is not None:
        data += drained(world)
        world.wait.can_write()
    data += drained(world)
    world.loop.turn()
    assert data == LARGE and world.protocol.told[-1] == "lost"


def test_with_nothing_to_send_a_close_is_over_at_once(pair) -> None:
    world = World(pair)
    world.transport.close()
    world.loop.turn()
    assert world.protocol.told == ["made", "lost"]


def test_the_peers_end_closes_unless_the_protocol_keeps_its_half(pair) -> None:
    world = World(pair)
    world.theirs.shutdown(socket.SHUT_WR)
    world.wait.can_read()
    world.loop.turn()
    assert world.protocol.told == ["made", "eof", "lost"]


def test_a_half_open_connection_can_still_be_written(pair) -> None:
    world = World(pair, keeps_half=True)
    world.theirs.shutdown(socket.SHUT_WR)
    world.wait.can_read()
    world.loop.turn()
    assert world.protocol.told == ["made", "eof"] and world.wait.wanted == (
        False,
        False,
    )
    world.transport.write(b"answer")
    assert world.theirs.recv(100) == b"answer"


def test_there_is_a_socket_and_no_tls(pair) -> None:
    world = World(pair)
    assert world.transport.get_extra_info("socket") is world.ours
    assert world.transport.get_extra_info("peercert") is None
