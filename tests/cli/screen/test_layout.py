"""Lists on screens of any width: nothing is broken, nothing is lost."""

import ast
import importlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cli.screen.layout import cell_width, folded, lay_out, wrapped

PROXY = Path(__file__).parents[3] / "proxy"
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


def tables():
    """The heads of all tables that commands print, out of the sources."""
    for path in sorted((PROXY / "cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and "print_table" in ast.unparse(node.func):
                yield path.name, heads(path, node.args[0])


def heads(path, node):
    """Written out, or a name of the module or of one that it imports."""
    if not isinstance(node, ast.Name):
        try:
            return ast.literal_eval(node)
        except ValueError:
            return ("What", "Now", "With a plan")  # one of them is a name
    if node.id == "columns":  # of the function itself, and literal
        tree = ast.parse(path.read_text())
        (wanted,) = (
            each.value
            for each in ast.walk(tree)
            if isinstance(each, ast.Assign)
            and ast.unparse(each.targets[0]) == "columns"
        )
        return ast.literal_eval(wanted)
    name = ".".join(path.relative_to(PROXY.parent).with_suffix("").parts)
    return getattr(importlib.import_module(name), node.id)


LONG = "sip:persistentchat-helpdesk-with-a-long-name@emea.corp.contoso.test"
PLACE = "tls:[2001:0db8:1111:2222:3333:4444:5555:6666]:65535"
LONGER = (
    "fe1." + ".".join(["persistent-chat-pool-of-the-help-desk"] * 3) + ".contoso.test"
)
HOSTILE = (
    LONG,
    PLACE,
    LONGER,
    "a sentence of many words that says why a front end was left alone since then",
    "",
    "2026-11-26 07:00:51 +0100",
    "wordwithoutanyblank" * 3,
    "x",
)


def test_tables_are_found():
    found = list(tables())
    assert len(found) > 18 and all(len(columns) > 1 for _, columns in found)


@pytest.mark.parametrize("turn", range(len(HOSTILE)))
def test_every_table_fits_80_columns_whatever_is_in_it(turn):
    for name, columns in tables():
        rows = [
            [HOSTILE[(at + turn + row) % len(HOSTILE)] for at in range(len(columns))]
            for row in range(4)
        ]
        lines = lay_out(columns, rows, 80)
        for line in lines:
            # Only what is longer than a line alone is wider, and alone on it.
            assert cell_width(line) <= 80 or line.split() == [LONGER], (name, line)
        text = "\n".join(lines)
        for row in rows:
            for cell in row:
                assert all(word in text for word in cell.split())
        for at, column in enumerate(columns):
            assert column in text or not any(row[at] for row in rows)


def test_words_wrap_in_their_column_and_addresses_stay_whole():
    why = "connection refused twice since the morning"
    lines = lay_out(("Front end", "Because", "State"), [("fe1.a.test", why, "out")], 40)
    assert lines == [
        "Front end   Because                State",
        "----------  ---------------------  -----",
        "fe1.a.test  connection refused     out",
        "            twice since the",
        "            morning",
    ]


@given(
    cells=st.lists(
        st.lists(st.text("ab c", max_size=50), min_size=3, max_size=3), max_size=4
    ),
    width=st.integers(30, 120),
)
def test_no_word_is_lost_or_broken(cells, width):
    lines = lay_out(("A", "B", "C"), cells, width)
    found = " ".join(lines).split()
    for row in cells:
        for word in " ".join(row).split():
            assert word in found


def test_a_sentence_is_folded_and_the_command_in_it_stays_whole():
    text = (
        'there is no change 900: "waypost endpoint history ocschat@contoso.test" lists '
        "them"
    )
    assert folded(text, 60) == [
        "there is no change 900:",
        '"waypost endpoint history ocschat@contoso.test" lists them',
    ]
    assert folded(text, 30)[1] == '"waypost endpoint history ocschat@contoso.test"'
    assert folded(text, 200) == [text] and folded("", 20) == [""]


def test_an_instant_is_not_broken() -> None:
    rows = [("1", "2026-11-26 21:14:53 +0000", "applied", "root (cli on vm) " * 3)]
    for width in (30, 50, 60, 80):
        lines = lay_out(("No.", "Applied", "State", "By"), rows, width)
        assert any("2026-11-26 21:14:53 +0000" in line for line in lines), lines
