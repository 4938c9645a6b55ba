"""Cells of CSV that clients wrote: none becomes a formula."""

import pytest

from proxy.cli.screen.spreadsheet import plain_cell


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", ";", ",", "＝"])
def test_a_cell_that_begins_like_a_formula_gets_a_quote(sign: str) -> None:
    assert plain_cell(f"{sign}1+1") == f"'{sign}1+1"


def test_behind_a_separator_of_lists_a_formula_gets_one_too() -> None:
    assert plain_cell("a;=1") == "a;'=1"
    assert plain_cell("a, \"' =1") == "a,' \"' =1"


def test_ordinary_words_stay_as_they_are() -> None:
    for text in ("", "alice@contoso.test", "a-b", "1+1", "a;b", "x = 1"):
        assert plain_cell(text) == text
