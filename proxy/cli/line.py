"""A line from words to an exit code, wherever it is run and whatever runs it.

0 done, 1 refused or failed, 2 not understood, 3 store or configuration unusable,
4 done, but the result could not be written.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from proxy.cli.screen import output
from proxy.cli.screen.output import OutputFailed
from proxy.cli.typed.arguments import plain_dashes, split_options
from proxy.cli.typed.cmdlets import UsageError, in_its_words, is_cmdlet, translate

OK: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNUSABLE: Final = 3
UNHEARD: Final = 4


def say(arguments: Sequence[str], dispatch: "Dispatch") -> int:
    """Do what a line says; prints its result or why not.

    ``dispatch`` gets the options that may stand anywhere and the rest, in our words.
    """
    output.forget()
    front, rest = split_options(plain_dashes(arguments))
    cmdlet = rest[0] if rest and is_cmdlet(rest[0]) else ""
    said = Complaints("--json" in front, cmdlet)
    code = OK
    try:
        try:
            code = dispatch(front, translate(rest), said)
        except OutputFailed:
            raise
        except UsageError as error:
            code = said.complain(str(error), USAGE)
        except KeyboardInterrupt:
            code = 130
        except Exception as error:
            code = _refusal(error, said)
        sys.stdout.flush()
    except OutputFailed as failure:
        output.give_up()
        return _unheard(failure, code, said)
    return code


def _unheard(failure: OutputFailed, code: int, said: "Complaints") -> int:
    """Say what became of a command whose result could not be written."""
    made = output.changes_made()
    if failure.is_broken_pipe and not made:
        return code  # the reader of our pipe has seen enough
    then = f"the change WAS made: {made}" if made else "nothing was changed"
    text = f"the result could not be written to standard output ({failure}); {then}"
    return said.complain(text, UNHEARD if made else code or REFUSED)


def run_app(
    root: Callable[..., Any], front: list[str], rest: list[str], said: "Complaints"
) -> int:
    """Run a tree of commands; ``root`` is called as Typer's objects are."""
    import typer

    # Typer's name for what Click calls so: not every version of it has Click.
    misunderstood: Any = typer.BadParameter.__base__
    try:
        left = root([*front, *rest], prog_name="waypost", standalone_mode=False)
    except SystemExit as exit_:
        left = exit_.code
    except typer.Abort:
        if sys.stdin.isatty() and sys.stderr.isatty():
            print(file=sys.stderr)  # the question has no end of line
        return said.complain("stopped: nothing was changed", REFUSED)
    except misunderstood as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            return USAGE
        from proxy.cli.typed import misuse

        return said.complain(misuse.sentence(error, said.cmdlet), USAGE)
    return left if isinstance(left, int) else OK


def _refusal(error: Exception, said: "Complaints") -> int:
    """Print an expected error and give its exit code; raise any other."""
    from proxy.admin.control import ControlError
    from proxy.config import ConfigError
    from proxy.store import StoreError

    match error:
        case ControlError():
            return said.complain(str(error), error.exit_code)
        case ConfigError():
            problems = [
                {
                    "source": problem.source,
                    "line": problem.line,
                    "key": problem.key,
                    "text": problem.text,
                }
                for problem in error.problems
            ]
            return said.complain(str(error), UNUSABLE, problems=problems)
        case StoreError():
            return said.complain(str(error), UNUSABLE)
    if type(error).__name__ == "EventLogError":  # of a module that is rarely loaded
        return said.complain(str(error), UNUSABLE)
    raise error


class Complaints:
    """Says why not, on standard error, so that output stays what was asked for."""

    def __init__(self, as_json: bool, cmdlet: str) -> None:
        self._as_json = as_json
        self.cmdlet = cmdlet

    def complain(self, text: str, code: int, **more: Any) -> int:
        """Print a sentence (or several); returns the exit code."""
        if self.cmdlet:
            text = in_its_words(text)
        if self._as_json:
            text = json.dumps({"error": text, "exit_code": code, **more})
            print(text, file=sys.stderr)
        else:
            from proxy.sip.display import visible

            lead = "" if "\n" in text else "waypost: "
            lines = [visible(lead + line) for line in text.split("\n")]
            if (width := _width()) > 0:
                from proxy.cli.screen.layout import folded

                lines = [each for line in lines for each in folded(line, width)]
            print("\n".join(lines), file=sys.stderr)
        return code


def _width() -> int:
    """The columns of the terminal that standard error is; 0 where it is none, and at
    another machine: scripts get a sentence in one line."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (AttributeError, OSError, ValueError):
        return 0


Dispatch = Callable[[list[str], list[str], Complaints], int]
