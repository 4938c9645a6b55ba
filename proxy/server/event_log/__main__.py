"""``python -m proxy.server.event_log FILE``: replay an event log, and look into it."""

import argparse
import pdb
import sys
from itertools import chain
from pathlib import Path
from typing import Any

from proxy.server.event_log.file import EventLogError, read_lines
from proxy.server.event_log.hash_seed import with_known_seed
from proxy.server.event_log.replay import Replay, Turn
from proxy.sip.flow import Flow

_SHOWN = 100
"""Characters of a line that shows one event or command."""


def main(arguments: list[str]) -> int:
    """0: the core does what it did then; 1: it does not; 3: that is no event log."""
    parser = argparse.ArgumentParser(
        prog="python -m proxy.server.event_log",
        description="Replay the FILE of `waypost serve --event-log FILE` into a fresh "
        "core. Says whether the core does the same in the same order.",
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--show", action="store_true", help="print every turn")
    parser.add_argument(
        "--stop-at",
        type=int,
        metavar="STEP",
        help="open pdb before this step; `replay.core` is the core",
    )
    options = parser.parse_args(arguments)
    try:
        return _replay(options.file, options.show, options.stop_at)
    except EventLogError as error:
        print(f"replay: {error}", file=sys.stderr)
        return 3


def _replay(path: Path, show: bool, stop_at: int | None) -> int:
    lines = read_lines(path)
    head = next(lines, {})
    if head.get("hash_seed") is not None:
        with_known_seed(head["hash_seed"])
    replay = Replay(chain([head], lines))
    debugger = pdb.Pdb()

    def before(step: int) -> None:
        if step == stop_at:
            print(f"before step {step}: {replay.core} is replay.core; `next` runs it")
            debugger.set_trace()

    count = 0
    for turn in replay.turns(before):
        count += 1
        if show or not turn.agrees:
            _print(turn)
        if not turn.agrees:
            _print_difference(turn)
            return 1
        if turn.recorded is None:
            print(f"step {turn.step} was not finished when the event log ended")
    print(f"{count} turns replayed: the same commands in the same order")
    return 0


def _print(turn: Turn) -> None:
    event = "time" if turn.event is None else type(turn.event).__name__
    data = getattr(turn.event, "data", b"").partition(b"\r\n")[0]
    words = [str(turn.step), f"{turn.at:.6f}", event, data.decode("utf-8", "replace")]
    flow: Flow | None = getattr(turn.event, "flow", None)
    if flow is not None:
        words.insert(3, repr(flow))
    print(" ".join(words).rstrip()[:_SHOWN])
    for command in turn.did:
        print(f"    {_words(command)}"[:_SHOWN])


def _words(command: dict[str, Any]) -> str:
    """A command in one line, a message by its first one."""
    parts = []
    for name, value in command.items():
        if isinstance(value, dict) and "b" in value:
            value = value["b"].partition("\r\n")[0]
        parts.append(str(value) if name == "o" else f"{name}={value}")
    return " ".join(parts)


def _print_difference(turn: Turn) -> None:
    recorded = turn.recorded or []
    print(f"step {turn.step} differs; recorded were {len(recorded)} commands:")
    for at in range(max(len(recorded), len(turn.did))):
        then = recorded[at] if at < len(recorded) else None
        now = turn.did[at] if at < len(turn.did) else None
        if then != now:
            print(f"  command {at + 1}\n    then: {then}\n    now:  {now}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
