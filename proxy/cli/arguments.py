"""Options that may stand anywhere: ``--config FILE`` and ``--json``.  Pure.

They are moved to the front before Typer looks at the line, so that
``waypost endpoint get --json`` and ``waypost --json endpoint get`` are the same.
"""

from collections.abc import Sequence


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
