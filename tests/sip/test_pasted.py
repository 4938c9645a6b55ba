"""Characters that word processors put into what people paste."""

import tomllib

import pytest

from proxy.sip.pasted import (
    first_pasted,
    pasted_note,
    plain_punctuation,
    toml_mistake,
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\u2013\u2013force", "a typographic dash \u2013 (U+2013)"),
        ("\u201cx\u201d", "a typographic quote \u201c (U+201C)"),
        ("it\u2019s", "a typographic quote \u2019 (U+2019)"),
        ("a\u00a0b", "a no-break or wide space (U+00A0)"),
        ("\ufeffx", "a byte order mark (U+FEFF)"),
        ("a\u200bb", "an invisible character (U+200B)"),
    ],
)
def test_each_is_named_with_what_to_do(text: str, says: str) -> None:
    note = pasted_note(text)
    assert note.startswith(f"it holds {says}: ") and note.isprintable()


def test_ordinary_text_in_any_language_is_not_blamed() -> None:
    for text in ("plain - 'text'", "Büro", "日本"):
        assert (first_pasted(text), pasted_note(text)) == ("", "")


def test_the_first_of_several_is_named() -> None:
    assert first_pasted("a\u2013b\u201c") == "\u2013"


def test_dashes_quotes_and_spaces_become_ordinary_ones_and_marks_go() -> None:
    pasted = "\ufeffset\u00a0\u2014x \u201ca\u201d \u2018b\u2019 ü"
    assert plain_punctuation(pasted) == "set -x \"a\" 'b' ü"
    assert plain_punctuation("plain") == "plain"


def mistake(text: str, hide=str) -> tuple[int, str]:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return toml_mistake(text, error, hide)
    raise AssertionError("it is TOML")


def test_a_mistake_shows_its_line_and_what_to_write() -> None:
    line, sentence = mistake("a = 1\nb = c d\n")
    assert line == 2 and "`b = c d`" in sentence and 'key = "text"' in sentence


def test_a_pasted_quote_is_blamed_but_not_one_that_is_meant() -> None:
    line, sentence = mistake("a = 1\nb = \u201cx\u201d\n")
    assert line == 2 and sentence.startswith("not TOML: it holds a typographic quote")
    assert "typographic" not in mistake('a = "it\u2019s" x\n')[1]


def test_the_end_of_a_document_is_its_last_line() -> None:
    assert mistake('a = 1\nb = """x')[0] == 2


def test_secrets_are_hidden_and_a_terminal_obeys_nothing() -> None:
    _, sentence = mistake("b = c \x1b[31m d", lambda line: line.replace("c", "***"))
    assert "***" in sentence and "\x1b" not in sentence
    assert len(mistake("b = " + "x y " * 500)[1]) < 400
