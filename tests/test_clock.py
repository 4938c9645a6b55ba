"""The one place that reads time."""

import pytest

from proxy import clock


@pytest.fixture(autouse=True)
def fresh():
    clock._boot_id.cache_clear()
    yield
    clock._boot_id.cache_clear()


def test_a_start_of_this_machine_has_a_name_and_seconds_that_grow() -> None:
    name, seconds = clock.uptime()
    again, later = clock.uptime()
    assert name == again and later >= seconds > 0.0


def test_where_there_is_no_name_it_is_empty(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(clock, "_BOOT_ID", tmp_path / "none")
    assert clock.uptime()[0] == ""


def test_where_the_system_counts_no_sleep_the_steady_clock_must_do(monkeypatch) -> None:
    def refuses(which: int) -> float:
        raise OSError

    monkeypatch.setattr("time.clock_gettime", refuses)
    before = clock.monotonic()
    assert before <= clock.boottime() <= clock.monotonic()
