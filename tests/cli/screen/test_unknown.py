"""Addresses that nobody serves, on a screen and in a spreadsheet."""

import csv
import io

from proxy.admin.unknown import UnknownAddress
from proxy.cli.screen.unknown import print_unknown, print_unknown_csv
from proxy.endpoints.unknown import NOBODY
from proxy.endpoints.usage import Usage


def view(address, *callers, count=1):
    rows = [
        Usage(address, each, 1.0, 2.0, count, count, "=cmd()", "", "tcp:10.1.1.1")
        for each in callers
    ]
    return UnknownAddress(address, rows)


def test_the_list_says_what_has_no_name_and_what_comes_next(capsys):
    print_unknown([view("chat@x", "a@x", "b@x"), view(*NOBODY, count=7)], True, True)
    out = capsys.readouterr().out
    assert "sip:chat@x  2      2" in out
    assert "7 more without a name" in out
    assert "--as-plan FILE" in out and "counted: INVITE" in out


def test_who_dialled_one_of_them(capsys):
    print_unknown([view("chat@x", "a@x", "")], False, True)
    out = capsys.readouterr().out
    assert "a@x" in out and "(unreadable)" in out and "--as-plan" not in out


def test_nothing_there_and_nobody_counting(capsys):
    print_unknown([], True, False)
    assert "[usage] ledger = false" in capsys.readouterr().out


def test_no_control_character_and_no_formula(capsys):
    hostile = view("=chat\x1b[2J@x", "\x1b]0;t\x07@x")
    print_unknown([hostile], True, True)
    print_unknown([hostile], False, True)
    assert "\x1b" not in capsys.readouterr().out
    print_unknown_csv([view("=chat@x", "+a@x")])
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["client"], row["user_agent"]) == ("'+a@x", "'=cmd()")
    assert row["address"] == "sip:=chat@x"
