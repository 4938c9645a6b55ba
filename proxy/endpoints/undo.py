"""Undo of one change out of the history, which is itself a change.

It is refused when the row is no longer what that change made of it (decision 49): then
there is a newer decision, and only a person can say which of the two shall hold.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from proxy.endpoints.address import Refused
from proxy.endpoints.changes import Decide, RowChange
from proxy.endpoints.codec import Row
from proxy.endpoints.model import Cutover, Drain, Endpoint, Pool
from proxy.endpoints.table import EndpointTable

SHOWN: Final = 20
"""Rows that a refusal names."""


def undo_change(
    number: int, before: Row | None, after: Row | None, now: float
) -> Decide:
    """Make a row again what it was ``before`` change ``number`` made it ``after``."""
    row = after or before
    if row is None:
        raise Refused(
            f"change {number} is about a user or a binding, of which the history "
            "keeps no more than that it happened: it cannot be undone",
            "conflict",
        )
    if isinstance(row, Cutover):
        raise Refused(
            f"change {number} is about cutover {row.number}: undo that with "
            '"waypost cutover rollback"',
            "conflict",
        )
    key = row.fqdn if isinstance(row, Pool) else row.key

    def decide(table: EndpointTable) -> list[RowChange]:
        current = _current(table, row, key)
        if _same(current, before):
            return []
        if not _same(current, after):
            raise Refused(_changed_since(number, key, current), "conflict")
        again = before
        if isinstance(again, Endpoint):
            again = replace(again, changed_at=now)
        return [RowChange(current, again)]

    return decide


def undo_batch(
    number: int, rows: Sequence[tuple[int, Row | None, Row | None]], now: float
) -> Decide:
    """Take back every row of the change that row ``number`` was made in, all or none.

    ``rows`` are number, before and after.  Raises Refused with every row that was
    changed again since.
    """
    decisions = [undo_change(each, before, after, now) for each, before, after in rows]

    def decide(table: EndpointTable) -> list[RowChange]:
        found: list[RowChange] = []
        refusals: list[str] = []
        for each in decisions:
            try:
                found += each(table)
            except Refused as refusal:
                refusals.append(str(refusal))
        if refusals:
            more = len(refusals) - SHOWN
            raise Refused(
                "\n".join(
                    [
                        f"nothing of change {number} was taken back:",
                        *refusals[:SHOWN],
                        *([f"and {more} more"] if more > 0 else []),
                    ]
                ),
                "conflict",
            )
        return found

    return decide


def _current(table: EndpointTable, row: Row, key: str) -> Row | None:
    if isinstance(row, Endpoint):
        return table.endpoints.get(key)
    if isinstance(row, Drain):
        return table.drain(key)
    return table.pools.get(key)


def _same(left: Row | None, right: Row | None) -> bool:
    """Whether rows are equal but for their instants; a pool by DNS alone is no row."""
    return _plain(left) == _plain(right)


def _plain(row: Row | None) -> Row | None:
    match row:
        case Endpoint():
            return replace(row, changed_at=0.0, created_at=0.0)
        case Pool() if row == Pool(row.fqdn):
            return None
    return row


def _changed_since(number: int, key: str, current: Row | None) -> str:
    what = "removed" if current is None else "changed"
    return (
        f"{key} was {what} again after change {number}: look at "
        f'"waypost endpoint history {key}" and undo the newest change first'
    )
