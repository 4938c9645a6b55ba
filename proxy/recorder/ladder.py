"""A call as steps: who said what to whom, and where it broke.  Pure.

Retransmissions are counted, not shown again.  ``cli/screen/call_ladder`` draws the
steps, and the console's API returns them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from proxy.recorder.rules import refused_by
from proxy.sip.display import visible

_REASON: Final = re.compile(
    r"\r\n(?:ms-diagnostics|Warning|Reason)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE
)
_CSEQ: Final = re.compile(r"\r\nCSeq[ \t]*:[ \t]*(\d+)[ \t]+(\S+)", re.IGNORECASE)
_PAIR: Final = re.compile(r';[ \t]*([\w-]+)[ \t]*=[ \t]*"([^"]*)"')
_CLOSE: Final = 0.01
"""Seconds within which two steps count as simultaneous."""
_WENT_WELL: Final = re.compile(r"[123]\d\d\Z")


Call = dict[str, Any]
"""A call as ``/trace`` tells it."""


@dataclass(slots=True)
class Step:
    """One line of the ladder: an arrow, or (with ``peer`` -1) a remark of ours.

    Instants are seconds since the epoch; ``until`` is that of the last repetition.
    """

    at: float
    peer: int
    is_in: bool
    label: str
    transport: str
    times: int = 1
    reason: str = ""
    until: float = 0.0


@dataclass(slots=True)
class Peer:
    """Whoever said or heard something: one address over one transport."""

    transport: str
    address: str
    name: str


def steps_of(call: Call) -> tuple[list[Peer], list[Step]]:
    """Everybody in the order they appear, and every step in order of time."""
    peers: dict[tuple[str, str], Peer] = {}
    steps: list[Step] = []
    known: dict[tuple[object, ...], Step] = {}
    for message in call["messages"]:
        key = message["transport"], message["peer"]
        if key not in peers:
            host = message["peer"].rpartition(":")[0].strip("[]")
            name = call["names"].get(host, "") or ("client" if not peers else "")
            peers[key] = Peer(message["transport"], message["peer"], name)
        data = message["data"]
        is_in = message["direction"] == "in"
        # Retransmissions have the same bytes (RFC 3261 section 17), ours as well.
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
        elif is_in and data.startswith("SIP/2.0 481"):
            step.reason = _lost_dialog(data, peers[key])
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
            return refused_by(fact["rule"], fact["status"])
    return ""


def _lost_dialog(data: str, peer: Peer) -> str:
    """What a 481 inside a dialog means; empty for BYE and CANCEL.

    For these it only says that the other end had finished at the same time.
    """
    method = _CSEQ.search(data)
    if method is None or method[2] in ("BYE", "CANCEL"):
        return ""
    who = peer.name or peer.address
    return f"{who} does not know this dialog: it has ended it, or was started again"


def _is_passed_on(data: str, call: Call) -> bool:
    """Whether a peer gave this answer and we only forwarded it.

    Answers below 400 count as such: they need no reason from us.
    """
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
    call: Call, said: Sequence[Step], peers: Sequence[Peer]
) -> list[Step]:
    """A remark for each attempt that failed, at the instant it was given up."""
    steps = []
    for fact in call["facts"]:
        left = sum(each["seconds"] for each in fact["attempts"])
        at = fact["at"]
        for each in fact["attempts"]:
            # Attempts follow one another, so this one ended as long before ``at`` as
            # the later ones took.
            left -= each["seconds"]
            if not _WENT_WELL.match(each["outcome"]):
                took = span(each["seconds"])
                label = f"{each['front_end']}: {each['outcome']} after {took}"
                if len(fact["attempts"]) > 1 and each is not fact["attempts"][-1]:
                    label += ", the next one is tried"
                then = at - left
                for step in said:
                    # Our answer, or the request to the next one, followed from the
                    # failure: it stands below the remark.
                    is_next = step.label == fact["method"] and not step.is_in
                    is_answer = step.label[:3] == str(fact["status"])
                    if is_answer and not step.is_in and step.at >= then - _CLOSE:
                        then = min(then, step.at - 1e-6)
                        break
                    if (
                        is_next
                        and -_CLOSE < step.at - then < _CLOSE
                        and peers[step.peer].name != each["front_end"]
                    ):
                        then = step.at - 1e-6
                        break
                steps.append(Step(then, -1, False, label, ""))
    return steps


def span(seconds: float) -> str:
    """A duration for people."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
