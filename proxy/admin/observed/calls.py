"""The last calls, and traces of calls: what the flight recorder tells."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.admin.control import ControlError, Operator
from proxy.admin.observed.asking import Silent, Told, Words, ask_each
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


def ignore(silent: Sequence[Told]) -> None:
    """For those who ask only one, or look again soon."""


Line = dict[str, Any]
Call = dict[str, Any]


def last_calls(config: Config, words: Words, silent: Silent = ignore) -> list[Line]:
    """The lines that fit, the newest first; raises AdminError, ControlError."""
    lines = _joined(ask_each(config, "/calls", words), NO_CALLS, silent)
    lines.sort(key=lambda line: -float(line["at"]))
    return lines[: int(words.get("limit", "50"))]


def traces(config: Config, words: Words, silent: Silent = ignore) -> list[Call]:
    """The calls that are kept and fit, the newest first; raises as above."""
    check_filter(words)
    calls = _joined(ask_each(config, "/trace", words), NO_RECORDER, silent)
    calls.sort(key=lambda call: -_last_at(call))
    return calls[: int(words.get("limit", MOST_CALLS))]


def _joined(told: Sequence[Told], off: str, silent: Silent) -> list[dict[str, Any]]:
    """What all nodes say; each line has its node where there are several."""
    answers = [each for each in told if not each.problem]
    if not any(each.value["is_on"] for each in answers):
        raise ControlError(off)
    silent([each for each in told if each.problem])
    return [
        {**line, "node": each.node} if each.node else line
        for each in answers
        for line in each.value["calls"]
    ]


def _last_at(call: Call) -> float:
    return float(call["messages"][-1]["at"]) if call["messages"] else 0.0


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
    told = ask_each(config, "/trace/live", words, "POST")
    answers = [each.value for each in told if not each.problem]
    if not any(each["is_on"] for each in answers):
        raise ControlError(NO_RECORDER)
    for each in answers:
        if each["problem"]:
            raise ControlError(each["problem"])
    return name


def end_live(config: Config, name: str) -> None:
    """Record no more for this name; what was kept is kept."""
    ask_each(config, "/trace/live", {"name": name}, "POST")


@dataclass(slots=True)
class Followed:
    """A recording that somebody reads as it grows: every message once."""

    config: Config
    name: str
    bodies: bool = False
    _told: dict[tuple[str, int, int], None] = field(default_factory=dict)
    _last: float = 0.0

    def fresh(self) -> list[tuple[Mapping[str, Any], Call]]:
        """What was said since the last look, with its call; raises AdminError."""
        words = {"live": self.name, "limit": str(MOST_CALLS)}
        words["after"] = str(max(0.0, self._last - _OVERLAP))
        if self.bodies:
            words["bodies"] = "1"
        found = []
        told = ask_each(self.config, "/trace", words)
        for call in _joined(told, NO_RECORDER, ignore):
            node = call.get("node", "")
            for message in call["messages"]:
                key = node, message.get("worker", 0), message["serial"]
                if key not in self._told:
                    self._told[key] = None
                    found.append((message, call))
        found.sort(key=lambda each: float(each[0]["at"]))
        if found:
            self._last = max(self._last, found[-1][0]["at"])
        return found
