"""Lists on screens of any width: nothing is broken, nothing is lost."""

import pytest

from proxy.cli.screen.layout import cell_width, lay_out, wrapped

COLUMNS = ("SIP address", "Pool", "Display name", "Last", "State")
ROWS = [
    ("sip:ocschat@contoso.test", "pcpool.contoso.test", "", "-", "active"),
    (
        *("sip:persistentchat-helpdesk@contoso.test", "pcpool2.europe.contoso.test"),
        *("Group chat of the help desk", "2026-11-26 07:00:51 +0100", "retired"),
    ),
]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 132, 250])
def test_every_cell_is_there_in_one_piece_or_in_whole_words(width):
    text = "\n".join(lay_out(COLUMNS, ROWS, width))
    for row in ROWS:
        for cell in row:
            for word in cell.split():
                assert word in text
    assert all(address in text for address, *_ in ROWS)


@pytest.mark.parametrize("width", [60, 80, 100, 132])
def test_lines_fit(width):
    assert all(cell_width(line) <= width for line in lay_out(COLUMNS, ROWS, width))


def test_columns_that_fit_stand_side_by_side_and_the_rest_below_with_names():
    lines = lay_out(COLUMNS, ROWS, 80)
    assert lines[0].split() == ["SIP", "address", "Pool"]
    assert lines[3] == "    State: active"
    assert lines[5:] == [
        f"    Display name: {ROWS[1][2]}  Last: {ROWS[1][3]}",
        "    State: retired",
    ]


def test_columns_that_are_empty_everywhere_are_left_out():
    lines = lay_out(COLUMNS, ROWS[:1], 80)
    assert lines == [
        "SIP address               Pool                 State",
        "------------------------  -------------------  ------",
        "sip:ocschat@contoso.test  pcpool.contoso.test  active",
    ]


def test_wide_letters_take_two_columns():
    assert cell_width("聊天") == 4
    assert cell_width("e\u0301") == 1
    first, _, second = lay_out(("A", "B"), [("聊天", "x")], 80)
    assert cell_width(first.partition("B")[0]) == cell_width(second.partition("x")[0])


def test_a_text_is_broken_at_blanks_only():
    lines = wrapped("sip:a-b@contoso.test sip:c-d@contoso.test", "A : ", "    ", 30)
    assert lines == ["A : sip:a-b@contoso.test", "    sip:c-d@contoso.test"]
