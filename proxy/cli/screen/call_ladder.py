"""A call as a ladder: who said what to whom, and where it broke.  Pure.

One lifeline for each peer, ours in its place, every message an arrow with its time and
transport; repeated messages are counted, not repeated.  Whatever is wider than the
screen loses the end of its label, never the arrow.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from proxy.cli.screen.layout import wrapped
from proxy.recorder.ladder import Call, Peer, Step, span, steps_of
from proxy.sip.display import visible

TIME: Final = 9
"""Columns of the time at the left."""
LAST: Final = 17
"""Columns from the last lifeline on: its name must fit."""
NARROWEST: Final = 18
"""Columns from one lifeline to the next."""
WIDEST: Final = 80
"""Where the second of two lifelines stands at most."""


def ladder(call: Call, width: int) -> list[str]:
    """The lines of one call."""
    peers, steps = steps_of(call)
    lines = [*_title(call, width), ""]
    if not steps:
        return [*lines, "  nothing of it is kept any more"]
    shown = max(1, min(len(peers), (width - TIME - LAST) // NARROWEST))
    columns = _columns(shown, width, is_alone=len(peers) > shown == 1)
    lines += _heads(peers, shown, columns, width)
    first = steps[0].at
    for step in steps:
        lines += _drawn(step, first, peers, columns, width)
    return lines


def _title(call: Call, width: int) -> list[str]:
    lines = [f"Call-ID {call['call_id']}"]
    if call["from"]:
        lines.append(f"From    {call['from']}")
    for fact in call["facts"]:
        where = [
            f"{name} {fact[name]}"
            for name in ("rule", "endpoint", "pool")
            if fact[name]
        ]
        said = f"{fact['method']} {fact['request_uri']}: {fact['status']} after "
        said += span(fact["seconds"]) + (f" ({', '.join(where)})" if where else "")
        lines += wrapped(said, "Request ", "        ", width)
    if call["messages"]:
        then = datetime.fromtimestamp(call["messages"][0]["at"]).astimezone()
        lines.append(f"Begun   {then.strftime('%Y-%m-%d %H:%M:%S.%f')[:-3]} "
                     f"{then.strftime('%z')}")  # fmt: skip
    if call["why"]:
        lines.append(f"Kept    {', '.join(call['why'])}")
    return [visible(line) for line in lines]


def _columns(shown: int, width: int, *, is_alone: bool = False) -> list[int]:
    """Where the lifelines stand: ours second, so that callers are at the left.

    Where one lifeline stands for all peers, its arrows carry their addresses: they
    need the room, and our name behind the last lifeline needs little.
    """
    if is_alone:
        return [TIME, max(TIME + NARROWEST, min(width - len("waypost"), WIDEST))]
    gap = min((width - TIME - LAST) // shown, 34)
    return [TIME + place * gap for place in range(shown + 1)]


def _heads(
    peers: Sequence[Peer], shown: int, columns: Sequence[int], width: int
) -> list[str]:
    gap = columns[1] - columns[0]
    names, places, transports = ["", "waypost"], ["", ""], ["", ""]
    for number, peer in enumerate(peers[:shown]):
        more = len(peers) - shown if number == shown - 1 else 0
        texts = (
            peer.name or peer.address,
            peer.address if peer.name else "",
            peer.transport + (f" and {more} more" if more > 0 else ""),
        )
        for row, text in zip((names, places, transports), texts, strict=True):
            if number == 0:
                row[0] = text
            else:
                row.append(text)
    return [
        _placed(row, columns, gap, width) for row in (names, places, transports)
    ]  # fmt: skip


def _placed(row: Sequence[str], columns: Sequence[int], gap: int, width: int) -> str:
    line = ""
    for place, (text, column) in enumerate(zip(row, columns, strict=False)):
        room = gap - 1 if place + 1 < len(columns) else width - column
        line = line.ljust(column) + _cut(visible(text), room)
    return line.rstrip()


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(room - 1, 0)] + "…"


def _drawn(
    step: Step,
    first: float,
    peers: Sequence[Peer],
    columns: Sequence[int],
    width: int,
) -> list[str]:
    clock = f"{step.at - first:8.3f} "
    if step.peer < 0:
        return wrapped(visible(f"✗ {step.label}"), clock, " " * (TIME + 2), width)
    shown = len(columns) - 1
    label = step.label
    if step.peer >= shown:
        label = f"{label} [{peers[step.peer].address}]"
    if step.times > 1:
        label += f" ×{step.times}"
    place = min(step.peer, shown - 1)
    left, right = (0, 1) if place == 0 else (1, place + 1)
    # The caller stands left of us, all others right of us.
    points_right = step.is_in == (place == 0)
    line = list(clock.ljust(columns[-1] + 1))
    for column in columns:
        line[column] = "│"
    room = columns[right] - columns[left] - 1
    if step.times > 1 and len(label) < room - 12:
        label += f" in {span(step.until - step.at)}"
    text = _cut(f" {label} ", room - 3)
    arrow = "─" * (room - len(text) - 1)
    head = len(arrow) // 2
    body = arrow[:head] + text + arrow[head:]
    drawn = f"{body}>" if points_right else f"<{body}"
    line[columns[left] + 1 : columns[right]] = list(drawn)
    lines = ["".join(line).rstrip()]
    if step.reason:
        lines += wrapped(f"✗ {step.reason}", " " * TIME, " " * (TIME + 2), width)
    return lines
