"""Joins the explanations of all workers into one.

All workers route alike.  They differ in the failures of a front end that do not yet
eject it, because each worker counts its own, and in the probes, because one worker
sends them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from proxy.admin.listener.http import Reply

_ORDER: Final = ("healthy", "suspect", "ejected")
_HEALTH: Final = ("state", "state_for", "reason", "ejected_for")


def joined(answers: Sequence[dict[str, Any]]) -> Reply:
    """The explanation of the first worker, with the worst state of each front end that
    any worker knows."""
    if not answers:
        return Reply.text(503, "no worker answers: see the log")
    first, *others = answers
    if "problem" in first:
        return Reply.text(400, first["problem"])
    known: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for each in others:
        for row in _candidates(each):
            known.setdefault(_key(row), []).append(row)
    for row in _candidates(first):
        row["workers"] = {row["state"]: 1}
        for other in known.get(_key(row), ()):
            count = row["workers"]
            count[other["state"]] = count.get(other["state"], 0) + 1
            if row["next_probe_in"] is None:
                row["next_probe_in"] = other["next_probe_in"]
            if _ORDER.index(other["state"]) > _ORDER.index(row["state"]):
                row.update({name: other[name] for name in _HEALTH})
    return Reply.json(first)


def _candidates(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for way in answer.get("ways", ()):
        yield from way["candidates"]


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["transport"], row["host"], row["port"]
