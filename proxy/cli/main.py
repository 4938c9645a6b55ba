"""The ``waypost`` command: from the line typed to an exit code.

0 done, 1 refused or failed, 2 not understood, 3 store or configuration unusable,
4 done, but the result could not be written.
"""

import signal
import sys

if "serve" in sys.argv[1:]:
    # Before anything else is imported: a reload that comes while there is nothing to
    # reload yet would end the process, which is what SIGHUP does by default.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

import json
from collections.abc import Sequence
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


def run() -> None:
    """The entry point of the package."""
    arguments = sys.argv[1:]
    if not _is_serve(*split_options(arguments)):
        output.install()
    sys.exit(main(arguments))


def main(arguments: Sequence[str]) -> int:
    """Do what a line says; prints its result or why not; never raises."""
    output.forget()
    front, rest = split_options(plain_dashes(arguments))
    cmdlet = rest[0] if rest and is_cmdlet(rest[0]) else ""
    said = _Complaints("--json" in front, cmdlet)
    code = OK
    try:
        try:
            code = _dispatch(front, translate(rest), said)
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


def _unheard(failure: OutputFailed, code: int, said: "_Complaints") -> int:
    """Say what became of a command whose result could not be written."""
    made = output.changes_made()
    if failure.is_broken_pipe and not made:
        return code  # the reader of our pipe has seen enough
    then = f"the change WAS made: {made}" if made else "nothing was changed"
    text = f"the result could not be written to standard output ({failure}); {then}"
    return said.complain(text, UNHEARD if made else code or REFUSED)


def _is_serve(front: list[str], rest: list[str]) -> bool:
    is_serve = rest[:1] == ["serve"] and _event_log_of(rest) is not None
    return is_serve and _is_plain(front)


def _event_log_of(rest: list[str]) -> str | None:
    """The file of ``serve --event-log FILE``; "" for none, None for anything else."""
    match rest[1:]:
        case []:
            return ""
        case ["--event-log", file] if file:
            return file
        case [option] if option.startswith("--event-log="):
            return option.partition("=")[2] or None
    return None


def _dispatch(front: list[str], rest: list[str], said: "_Complaints") -> int:
    if _is_serve(front, rest):
        # The first process of a container ignores signals without a handler. A stop in
        # the first instants would be lost, and the container be killed later.
        signal.signal(signal.SIGTERM, _leave)
        from proxy.cli.serve import serve_command

        return serve_command(_config_of(front), _event_log_of(rest) or None)
    import typer

    from proxy.cli.app import app

    # Typer's name for what Click calls so: not every version of it has Click.
    misunderstood: Any = typer.BadParameter.__base__
    try:
        left = app([*front, *rest], prog_name="waypost", standalone_mode=False)
    except SystemExit as exit_:
        left = exit_.code
    except typer.Abort:
        return said.complain("stopped: nothing was changed", REFUSED)
    except misunderstood as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            return USAGE
        from proxy.cli.typed import misuse

        return said.complain(misuse.sentence(error, said.cmdlet), USAGE)
    return left if isinstance(left, int) else OK


def _leave(number: int, frame: object) -> None:
    """SIGTERM before the service has its own handler: nothing is open yet."""
    raise SystemExit(OK)


def _is_plain(front: list[str]) -> bool:
    return front[-1:] != ["--config"]


def _config_of(front: list[str]) -> str | None:
    """The last ``--config``, in either spelling."""
    found = None
    for at, option in enumerate(front):
        if option.startswith("--config="):
            found = option.partition("=")[2]
        elif option == "--config" and at + 1 < len(front):
            found = front[at + 1]
    return found


def _refusal(error: Exception, said: "_Complaints") -> int:
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


class _Complaints:
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
            lines = map(visible, text.split("\n"))
            print(lead + "\n".join(lines), file=sys.stderr)
        return code
