"""Options that may stand anywhere: ``--config FILE`` and ``--json``.  Pure.

They are moved to the front before Typer looks at the line, so that
``waypost endpoint get --json`` and ``waypost --json endpoint get`` are the same.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from proxy.cli.typed.cmdlets import UsageError, is_cmdlet
from proxy.sip.pasted import plain_punctuation

_OPTION: Final = re.compile(r"-{1,3}([A-Za-z][A-Za-z-]{0,40})([:=].*)?", re.DOTALL)


def plain_dashes(arguments: Sequence[str]) -> list[str]:
    """Options that a document gave a typographic dash, as the keyboard writes them.

    PowerShell reads ``–SipAddress`` so too; our own ``—json`` was ``--json`` once.
    """
    found: list[str] = []
    in_cmdlet = False
    for at, argument in enumerate(arguments):
        if argument == "--":
            return [*found, *arguments[at:]]
        # At most three dashes stand before a name.
        dashed = plain_punctuation(argument[:3]) + argument[3:]
        match = None if dashed == argument else _OPTION.fullmatch(dashed)
        if is_cmdlet(plain_punctuation(argument)):
            in_cmdlet = True
            argument = plain_punctuation(argument)
        elif match:
            dashes = "-" if in_cmdlet or len(match[1]) == 1 else "--"
            argument = f"{dashes}{match[1]}{match[2] or ''}"
        found.append(argument)
    return found


class Elsewhere(NamedTuple):
    """The console that shall run a line, as the options of the line name it."""

    server: str
    token_file: str | None = None
    ca_file: str | None = None


_ELSEWHERE: Final = ("--server", "--token-file", "--ca-file")


def take_elsewhere(arguments: Sequence[str]) -> tuple[Elsewhere | None, list[str]]:
    """The console that a line names, None without one, and the line without it.

    Raises UsageError for an option without its value, or without ``--server``.
    """
    found: dict[str, str] = {}
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        name, equals, value = argument.partition("=")
        if argument == "--":
            rest += ["--", *waiting]
        elif name not in _ELSEWHERE:
            rest.append(argument)
        else:
            given = value if equals else next(waiting, "")
            if not given:
                raise UsageError(f"{name} needs a value after it")
            found[name] = given
    if not found:
        return None, rest
    if "--server" not in found:
        raise UsageError(
            f"{next(iter(found))} belongs to a console: name it, "
            "--server https://proxy.contoso.com:8443"
        )
    names = (found.get(name) for name in _ELSEWHERE)
    return Elsewhere(*names), rest  # type: ignore[arg-type]


def split_options(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The options that may stand anywhere, and the rest in order.

    What follows ``--`` is left alone; a ``--config`` without a file stays at the end
    of the first part for Typer to complain about.
    """
    front: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            rest += ["--", *waiting]
        elif argument == "--json" or argument.startswith("--config="):
            front.append(argument)
        elif argument == "--config":
            front += [argument, *[value for value in [next(waiting, None)] if value]]
        else:
            rest.append(argument)
    return front, rest
