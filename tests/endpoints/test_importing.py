"""An import against the table: each row has its verdict, and all or none is made."""

import pytest

from proxy.endpoints.address import Refused
from proxy.endpoints.changes import Rules
from proxy.endpoints.exchange import (
    ImportedRow,
)
from proxy.endpoints.importing import Import, decide_import, judge
from proxy.endpoints.model import Endpoint
from proxy.endpoints.table import EndpointTable


def rows(*addresses, pool=None):
    return [ImportedRow(f"line {n}", a, pool) for n, a in enumerate(addresses, 2)]


def test_an_import_creates_changes_and_leaves_alone():
    table = EndpointTable([Endpoint("sip:a@b.c", "a@b.c", "old.b.c")])
    order = Import(rows("a@b.c", "n@b.c", pool="new.b.c"), Rules())
    lines, changes = judge(order, table, 1.0)
    assert [line.verdict for line in lines] == ["change", "create"]
    assert {change.after.pool_fqdn for change in changes} == {"new.b.c"}


def test_the_default_pool_is_for_rows_without_one_whether_they_exist_or_not():
    table = EndpointTable(
        [Endpoint(f"sip:{x}@b.c", f"{x}@b.c", "old.b.c") for x in "am"]
    )
    mine = [*rows("a@b.c", "n@b.c"), *rows("m@b.c", pool="mine.b.c")]
    lines, changes = judge(Import(mine, Rules(), default_pool="new.b.c"), table, 1.0)
    assert [line.verdict for line in lines] == ["change", "create", "change"]
    pools = [change.after.pool_fqdn for change in changes]
    assert pools == ["new.b.c", "new.b.c", "mine.b.c"]
    lines, changes = judge(Import(rows("a@b.c"), Rules()), table, 1.0)
    assert [line.verdict for line in lines] == ["same"] and not changes


def test_bad_rows_stop_everything_and_are_all_named():
    bad = [*rows("", "x", "a@other.c", "a@b.c", "a@b.c", pool="p.b.c"), *rows("n@b.c")]
    order = Import(bad, Rules(frozenset({"b.c"})))
    with pytest.raises(Refused) as refusal:
        decide_import(order, 1.0, skip_refused=False)(EndpointTable())
    assert len(str(refusal.value).splitlines()) == 5 + 1
    (change,) = decide_import(order, 1.0, skip_refused=True)(EndpointTable())
    assert change.key == "a@b.c"


def test_who_is_registered_is_not_made_an_endpoint():
    order = Import(rows("a@b.c", pool="p.b.c"), Rules(), bound={"a@b.c"})
    (line,), changes = judge(order, EndpointTable(), 1.0)
    assert line.verdict == "refused" and not changes
