"""Lines that were not understood: what Typer says about them, as one sentence."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Final

from proxy.sip.pasted import pasted_note

_NO_COMMAND: Final = re.compile(r"No such command '([^']{1,80})'")
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4}))")
"""What is not printable, as Typer shows it."""
_SAME: Final = (
    ("get", "show", "list", "ls", "display", "find"),
    ("new", "add", "create", "make", "import"),
    ("remove", "delete", "del", "rm", "erase"),
    ("set", "change", "update", "edit", "modify"),
    ("undo", "revert", "rollback"),
)
"""Verbs that people take for each other."""


def sentence(error: Any, cmdlet: str = "") -> str:
    """What is wrong with a line and what to write, from Typer's UsageError.

    ``cmdlet`` is the name that was typed, when it was one.
    """
    message = str(error.format_message()).strip()
    context = error.ctx
    line = context.command_path if context is not None else "waypost"
    line = f"waypost {cmdlet}" if cmdlet else line
    missing = _NO_COMMAND.search(message)
    if missing is not None:
        commands = sorted(getattr(context.command, "commands", ()))
        text = _no_command(line, missing[1], commands)
    else:
        what = message[:1].lower() + message[1:].rstrip(".")
        text = f'{what}: "{line} --help" shows what it takes'
    note = pasted_note(_ESCAPE.sub(_character, message))
    return f"{text} ({note})" if note else text


def _character(escape: re.Match[str]) -> str:
    return chr(int(escape[1] or escape[2], 16))


def _no_command(line: str, word: str, commands: Sequence[str]) -> str:
    text = f'there is no "{line} {word}"'
    meant = alike(word, commands)
    if meant:
        return (
            f"{text}: did you mean " + " or ".join(f'"{line} {x}"' for x in meant) + "?"
        )
    return f"{text}: there are {', '.join(commands)}"


def alike(word: str, commands: Sequence[str]) -> list[str]:
    """The commands that may have been meant: the same verb, else a slip of it."""
    word = word.lower()
    for verbs in _SAME:
        if word in verbs:
            found = [verb for verb in verbs if verb in commands]
            if found:
                return found[:2]
    return get_close_matches(word, commands, 1, 0.6)
