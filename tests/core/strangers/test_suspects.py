"""Sources that guess or scan are told once in ten minutes, and forgotten in order."""

from proxy.core import commands
from proxy.core.strangers.suspects import MOST, TELL_EVERY, Suspects


def told(out: list[commands.Command]) -> list[tuple[str, str]]:
    return [(x.what, x.source) for x in out if isinstance(x, commands.NoteSuspect)]


def test_a_source_is_told_once_in_ten_minutes_and_then_again() -> None:
    out: list[commands.Command] = []
    suspects = Suspects(out)
    for now in (0.0, 1.0, TELL_EVERY - 1.0):
        suspects.note("scanning", "192.0.2.1", "x@contoso.test", now)
    assert told(out) == [("scanning", "192.0.2.1")]
    suspects.note("scanning", "192.0.2.1", "x@contoso.test", TELL_EVERY)
    assert suspects.counts == {"scanning": 2, "guessing": 0}


def test_what_a_source_does_counts_apart() -> None:
    out: list[commands.Command] = []
    suspects = Suspects(out)
    suspects.note("scanning", "192.0.2.1", "x", 0.0)
    suspects.note("guessing", "192.0.2.1", "x", 0.0)
    assert told(out) == [("scanning", "192.0.2.1"), ("guessing", "192.0.2.1")]


def test_the_example_is_cut() -> None:
    out: list[commands.Command] = []
    Suspects(out).note("guessing", "192.0.2.1", "a" * 5_000, 0.0)
    (note,) = out
    assert isinstance(note, commands.NoteSuspect) and note.example == "a" * 100


def test_the_oldest_of_too_many_is_forgotten_and_may_be_told_again() -> None:
    out: list[commands.Command] = []
    suspects = Suspects(out)
    for n in range(MOST + 1):
        suspects.note("scanning", str(n), "x", 0.0)
    out.clear()
    suspects.note("scanning", str(MOST), "x", 1.0)
    assert told(out) == []
    suspects.note("scanning", "0", "x", 1.0)
    assert told(out) == [("scanning", "0")]
