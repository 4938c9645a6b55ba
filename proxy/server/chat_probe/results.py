"""The results of chat probes by front end, for metrics and ``status``.

This module is pure: instants are seconds of a steady clock.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proxy.journey.steps import Step
from proxy.pools.front_end import FrontEnd
from proxy.sip.host import host_port

MISSED: Final = 3
"""Rounds without a new result after which an old one is no longer shown."""

Place = tuple[str, str]
"""A pool, and the front end in words: name, transport and address."""


@dataclass(frozen=True, slots=True)
class Result:
    """The newest journey to one front end.

    ``front_end`` is its name in words, and ``target`` the front end itself.

    ``step`` is the one that broke and ``reason`` why, both empty when it came to its
    end.  ``seconds`` are those of each step that arrived, in order.  ``at`` is when it
    ended; ``since`` when it became so, good or bad.
    """

    pool: str
    front_end: str
    alias: str
    step: str
    reason: str
    seconds: tuple[tuple[str, float], ...]
    at: float
    since: float
    target: FrontEnd

    @property
    def is_good(self) -> bool:
        """It came to its end."""
        return not self.step


def describe(front_end: FrontEnd) -> str:
    """``fe1.pcpool.contoso.test tcp:192.0.2.1:5060``."""
    place = f"{front_end.transport}:{host_port(front_end.host, front_end.port)}"
    return f"{front_end.name} {place}" if front_end.name else place


class ChatResults:
    """The newest result of every front end.

    ``every`` is how often there is a round, 0 when there is none; ``by`` is another
    process that makes them, in words.
    """

    def __init__(self) -> None:
        self.every = 0.0
        self.by = ""
        self.done = {"ok": 0, "failed": 0}
        self._found: dict[Place, Result] = {}

    def note(
        self,
        pool: str,
        target: FrontEnd,
        alias: str,
        steps: Sequence[Step],
        now: float,
    ) -> tuple[Result, bool]:
        """Take a journey that has ended; the result, and whether that is news."""
        front_end = describe(target)
        broken = next((x for x in steps if not x.ok), None)
        step, reason = (broken.name, broken.detail) if broken else ("", "")
        known = self._found.get((pool, front_end))
        is_news = known is None or (known.step, known.reason) != (step, reason)
        is_same = known is not None and known.is_good == (not step)
        seconds = tuple((x.name, x.ms / 1000) for x in steps if x.ok)
        since = known.since if known is not None and is_same else now
        found = Result(
            *(pool, front_end, alias, step, reason, seconds, now, since, target)
        )
        self._found[pool, front_end] = found
        self.done["failed" if step else "ok"] += 1
        return found, is_news

    def keep(self, places: Collection[Place]) -> None:
        """Forget all front ends but these."""
        self._found = {k: v for k, v in self._found.items() if k in places}

    def of(self, pool: str, now: float) -> list[Result]:
        """The results of a pool that are not out of date."""
        return [each for each in self.shown(now) if each.pool == pool]

    def shown(self, now: float) -> list[Result]:
        """All results that are not out of date (decision 115)."""
        oldest = now - MISSED * self.every
        found = self._found.values()
        return [each for each in found if self.every and each.at >= oldest]

    def to_json(self, now: float) -> dict[str, Any]:
        """For the page ``/status``; durations are seconds."""
        return {
            "every": self.every,
            "by": self.by,
            "front_ends": [_to_json(each, now) for each in self.shown(now)],
        }


def _to_json(result: Result, now: float) -> dict[str, Any]:
    return {
        "pool": result.pool,
        "front_end": result.front_end,
        "address": result.alias,
        "success": result.is_good,
        "step": result.step,
        "reason": result.reason,
        "seconds": {name: round(value, 4) for name, value in result.seconds},
        "ago": round(now - result.at, 1),
        "state_for": round(now - result.since, 1),
    }
