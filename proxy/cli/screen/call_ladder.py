"""A call as a ladder: who said what to whom, and where it broke.  Pure.

One lifeline for each peer, ours in its place, every message an arrow with its time and
transport; repeated messages are counted, not repeated.  Whatever is wider than the
screen loses the end of its label, never the arrow.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from proxy.cli.screen.layout import wrapped
from proxy.recorder.book import RULES
from proxy.sip.display import visible

TIME: Final = 9
"""Columns of the time at the left."""
LAST: Final = 17
"""Columns from the last lifeline on: its name must fit."""
NARROWEST: Final = 18
"""Columns from one lifeline to the next."""
_REASON: Final = re.compile(
    r"\r\n(?:ms-diagnostics|Warning|Reason)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE
)
_CSEQ: Final = re.compile(r"\r\nCSeq[ \t]*:[ \t]*(\d+)[ \t]+(\S+)", re.IGNORECASE)
_PAIR: Final = re.compile(r';[ \t]*([\w-]+)[ \t]*=[ \t]*"([^"]*)"')
_CLOSE: Final = 0.01
"""Seconds within which two notes are of one instant."""
_WENT_WELL: Final = re.compile(r"[123]\d\d\Z")

Call = dict[str, Any]


@dataclass(slots=True)
class Step:
    """One line of the ladder: an arrow, or (without a peer) words of ours."""

    at: float
    peer: int
    is_in: bool
    label: str
    transport: str
    times: int = 1
    reason: str = ""
    until: float = 0.0


@dataclass(slots=True)
class _Peer:
    """Somebody who said or heard something: one address over one transport."""

    transport: str
    address: str
    name: str


def ladder(call: Call, width: int) -> list[str]:
    """The lines of one call."""
    peers, steps = steps_of(call)
    lines = [*_title(call, width), ""]
    if not steps:
        return [*lines, "  nothing of it is kept any more"]
    shown = max(1, min(len(peers), (width - TIME - LAST) // NARROWEST))
    columns = _columns(shown, width)
    lines += _heads(peers, shown, columns, width)
    first = steps[0].at
    for step in steps:
        lines += _drawn(step, first, peers, columns, width)
    return lines


def steps_of(call: Call) -> tuple[list[_Peer], list[Step]]:
    """Everybody in the order they appear, and every step in order of time."""
    peers: dict[tuple[str, str], _Peer] = {}
    steps: list[Step] = []
    known: dict[tuple[object, ...], Step] = {}
    for message in call["messages"]:
        key = message["transport"], message["peer"]
        if key not in peers:
            host = message["peer"].rpartition(":")[0].strip("[]")
            name = call["names"].get(host, "") or ("client" if not peers else "")
            peers[key] = _Peer(message["transport"], message["peer"], name)
        data = message["data"]
        is_in = message["direction"] == "in"
        # A repeated message is the same to the last byte of its head; ours are too.
        same = (*key, is_in, data)
        repeated = known.get(same)
        if repeated is not None:
            repeated.times += 1
            repeated.until = message["at"]
            continue
        step = Step(
            message["at"],
            list(peers).index(key),
            is_in,
            label_of(data),
            message["transport"],
        )
        if not is_in and data.startswith("SIP/2.0 ") and not _is_passed_on(data, call):
            said = (_refused_by(call, data[8:11]), our_reason(data))
            step.reason = "; ".join(filter(None, said))
        known[same] = step
        steps.append(step)
    everybody = list(peers.values())
    steps += _broken_attempts(call, steps, everybody)
    steps.sort(key=lambda step: step.at)
    return everybody, steps


def label_of(data: str) -> str:
    """``INVITE``, ``180 Ringing``, ``200 OK (BYE)``."""
    start = data.partition("\r\n")[0]
    words = start.split(" ")
    if not start.startswith("SIP/"):
        return visible(words[0])
    match = _CSEQ.search(data)
    method = match[2] if match else "?"
    about = "" if method in ("INVITE", "?") else f" ({method})"
    return visible(" ".join(words[1:])) + about


def our_reason(data: str) -> str:
    """What an answer of our own says about why; empty when it says nothing."""
    match = _REASON.search(data)
    if match is None:
        return ""
    text = match[1]
    pairs = dict(_PAIR.findall(text))
    if "reason" not in pairs:
        return visible(text)
    detail = ", ".join(
        f"{name} {pairs[name]}"
        for name in ("pool", "frontend", "cause")
        if pairs.get(name) and pairs[name] != pairs["reason"]
    )
    return visible(pairs["reason"] + (f" ({detail})" if detail else ""))


def _refused_by(call: Call, status: str) -> str:
    """The rule that refused, in words."""
    for fact in call["facts"]:
        if str(fact["status"]) == status and not fact["attempts"]:
            rule = fact["rule"]
            return f"rule {rule}: {RULES[rule]}" if rule in RULES else ""
    return ""


def _is_passed_on(data: str, call: Call) -> bool:
    """Whether somebody else gave this answer, and we only brought it."""
    status, method = data[8:11], _CSEQ.search(data)
    if status < "400":
        return True
    for message in call["messages"]:
        other = message["data"]
        if message["direction"] == "in" and other.startswith(f"SIP/2.0 {status}"):
            found = _CSEQ.search(other)
            if found and method and found.groups() == method.groups():
                return True
    return False


def _broken_attempts(
    call: Call, said: Sequence[Step], peers: Sequence[_Peer]
) -> list[Step]:
    """An attempt that came to nothing says so at the instant it was given up."""
    steps = []
    for fact in call["facts"]:
        left = sum(each["seconds"] for each in fact["attempts"])
        at = fact["at"]
        for each in fact["attempts"]:
            left -= each["seconds"]
            if not _WENT_WELL.match(each["outcome"]):
                took = _span(each["seconds"])
                label = f"{each['front_end']}: {each['outcome']} after {took}"
                if len(fact["attempts"]) > 1 and each is not fact["attempts"][-1]:
                    label += ", the next one is tried"
                then = at - left
                for step in said:
                    # What it made us say to somebody else stands below it.
                    is_next = step.label == fact["method"] and not step.is_in
                    if (
                        is_next
                        and -_CLOSE < step.at - then < _CLOSE
                        and peers[step.peer].name != each["front_end"]
                    ):
                        then = step.at - 1e-6
                        break
                steps.append(Step(then, -1, False, label, ""))
    return steps


# -- drawing -------------------------------------------------------------------------


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
        said += _span(fact["seconds"]) + (f" ({', '.join(where)})" if where else "")
        lines += wrapped(said, "Request ", "        ", width)
    if call["messages"]:
        then = datetime.fromtimestamp(call["messages"][0]["at"]).astimezone()
        lines.append(f"Begun   {then.strftime('%Y-%m-%d %H:%M:%S.%f')[:-3]} "
                     f"{then.strftime('%z')}")  # fmt: skip
    if call["why"]:
        lines.append(f"Kept    {', '.join(call['why'])}")
    return [visible(line) for line in lines]


def _columns(shown: int, width: int) -> list[int]:
    """Where the lifelines stand: ours second, so that callers are at the left."""
    gap = min((width - TIME - LAST) // shown, 34)
    return [TIME + place * gap for place in range(shown + 1)]


def _heads(
    peers: Sequence[_Peer], shown: int, columns: Sequence[int], width: int
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
    peers: Sequence[_Peer],
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
    span = columns[right] - columns[left] - 1
    if step.times > 1 and len(label) < span - 12:
        label += f" in {_span(step.until - step.at)}"
    text = _cut(f" {label} ", span - 3)
    arrow = "─" * (span - len(text) - 1)
    head = len(arrow) // 2
    body = arrow[:head] + text + arrow[head:]
    drawn = f"{body}>" if points_right else f"<{body}"
    line[columns[left] + 1 : columns[right]] = list(drawn)
    lines = ["".join(line).rstrip()]
    if step.reason:
        lines += wrapped(f"✗ {step.reason}", " " * TIME, " " * (TIME + 2), width)
    return lines


def _span(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
