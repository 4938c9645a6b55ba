"""The last calls, and traces of calls: what the flight recorder tells."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.admin.control import ControlError, Operator
from proxy.admin.observed.asking import Words, ask
from proxy.config import Config
from proxy.recorder.live import Filter, FilterError

MOST_LINES: Final = 10_000
MOST_CALLS: Final = 100
LONGEST_LIVE: Final = 86_400.0
"""What the service gives at most, whatever is asked for."""
NO_CALLS: Final = (
    "the service keeps no list of calls: write megabytes = 16 and calls = 10000 in "
    "[recorder] and start it again"
)
NO_RECORDER: Final = (
    "the recorder is off: write megabytes = 16 in [recorder] and start the service "
    "again"
)
_OVERLAP: Final = 3.0
"""Seconds that are asked for again: a worker may be late with a message."""

Line = dict[str, Any]
Call = dict[str, Any]


def last_calls(config: Config, words: Words) -> list[Line]:
    """The lines that fit, the newest first; raises AdminError, ControlError."""
    found = ask(config, "/calls", words)
    if not found["is_on"]:
        raise ControlError(NO_CALLS)
    lines: list[Line] = found["calls"]
    limit = int(words.get("limit", "50"))
    return lines[:limit]


def traces(config: Config, words: Words) -> list[Call]:
    """The calls that are kept and fit, the newest first; raises as above."""
    check_filter(words)
    found = ask(config, "/trace", words)
    if not found["is_on"]:
        raise ControlError(NO_RECORDER)
    calls: list[Call] = found["calls"]
    return calls


def check_filter(words: Words) -> None:
    """Refuse what fits nothing because it cannot be read; raises ControlError."""
    try:
        Filter(words)
    except FilterError as error:
        raise ControlError(f"--source {error}") from None


async def note_bodies(operator: Operator, config: Config, what: str) -> None:
    """Whoever reads what people wrote stands in the audit, before anything is shown."""
    if not config.recorder.bodies:
        raise ControlError(
            "bodies are not kept: write bodies = true in [recorder] and start the "
            "service again; it counts from then on"
        )
    await operator.store.note_look(
        operator.actor, "trace.bodies", what[:200], operator.clock()
    )


def begin_live(config: Config, wanted: Words, seconds: float) -> str:
    """Record all that fits from now on; the name of this recording."""
    name = secrets.token_hex(8)
    words = {**wanted, "name": name, "for": str(seconds)}
    answer = ask(config, "/trace/live", words, "POST")
    if not answer["is_on"]:
        raise ControlError(NO_RECORDER)
    if answer["problem"]:
        raise ControlError(answer["problem"])
    return name


def end_live(config: Config, name: str) -> None:
    """Record no more for this name; what was kept is kept."""
    ask(config, "/trace/live", {"name": name}, "POST")


@dataclass(slots=True)
class Followed:
    """A recording that somebody reads as it grows: every message once."""

    config: Config
    name: str
    bodies: bool = False
    _told: dict[tuple[int, int], None] = field(default_factory=dict)
    _last: float = 0.0

    def fresh(self) -> list[tuple[Mapping[str, Any], Call]]:
        """What was said since the last look, with its call; raises AdminError."""
        words = {"live": self.name, "limit": str(MOST_CALLS)}
        words["after"] = str(max(0.0, self._last - _OVERLAP))
        if self.bodies:
            words["bodies"] = "1"
        found = []
        for call in ask(self.config, "/trace", words)["calls"]:
            for message in call["messages"]:
                key = message.get("worker", 0), message["serial"]
                if key not in self._told:
                    self._told[key] = None
                    found.append((message, call))
        found.sort(key=lambda each: float(each[0]["at"]))
        if found:
            self._last = max(self._last, found[-1][0]["at"])
        return found
