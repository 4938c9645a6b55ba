"""Options that may stand anywhere: ``--config FILE`` and ``--json``.  Pure.

They are moved to the front before Typer looks at the line, so that
``waypost endpoint get --json`` and ``waypost --json endpoint get`` are the same.
"""

import re
from collections.abc import Sequence
from typing import Final

from proxy.cli.typed.cmdlets import is_cmdlet
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
