"""A change is taken back only while the row is what that change made of it."""

from dataclasses import replace

import pytest

from proxy.endpoints.address import Refused
from proxy.endpoints.changes import RowChange
from proxy.endpoints.model import Cutover, Drain, Endpoint, Pool
from proxy.endpoints.table import EndpointTable
from proxy.endpoints.undo import SHOWN, undo_batch, undo_change

BEFORE = Endpoint("sip:a@b.test", "a@b.test", "old.test", changed_at=1.0)
AFTER = replace(BEFORE, pool_fqdn="new.test", changed_at=2.0)


def refused(*arguments, table: EndpointTable | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        undo_change(*arguments, 9.0)(table or EndpointTable())
    return caught.value


def test_the_row_is_again_what_it_was_but_for_the_instant() -> None:
    (change,) = undo_change(7, BEFORE, AFTER, 9.0)(EndpointTable([AFTER]))
    assert change == RowChange(AFTER, replace(BEFORE, changed_at=9.0))


def test_a_creation_is_removed_and_a_removal_comes_back() -> None:
    (change,) = undo_change(7, None, AFTER, 9.0)(EndpointTable([AFTER]))
    assert change == RowChange(AFTER, None)
    (change,) = undo_change(7, BEFORE, None, 9.0)(EndpointTable())
    assert change == RowChange(None, replace(BEFORE, changed_at=9.0))


def test_what_is_so_already_changes_nothing() -> None:
    touched = replace(BEFORE, changed_at=5.0)  # its instant alone is another
    assert undo_change(7, BEFORE, AFTER, 9.0)(EndpointTable([touched])) == []


def test_a_row_that_was_changed_or_removed_since_is_refused_with_what_to_do() -> None:
    later = replace(AFTER, display_name="Chat")
    refusal = refused(7, BEFORE, AFTER, table=EndpointTable([later]))
    assert refusal.kind == "conflict"
    assert "a@b.test was changed again after change 7" in str(refusal)
    assert "was removed again" in str(refused(7, BEFORE, AFTER))


def test_pools_and_drains_are_taken_back_too() -> None:
    pool, drain = Pool("p.test", "tls"), Drain("fe1.test")
    (change,) = undo_change(1, None, pool, 9.0)(EndpointTable(pools=[pool]))
    assert change == RowChange(pool, None)
    (change,) = undo_change(2, None, drain, 9.0)(EndpointTable(drains=[drain]))
    assert change == RowChange(drain, None)
    # A pool that only DNS describes is as good as no row.
    table = EndpointTable([replace(BEFORE, pool_fqdn="p.test")])
    (change,) = undo_change(1, pool, None, 9.0)(table)
    assert change.after == pool


def test_a_cutover_and_what_the_history_keeps_no_row_of_cannot_be_undone() -> None:
    cutover = Cutover(3, "applied", "plan", 1.0, "me")
    for row, says in ((cutover, "waypost cutover rollback"), (None, "a user")):
        with pytest.raises(Refused, match=says):
            undo_change(7, None, row, 9.0)


def test_a_batch_is_taken_back_as_a_whole_or_not_at_all() -> None:
    rows = [
        replace(BEFORE, sip_address=f"sip:u{n}@b.test", key=f"u{n}@b.test")
        for n in range(SHOWN + 5)
    ]
    audit = [(n, None, row) for n, row in enumerate(rows)]
    decide = undo_batch(1, audit, 9.0)
    assert len(decide(EndpointTable(rows))) == len(rows)
    with pytest.raises(Refused) as caught:
        decide(
            EndpointTable([rows[0], *(replace(x, display_name="x") for x in rows[1:])])
        )
    lines = str(caught.value).split("\n")
    assert lines[0] == "nothing of change 1 was taken back:"
    assert len(lines) == SHOWN + 2 and lines[-1] == "and 4 more"
