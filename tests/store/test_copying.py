"""Rows by their keys: every section says how many columns the key has."""

import pytest

from proxy.store.copying import SECTIONS, keyed


@pytest.mark.parametrize("section", SECTIONS)
def test_rows_come_apart_behind_their_key(section: str) -> None:
    size = SECTIONS[section]
    one, other = tuple(range(size + 2)), (*range(1, size + 1), "x")
    assert keyed(section, [one, other]) == {
        one[:size]: one[size:],
        other[:size]: ("x",),
    }


def test_of_two_rows_of_one_key_the_last_counts() -> None:
    assert keyed("pools", [("p", 1), ("p", 2)]) == {("p",): (2,)}
