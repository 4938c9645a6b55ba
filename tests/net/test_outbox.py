"""What a batch sends on a stream leaves as one write, and nothing is forgotten."""

import pytest

from proxy.net.outbox import Outbox
from tests.support.fake_net import FakeLoop


class Connection:
    def __init__(self, log, name, then=None):
        self.log, self.name, self.then = log, name, then

    def flush(self):
        self.log.append(self.name)
        if self.then is not None:
            then, self.then = self.then, None
            then()


@pytest.fixture
def loop():
    return FakeLoop()


def test_inside_a_batch_everything_waits_for_its_end(loop):
    log: list[str] = []
    outbox = Outbox(loop, lambda: log.append("batch ended"))
    outbox.is_batch = True
    outbox.add(Connection(log, "a"))
    outbox.add(Connection(log, "b"))
    loop.turn()
    assert log == []
    outbox.end()
    assert log == ["batch ended", "a", "b"]
    assert not outbox.is_batch


def test_outside_a_batch_it_leaves_with_the_next_turn_once(loop):
    log: list[str] = []
    outbox = Outbox(loop)
    outbox.add(Connection(log, "a"))
    outbox.add(Connection(log, "b"))
    assert log == []
    loop.turn()
    assert log == ["a", "b"]
    loop.turn()
    assert log == ["a", "b"]
    outbox.add(Connection(log, "c"))
    loop.turn()
    assert log == ["a", "b", "c"]


def test_what_a_write_brings_about_leaves_too(loop):
    log: list[str] = []
    outbox = Outbox(loop)
    second = Connection(log, "second")
    outbox.is_batch = True
    outbox.add(Connection(log, "first", lambda: outbox.add(second)))
    outbox.end()
    loop.turn()
    assert log == ["first", "second"]


def test_a_report_is_a_batch_of_its_own_whatever_the_sink_does(loop):
    log: list[str] = []
    outbox = Outbox(loop, lambda: log.append("batch ended"))

    def sink(word):
        assert outbox.is_batch
        outbox.add(Connection(log, word))
        raise ValueError(word)

    outbox.report(sink, "told")
    assert log == [], "not in the middle of what goes on now"
    with pytest.raises(ValueError, match="told"):
        loop.turn()
    assert log == ["batch ended", "told"]
    assert not outbox.is_batch
