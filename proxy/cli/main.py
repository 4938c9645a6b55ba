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

from collections.abc import Sequence

from proxy.cli.line import OK, Complaints, run_app, say
from proxy.cli.screen import output
from proxy.cli.typed.arguments import plain_dashes, split_options, take_elsewhere
from proxy.cli.typed.cmdlets import UsageError


def run() -> None:
    """The entry point of the package."""
    arguments = sys.argv[1:]
    if not _is_serve(*split_options(arguments)):
        output.install()
    sys.exit(main(arguments))


def main(arguments: Sequence[str]) -> int:
    """Do what a line says; prints its result or why not; never raises."""
    words = plain_dashes(arguments)
    elsewhere, wrong = None, None
    try:
        elsewhere, words = take_elsewhere(words)
    except UsageError as error:
        wrong = error

    def dispatch(front: list[str], rest: list[str], said: Complaints) -> int:
        if wrong is not None:
            raise wrong
        if elsewhere is None:
            return _dispatch(front, rest, said)
        from proxy.cli.hosting import server

        if server.is_here(rest):
            return _dispatch(front, rest, said)
        if any(option.startswith("--config") for option in front):
            raise UsageError(
                "--config is of this machine, --server of another: leave one out"
            )
        return server.send(elsewhere, words)

    return say(words, dispatch)


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


def _dispatch(front: list[str], rest: list[str], said: "Complaints") -> int:
    if _is_serve(front, rest):
        # The first process of a container ignores signals without a handler. A stop in
        # the first instants would be lost, and the container be killed later.
        signal.signal(signal.SIGTERM, _leave)
        from proxy.cli.serve import serve_command

        return serve_command(_config_of(front), _event_log_of(rest) or None)
    from proxy.cli.app import app

    return run_app(app, front, rest, said)


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
