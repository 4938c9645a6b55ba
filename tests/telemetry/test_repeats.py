"""A repeated event is told once, counted, and told again with the count."""

import io
import json
import logging
from typing import Any

import pytest
import structlog

from proxy.telemetry.logs import set_up_logs
from proxy.telemetry.repeats import KINDS, SAME_LINES, WINDOW, Repeats


def raised(text: str) -> ValueError:
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


class Teller:
    def __init__(self) -> None:
        self.now = 100.0
        self.repeats = Repeats(lambda: self.now)

    def tell(self, level: str = "error", **values: Any) -> dict[str, Any] | None:
        try:
            return dict(self.repeats(None, level, {"level": level, **values}))
        except structlog.DropEvent:
            return None


def test_a_traceback_is_told_once_whatever_the_values_around_it() -> None:
    teller = Teller()
    told = [
        teller.tell(event="message.failed", flow=n, exc_info=raised(str(n)))
        for n in range(1_000)
    ]
    assert [x is not None for x in told].count(True) == 1
    assert teller.repeats.held == 999


def test_after_a_minute_it_is_told_with_how_often_it_was_not() -> None:
    teller = Teller()
    for _ in range(5):
        teller.tell(event="message.failed", exc_info=raised("x"))
    teller.now += WINDOW
    again = teller.tell(event="message.failed", exc_info=raised("x"))
    assert again is not None and again["repeated"] == 4


def test_other_lines_are_told_while_they_differ() -> None:
    teller = Teller()
    assert all(teller.tell(event="conflict.detected", source=n) for n in range(100))
    same = [teller.tell(event="store.unavailable", reason="x") for _ in range(100)]
    assert len([x for x in same if x]) == SAME_LINES


def test_information_is_never_held_back() -> None:
    teller = Teller()
    assert all(teller.tell("info", event="table.changed") for _ in range(100))


def test_what_is_remembered_is_bounded() -> None:
    teller = Teller()
    for n in range(10 * KINDS):
        teller.tell(event="x", source=n)
    assert len(teller.repeats._seen) == KINDS


@pytest.fixture
def restored() -> Any:
    before = structlog.get_config(), list(logging.getLogger().handlers)
    yield
    structlog.configure(**before[0])
    logging.getLogger().handlers[:] = before[1]


def test_what_libraries_tell_is_a_line_of_ours(restored: None) -> None:
    stream = io.StringIO()
    set_up_logs("json", "info", stream)
    set_up_logs("json", "info", stream)
    for _ in range(3):
        logging.getLogger("asyncio").error(
            "socket.accept() out of system resource\nsocket: x", exc_info=raised("y")
        )
    (line,) = stream.getvalue().splitlines()
    told = json.loads(line)
    assert told["event"] == "library.complained"
    assert told["reason"] == "socket.accept() out of system resource"
