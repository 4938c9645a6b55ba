"""A call as a ladder: who said what to whom, and where it broke.  Pure.

One lifeline for each peer, ours in its place, every message an arrow with its time and
transport; repeated messages are counted, not repeated.  Whatever is wider than the
screen loses the end of its label, never the arrow.  No name or address is cut: where
one has no room above its lifeline, all peers have numbers, and stand in a list.
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
SHORT: Final = 21
"""Columns of an address that has room in an arrow: any IPv4 address and its port."""
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
    marks = [peer.address for peer in peers]
    if _is_crowded(peers, columns, width):
        marks = [str(number) for number in range(1, len(peers) + 1)]
        for mark, peer in zip(marks, peers, strict=True):
            place = f"{peer.transport}:{peer.address}"
            about = f"{peer.name} {place}" if peer.name else place
            lines += [*wrapped(visible(about), f"[{mark}] ", " " * 4, width)]
        lines.append("")
        peers = [
            Peer(peer.transport, "", f"[{mark}]")
            for mark, peer in zip(marks, peers, strict=True)
        ]
    lines += _heads(peers, shown, columns, width)
    first = steps[0].at
    for step in steps:
        lines += _drawn(step, first, marks, columns, width)
    return lines


def _is_crowded(peers: Sequence[Peer], columns: Sequence[int], width: int) -> bool:
    """Whether a name or an address has no room above its lifeline, or in an arrow."""
    rooms = [*_rooms(columns, width)]
    for number, peer in enumerate(peers):
        if number + 1 < len(columns):
            room = rooms[number and number + 1]
            if max(len(visible(peer.name)), len(peer.address)) > room:
                return True
        elif len(peer.address) > SHORT:
            return True
    return False


def _title(call: Call, width: int) -> list[str]:
    lines = wrapped(visible(call["call_id"]), "Call-ID ", " " * 8, width)
    if call["from"]:
        lines += wrapped(visible(call["from"]), "From    ", " " * 8, width)
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
        _placed(row, columns, width) for row in (names, places, transports) if any(row)
    ]


def _placed(row: Sequence[str], columns: Sequence[int], width: int) -> str:
    line, rooms = "", _rooms(columns, width)
    for text, column, room in zip(row, columns, rooms, strict=False):
        line = line.ljust(column) + _cut(visible(text), room)
    return line.rstrip()


def _rooms(columns: Sequence[int], width: int) -> list[int]:
    """What has room above each lifeline."""
    gap = columns[1] - columns[0] - 1
    return [gap] * (len(columns) - 1) + [width - columns[-1]]


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(room - 1, 0)] + "…"


def _drawn(
    step: Step,
    first: float,
    marks: Sequence[str],
    columns: Sequence[int],
    width: int,
) -> list[str]:
    clock = f"{step.at - first:8.3f} "
    if step.peer < 0:
        return wrapped(visible(f"✗ {step.label}"), clock, " " * (TIME + 2), width)
    shown = len(columns) - 1
    label = step.label
    if step.peer >= shown:
        label = f"{label} [{marks[step.peer]}]"
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
