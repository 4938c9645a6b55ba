"""Logs: one event per line, in both formats."""

import io
import logging

import pytest
import structlog

from proxy.telemetry.logs import set_up_logs


@pytest.fixture(autouse=True)
def restored():
    before, handlers = structlog.get_config(), list(logging.getLogger().handlers)
    yield
    structlog.configure(**before)
    logging.getLogger().handlers[:] = handlers


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_value_of_a_stranger_stays_on_the_line_of_its_event(form):
    stream = io.StringIO()
    set_up_logs(form, "info", stream)
    nasty = "\x1b[31m\n2026-01-01 service.stopped"
    structlog.get_logger().warning("conflict.detected", user_agent=nasty)
    line = stream.getvalue()
    assert "conflict.detected" in line
    assert line.endswith("\n") and line[:-1].isprintable()


def test_a_traceback_keeps_its_lines():
    stream = io.StringIO()
    set_up_logs("console", "info", stream)
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger().exception("message.failed")
    assert len(stream.getvalue().splitlines()) > 3
