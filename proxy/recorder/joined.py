"""One answer made of the answers of several workers or nodes.

When a worker hands a message to another one, both have heard it: it is told once.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from proxy.recorder.book import INSIDE

HANDED_WITHIN: Final = 0.25
"""Seconds within which a message that was handed over is with the other worker."""

Answer = dict[str, Any]


def join_traces(answers: Sequence[Answer]) -> Answer:
    """Calls by Call-ID, the newest first; their messages in order of time."""
    calls: dict[str, Answer] = {}
    for place, answer in enumerate(answers):
        for call in answer["calls"]:
            for message in call["messages"]:
                message["worker"] = message.get("worker", place)
            known = calls.get(call["call_id"])
            if known is None:
                calls[call["call_id"]] = call
                continue
            known["messages"] += call["messages"]
            known["facts"] += call["facts"]
            known["names"] |= call["names"]
            known["why"] += [x for x in call["why"] if x not in known["why"]]
            known["from"] = known["from"] or call["from"]
    for call in calls.values():
        call["messages"] = _told_once(call["messages"])
        call["facts"].sort(key=lambda fact: fact["at"])
    return {
        "is_on": any(each["is_on"] for each in answers),
        "bodies": any(each["bodies"] for each in answers),
        "skipped": sum(each["skipped"] for each in answers),
        "calls": sorted(calls.values(), key=_last_at, reverse=True),
    }


def join_calls(answers: Sequence[Answer]) -> Answer:
    """Lines of several books, the newest first.

    What happened inside a dialog may stand in another worker's book than the request
    that began it.  The failures of such a line are moved into the line of that request.
    """
    lines = [line for answer in answers for line in answer["calls"]]
    whole = {x["call_id"]: x for x in lines if x["request_uri"] != INSIDE}
    found = []
    for line in lines:
        known = whole.get(line["call_id"])
        if known is not None and line["request_uri"] == INSIDE:
            known["failures"] += line["failures"]
            known["is_failed"] = True
        else:
            found.append(line)
    return {
        "is_on": any(each["is_on"] for each in answers),
        "calls": sorted(found, key=lambda line: line["at"], reverse=True),
    }


def _last_at(call: Answer) -> float:
    return max((each["at"] for each in call["messages"]), default=0.0)


def _told_once(messages: Iterable[Answer]) -> list[Answer]:
    """Messages by time; of one that was handed over, what the first worker heard."""
    found: list[Answer] = []
    heard: dict[tuple[str, str, str], Answer] = {}
    for message in sorted(messages, key=lambda each: each["at"]):
        if message["direction"] == "in":
            key = message["transport"], message["peer"], message["data"]
            known = heard.get(key)
            if (
                known is not None
                and known["worker"] != message["worker"]
                and message["at"] - known["at"] < HANDED_WITHIN
            ):
                continue
            heard[key] = message
        found.append(message)
    return found
