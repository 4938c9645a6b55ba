"""A process that logs events has a known seed of hashes, or starts anew with one."""

import os
import sys

import pytest

from proxy.server.event_log.hash_seed import VARIABLE, known_seed, with_known_seed


@pytest.fixture
def started(monkeypatch):
    """What was executed in place of this process."""
    found: list[tuple[str, list[str], str]] = []

    def execve(program: str, line: list[str], environ: dict[str, str]) -> None:
        found.append((program, line, environ[VARIABLE]))

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "x", "--flag"])
    return found


@pytest.mark.parametrize(
    ("word", "seed"), [("7", 7), ("0", 0), ("random", None), ("", None)]
)
def test_only_a_number_is_a_known_seed(monkeypatch, word: str, seed) -> None:
    monkeypatch.setenv(VARIABLE, word)
    assert known_seed() == seed
    monkeypatch.delenv(VARIABLE)
    assert known_seed() is None


def test_a_seed_that_is_known_will_do_unless_another_is_wanted(started, monkeypatch):
    monkeypatch.setenv(VARIABLE, "7")
    with_known_seed()
    with_known_seed(7)
    assert started == []
    with_known_seed(8)
    assert started == [(sys.executable, [sys.executable, "-m", "x", "--flag"], "8")]


def test_without_one_the_same_program_starts_with_one(started, monkeypatch) -> None:
    monkeypatch.setenv(VARIABLE, "random")
    with_known_seed()
    ((program, line, seed),) = started
    assert program == line[0] == sys.executable and line[1:] == ["-m", "x", "--flag"]
    assert 0 <= int(seed) < 1 << 32
