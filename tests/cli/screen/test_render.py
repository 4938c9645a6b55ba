"""Tables on a terminal and in a pipe."""

import io
import json
import sys

import pytest

from proxy.cli.screen import render

LONG = "sip:" + "a-very-long-user-name" * 5 + "@contoso.test"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_pipe_gets_plain_columns_with_nothing_cut(capsys):
    render.print_table(("A", "B"), [(LONG, "x"), ("y", "")], title="T")
    title, head, first, second = capsys.readouterr().out.splitlines()
    assert title == "T"
    assert head == "A".ljust(len(LONG)) + "  B"
    assert first == f"{LONG}  x"
    assert second == "y"


@pytest.mark.parametrize("columns", ["60", "80", "100"])
def test_a_terminal_gets_a_table_that_breaks_no_address(monkeypatch, columns):
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", columns)
    render.print_table(("A", "B"), [(LONG, "[red]x"), ("y", "[::1]:5060")])
    render.print_properties([("Address", LONG), ("More", f"{LONG} {LONG}")])
    out = sys.stdout.getvalue()
    assert "[red]x" in out and "[::1]:5060" in out
    assert out.count(LONG) == 4


@pytest.mark.parametrize(
    "nasty", ["\x1b[31m", "a\nb", "\x9b2J", "\r\x07\x7f", "\u202egnp\u2069\u2028"]
)
def test_nothing_that_strangers_wrote_moves_the_cursor(nasty, capsys):
    """Names, user agents and contacts come from whoever sends us a request."""
    render.print_table(("A",), [(nasty,)])
    render.print_properties([("A", nasty)])
    render.print_lines([nasty])
    render.print_json({"A": nasty})
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert len(out.splitlines()) == 2 + 1 + 1 + 3
    assert json.loads("{" + out.rpartition("{")[2])["A"] == nasty


def test_spans_are_in_the_unit_people_use():
    spans = (5, 119, 300, 7200, 200_000)
    assert [render.duration(span) for span in spans] == [
        "5 s",
        "119 s",
        "5 min",
        "2 h",
        "2 d",
    ]


def test_what_strangers_wrote_gives_the_terminal_no_orders(capsys, monkeypatch):
    evil = "UCCAPI\x1b[31m\x07 \x9b2J\u202egnp.exe\r\n"
    render.print_table(("A",), [(evil,)])
    render.print_properties([("A", evil)])
    render.print_lines([evil])
    monkeypatch.setattr(sys, "stdout", Terminal())
    render.print_table(("A",), [(evil,)])
    printed = capsys.readouterr().out + sys.stdout.getvalue()
    assert printed.count("UCCAPI") == 4
    for order in ("\x1b[31m", "\x07", "\x9b", "\u202e", "\r"):
        assert order not in printed
