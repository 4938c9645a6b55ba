"""What `waypost pool show` says about a pool's DNS: plain values, no formatting.

Every record that was found or missed, every front end in the order a request would try
it, with ages in seconds instead of instants.  Pure.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from proxy.pools.answers import Answer, Record
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.pools.health import HealthBook
from proxy.pools.selection import order_for
from proxy.pools.srv import NaptrRecord, SrvRecord, flaw
from proxy.sip.flow import Transport


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One DNS record, or (``text`` empty) a question without any.

    ``ttl_left`` is negative once it has run out; ``stale_for`` is None while DNS
    answers.  ``problem`` is why the question failed, or why the record is no use.
    """

    name: str
    type: str
    text: str
    ttl_left: float
    age: float
    stale_for: float | None
    problem: str


@dataclass(frozen=True, slots=True)
class FrontEndRow:
    """One front end; ``position`` counts from 1 inside its transport.

    Front ends of one priority share ``position`` order by weight and chance: ``share``
    is the part of first choices among them (0–1).
    """

    position: int
    transport: str
    name: str
    host: str
    port: int
    priority: int
    weight: int
    share: float
    state: str
    state_for: float
    reason: str
    ejected_for: float


@dataclass(frozen=True, slots=True)
class PoolDescription:
    """A look-up as a whole; ``transports`` in the order they would be chosen."""

    host: str
    error: str
    reason: str
    transports: tuple[str, ...]
    age: float
    ttl_left: float
    stale_for: float | None
    records: tuple[RecordRow, ...]
    front_ends: tuple[FrontEndRow, ...]


def describe(
    lookup: Lookup,
    resolution: Resolution,
    answers: Iterable[Answer],
    now: float,
    *,
    health: HealthBook | None = None,
    preference: Sequence[Transport] = (),
) -> PoolDescription:
    """Turn a Resolution and the answers behind it into rows."""
    chosen = (*resolution.naptr_order, *preference, *resolution.groups)
    transports = tuple(t for t in dict.fromkeys(chosen) if t in resolution.groups)
    return PoolDescription(
        host=lookup.host,
        error=resolution.error or "",
        reason=resolution.reason,
        transports=transports,
        age=now - resolution.answered_at,
        ttl_left=resolution.expires - now,
        stale_for=_since(resolution.stale_since, now),
        records=tuple(row for answer in answers for row in _record_rows(answer, now)),
        front_ends=tuple(
            row
            for transport in transports
            for row in _front_end_rows(resolution, transport, health, now)
        ),
    )


def _record_rows(answer: Answer, now: float) -> list[RecordRow]:
    def row(text: str, problem: str) -> RecordRow:
        return RecordRow(
            answer.question.name,
            answer.question.type,
            text,
            answer.expires - now,
            now - answer.received_at,
            _since(answer.failing_since, now),
            problem,
        )

    if not answer.records:
        return [row("", answer.problem)]
    return [
        row(_text(record), answer.problem or _flaw(record))
        for record in sorted(answer.records, key=str)
    ]


def _flaw(record: Record) -> str:
    return flaw(record) if isinstance(record, SrvRecord) else ""


def _front_end_rows(
    resolution: Resolution,
    transport: Transport,
    health: HealthBook | None,
    now: float,
) -> list[FrontEndRow]:
    book = health or HealthBook()
    # A fixed seed: two looks at an unchanged pool show the same order.
    found = order_for(resolution, transport, random.Random(0), health, now)
    totals: dict[int, int] = {}
    for front_end in found:
        totals[front_end.priority] = (
            totals.get(front_end.priority, 0) + front_end.weight
        )
    return [
        _front_end_row(position, front_end, totals, found, book, now)
        for position, front_end in enumerate(found, 1)
    ]


def _front_end_row(
    position: int,
    front_end: FrontEnd,
    totals: dict[int, int],
    found: Sequence[FrontEnd],
    book: HealthBook,
    now: float,
) -> FrontEndRow:
    health = book.state_of(front_end, now)
    total = totals[front_end.priority]
    equals = sum(other.priority == front_end.priority for other in found)
    return FrontEndRow(
        position,
        front_end.transport,
        front_end.name,
        front_end.host,
        front_end.port,
        front_end.priority,
        front_end.weight,
        front_end.weight / total if total else 1 / equals,
        health.state,
        now - health.since if health.transitions else 0.0,
        health.reason,
        max(0.0, health.until - now) if health.state == "ejected" else 0.0,
    )


def _since(instant: float | None, now: float) -> float | None:
    return None if instant is None else now - instant


def _text(record: Record) -> str:
    match record:
        case SrvRecord():
            return f"{record.priority} {record.weight} {record.port} {record.target}"
        case NaptrRecord():
            return (
                f"{record.order} {record.preference} {record.flags} "
                f"{record.service} {record.replacement}"
            )
        case _:
            return record
