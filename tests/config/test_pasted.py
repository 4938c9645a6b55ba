"""Configurations with what editors and documents put into them."""

import codecs

import pytest

from proxy.config import ConfigError, load_config
from proxy.config.keys import read_keys
from tests.support.configuration import SMALL


def load(tmp_path, data):
    path = tmp_path / "waypost.toml"
    path.write_bytes(data)
    return load_config(path, {})


def complaint(tmp_path, data):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, data)
    (problem,) = caught.value.problems
    return problem.line, problem.text


def test_a_byte_order_mark_is_nothing(tmp_path):
    assert load(tmp_path, codecs.BOM_UTF8 + SMALL.encode()).domains == {"contoso.test"}
    marked = codecs.BOM_UTF8 + SMALL.encode() + b"[stor]\n"
    assert complaint(tmp_path, marked)[0] == 7


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_is_named(tmp_path, encoding):
    mark = b"" if encoding == "utf-16" else codecs.BOM_UTF16_BE
    _, text = complaint(tmp_path, mark + SMALL.encode(encoding))
    assert "is UTF-16" in text and "save the file as UTF-8" in text


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("level\u00a0= 'info'", "no-break or wide space (U+00A0)"),
        ("level =\u202f'info'", "no-break or wide space (U+202F)"),
        ("level = \u201cinfo\u201d", "typographic quote \u201c (U+201C)"),
        ("level = \u2018info\u2019", "typographic quote \u2018 (U+2018)"),
        ("\ufefflevel = 'info'", "byte order mark (U+FEFF)"),
        ("\u200blevel = 'info'", "an invisible character (U+200B)"),
        ("[atta\u2013ck]", "typographic dash \u2013 (U+2013)"),
        ("level = 'info\u00a0'", "no-break or wide space (U+00A0)"),
        ("level = 'info'  # \u2013 hello\nformat = \u201djson\u201d", "quote"),
    ],
)
def test_a_character_that_was_pasted_is_named_with_its_line(tmp_path, line, name):
    where, text = complaint(tmp_path, f"{SMALL}[log]\n{line}\n".encode())
    assert where == 8 + line.count("\n")
    assert name in text


def test_such_characters_in_texts_and_comments_are_not_blamed(tmp_path):
    line = "level = 'a \u2013 b' x # \u201cq\u201d"
    _, text = complaint(tmp_path, f"{SMALL}[log]\n{line}\n".encode())
    assert "typographic" not in text
    load(tmp_path, f"# \u201cours\u201d \u2013\u00a0ours\n{SMALL}".encode())


def test_a_key_file_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "route.key"
    path.write_bytes(codecs.BOM_UTF8 + b"ab" * 32 + b"\r\n")
    assert read_keys(path) == (b"\xab" * 32,)
