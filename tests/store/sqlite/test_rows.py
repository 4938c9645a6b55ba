"""Many rows in few statements."""

import sqlite3

import pytest

from proxy.store.sqlite.rows import SIZES, known_keys, write_rows


@pytest.mark.parametrize("count", [0, 1, 2, 3, 31, 32, 33, 63, 64, 100])
def test_every_row_is_written_once_and_in_order(count):
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("CREATE TABLE t (a, b)")
    statements: list[str] = []
    db.set_trace_callback(statements.append)
    rows = [(n, b"%d" % n) for n in range(count)]
    write_rows(db, "INSERT INTO t (a, b)", rows)
    db.set_trace_callback(None)
    assert db.execute("SELECT a, b FROM t ORDER BY rowid").fetchall() == rows
    assert len(statements) <= count // SIZES[0] + len(SIZES)
    db.close()


def test_rows_that_are_there_already_are_treated_as_the_conflict_says():
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("CREATE TABLE t (a PRIMARY KEY, n)")
    more = "ON CONFLICT DO UPDATE SET n = n + excluded.n"
    for _ in range(2):
        write_rows(db, "INSERT INTO t (a, n)", [("x", 1), ("y", 2), ("x", 4)], more)
    assert db.execute("SELECT a, n FROM t ORDER BY a").fetchall() == [
        ("x", 10),
        ("y", 4),
    ]
    db.close()


def test_keys_are_found_by_the_index_in_few_statements():
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("CREATE TABLE t (a, b, c, PRIMARY KEY (a, b)) WITHOUT ROWID")
    write_rows(db, "INSERT INTO t", [("x", f"{n}", n) for n in range(1000)])
    statements: list[str] = []
    db.set_trace_callback(statements.append)
    keys = [("x", f"{n}") for n in range(0, 2000, 20)]
    assert known_keys(db, "t", ("a", "b"), keys) == set(keys[:50])
    db.set_trace_callback(None)
    assert len(statements) <= len(SIZES) + len(keys) // SIZES[0]
    (plan,) = [
        row[3]
        for row in db.execute("EXPLAIN QUERY PLAN " + statements[0])
        if " t " in f"{row[3]} "
    ]
    assert plan.startswith("SEARCH t USING PRIMARY KEY (a=? AND b=?)")
    db.close()
