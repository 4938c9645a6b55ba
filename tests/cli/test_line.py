"""A line from words to an exit code, and what it says when it is refused."""

import json
import os
import sys
import termios

import pytest

from proxy.admin.control import ControlError
from proxy.cli.line import REFUSED, Complaints, say
from proxy.cli.screen import output
from proxy.cli.typed.cmdlets import UsageError
from proxy.config import ConfigError
from proxy.config.problems import Problem
from proxy.store import StoreError

LONG = "a sentence that says why not, and then " + "what there is to do about it, " * 3


def test_a_refusal_is_as_wide_as_the_terminal_and_one_line_in_a_pipe(
    monkeypatch, capsys
):
    said = Complaints(False, "")
    assert said.complain(LONG, REFUSED) == REFUSED
    assert capsys.readouterr().err == f"waypost: {LONG}\n"
    ours, theirs = os.openpty()
    try:
        termios.tcsetwinsize(theirs, (24, 60))
        with open(theirs, "w", closefd=False) as terminal:
            monkeypatch.setattr(sys, "stderr", terminal)
            said.complain(LONG, REFUSED)
            said.complain(f"first line\n{LONG}", REFUSED)
            Complaints(True, "").complain(LONG, REFUSED)
            terminal.flush()
            monkeypatch.undo()
        seen = b""
        while not seen.endswith(b"}\r\n"):  # a terminal gives it in pieces
            seen += os.read(ours, 65_536)
        lines = seen.decode().splitlines()
    finally:
        os.close(ours)
        os.close(theirs)
    *shown, document = lines
    assert json.loads(document)["error"] == LONG, "for scripts, wherever it goes"
    assert 40 < max(map(len, shown)) <= 60
    words = f"waypost: {LONG} first line {LONG}".split()
    assert " ".join(shown).split() == words
    assert "first line" in shown


def said(capsys, line, dispatch):
    """Exit code, output and errors of a line that ends in ``dispatch``."""
    code = say(line, dispatch)
    return code, *capsys.readouterr()


def raises(error):
    def dispatch(front, rest, complaints):
        raise error

    return dispatch


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ControlError("no", 1), 1),
        (ControlError("no", 3), 3),
        (UsageError("no"), 2),
        (ConfigError([Problem("f", 1, "k", "no")]), 3),
        (StoreError("no"), 3),
    ],
)
def test_a_refusal_has_its_exit_code_and_a_sentence_on_standard_error(
    capsys, error, code
):
    found, out, err = said(capsys, ["pool", "list"], raises(error))
    assert (found, out) == (code, "") and "no" in err
    found, out, err = said(capsys, ["--json", "pool", "list"], raises(error))
    assert json.loads(err)["exit_code"] == code == found


def test_a_stop_at_the_terminal_is_130_and_a_bug_is_raised(capsys):
    assert said(capsys, ["x"], raises(KeyboardInterrupt()))[0] == 130
    with pytest.raises(ZeroDivisionError):
        say(["x"], raises(ZeroDivisionError()))


def test_options_that_may_stand_anywhere_come_first_and_cmdlets_in_our_words(capsys):
    heard = []

    def dispatch(front, rest, complaints):
        heard.append((front, rest))
        return 0

    line = ["Get-CsPersistentChatEndpoint", "-Identity", "sip:a@b.c", "--json"]
    assert said(capsys, line, dispatch) == (0, "", "")
    ((front, rest),) = heard
    assert front == ["--json"] and rest[:2] == ["endpoint", "get"]


def test_a_cmdlet_hears_of_a_mistake_in_its_own_words(capsys):
    complaint = UsageError("name a pool with --pool-fqdn")
    code, _, err = said(capsys, ["New-CsPersistentChatEndpoint"], raises(complaint))
    assert code == 2 and "-PersistentChatPoolFqdn" in err


def test_a_result_that_cannot_be_written_says_what_became_of_the_change(capsys):
    lost = output.OutputFailed(OSError(28, "No space left on device"))

    def dispatch(front, rest, complaints):
        output.made("a pool was set")
        raise lost

    code, _, err = said(capsys, ["x"], dispatch)
    assert code == 4 and "the change WAS made: a pool was set" in err
    code, _, err = said(capsys, ["x"], raises(lost))
    assert code == 1 and "nothing was changed" in err
