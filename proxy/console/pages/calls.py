"""Calls: the last ones, and the ladder of one.

Addresses do not divide who called whom, so a caller with a scope has no such page.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import Request
from starlette.responses import Response

from proxy.admin.control import ControlError
from proxy.admin.listener.client import AdminError
from proxy.admin.observed import calls as verbs
from proxy.admin.observed.asking import Told
from proxy.console.api.observed import one_call
from proxy.console.api.routing import TheDesk
from proxy.console.pages.routing import Pages
from proxy.console.pages.site import page
from proxy.recorder.ladder import Peer, Step, steps_of

pages = Pages()

SHOWN: Final = 200
LONGEST: Final = 200
"""Characters of a word to look for."""
RAW: Final = 60
"""Messages of a call that a page shows as they were; a capture has all of them."""
_LEFT: Final = 90
_GAP: Final = 200
_ROW: Final = 44
_HEAD: Final = 58
"""Pixels: left of the first lifeline, between lifelines, between steps, above them."""
_LABEL: Final = 25
"""Characters of a label between two lifelines."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One step as it is drawn, from ``x1`` to ``x2``; words of ours have no line."""

    step: Step
    y: int
    x1: int
    x2: int
    label: str

    @property
    def head(self) -> str:
        """The points of the arrow's head."""
        back = self.x2 - 8 if self.x2 > self.x1 else self.x2 + 8
        return f"{self.x2},{self.y} {back},{self.y - 4} {back},{self.y + 4}"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A ladder: lifelines at ``places`` (ours is the second), and what was said."""

    peers: list[Peer]
    places: list[int]
    rungs: list[Rung]
    width: int
    height: int


@pages.get("/calls", role="operator", is_whole=True)
async def calls_page(request: Request, desk: TheDesk) -> Response:
    """The last calls that fit what is asked for."""
    asked = {
        name: request.query_params.get(name, "").strip()[:LONGEST]
        for name in ("aor", "endpoint", "failed", "since", "until")
    }
    words = {k: v for k, v in asked.items() if v} | {"limit": str(SHOWN)}
    problem, lines, silent = "", [], list[Told]()
    try:
        for name in ("since", "until"):
            if asked[name]:
                words[name] = str(_instant(asked[name]))
        lines = await desk.in_thread(
            verbs.last_calls, desk.config, words, silent.extend
        )
    except (AdminError, ControlError) as error:
        problem = str(error)
    template = "calls/lines.html" if "hx-request" in request.headers else "calls.html"
    return page(
        request,
        template,
        asked=asked,
        calls=lines,
        problem=problem,
        silent=[each.node for each in silent],
        shown=SHOWN,
    )


def _instant(text: str) -> float:
    """What a field of date and time says, in the zone of this machine."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        text = f'"{text}" is no instant: write it as 2026-11-26T10:40'
        raise ControlError(text) from None


@pages.get("/calls/call", role="operator", is_whole=True)
async def call_page(request: Request, desk: TheDesk) -> Response:
    """One call: its ladder, and on demand what was said."""
    call_id = request.query_params.get("id", "")[:1024]
    call = await one_call(desk.config, desk, call_id)
    peers, steps = steps_of(call)
    return page(
        request,
        "calls/call.html",
        call=call,
        drawing=drawing_of(peers, steps),
        began=steps[0].at if steps else 0.0,
        raw=RAW,
    )


def drawing_of(peers: list[Peer], steps: list[Step]) -> Drawing:
    """Where everything of a ladder stands, in pixels; our line is the second."""
    count = max(2, len(peers) + 1)
    places = [_LEFT + _GAP * each for each in range(count)]
    # The first peer called, so it stands at the left of us.
    mine, others = places[1], [places[0], *places[2:]]
    rungs = []
    for number, step in enumerate(steps):
        y = _HEAD + _ROW * (number + 1)
        if step.peer < 0:
            rungs.append(Rung(step, y, mine, mine, step.label[: 2 * _LABEL]))
            continue
        ends = (others[step.peer], mine) if step.is_in else (mine, others[step.peer])
        rungs.append(Rung(step, y, *ends, step.label[:_LABEL]))
    width = places[-1] + _LEFT
    return Drawing(peers, places, rungs, width, _HEAD + _ROW * (len(steps) + 1))
