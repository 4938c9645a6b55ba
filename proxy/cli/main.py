"""The ``waypost`` command: from the line typed to an exit code.

0 done, 1 refused or failed, 2 not understood, 3 store or configuration unusable.
"""

import json
import signal
import sys
from collections.abc import Sequence
from typing import Any, Final

from proxy.cli.arguments import split_options
from proxy.cli.cmdlets import UsageError, translate

OK: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNUSABLE: Final = 3


def run() -> None:
    """The entry point of the package."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Do what a line says; prints its result or why not; never raises."""
    front, rest = split_options(arguments)
    as_json = "--json" in front
    try:
        return _dispatch(front, translate(rest))
    except UsageError as error:
        return _complain(str(error), USAGE, as_json)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our pipe has seen enough.
        sys.stderr.close()
        return OK
    except Exception as error:
        return _refusal(error, as_json)


def _dispatch(front: list[str], rest: list[str]) -> int:
    if rest == ["serve"] and _is_plain(front):
        # The first process of a container ignores signals that nobody handles, so a
        # stop in the first instants would be lost and the container be killed later.
        signal.signal(signal.SIGTERM, _leave)
        from proxy.cli.serve import serve_command

        return serve_command(_config_of(front))
    from proxy.cli.app import app

    try:
        app([*front, *rest], prog_name="waypost")
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else OK
    return OK


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


def _refusal(error: Exception, as_json: bool) -> int:
    """Print an expected error and give its exit code; raise any other."""
    from proxy.admin.control import ControlError
    from proxy.config import ConfigError
    from proxy.store import StoreError

    match error:
        case ControlError():
            return _complain(str(error), error.exit_code, as_json)
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
            return _complain(str(error), UNUSABLE, as_json, problems=problems)
        case StoreError():
            return _complain(str(error), UNUSABLE, as_json)
    raise error


def _complain(text: str, code: int, as_json: bool, **more: Any) -> int:
    """Say why not, on standard error, so that output stays what was asked for."""
    if as_json:
        text = json.dumps({"error": text, "exit_code": code, **more})
        print(text, file=sys.stderr)
    else:
        from proxy.sip.grammar import visible

        lead = "" if "\n" in text else "waypost: "
        lines = map(visible, text.split("\n"))
        print(lead + "\n".join(lines), file=sys.stderr)
    return code
