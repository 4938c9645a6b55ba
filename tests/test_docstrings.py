"""What docstrings and comments of ``proxy/`` name in ``double backticks`` exists."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "proxy").rglob("*.py"))

FOREIGN = {"targetname", "IPv6reference"}
"""Words of protocols that no code of ours needs to spell."""

NAME = re.compile(r"[A-Za-z_]\w*")
NAMED = re.compile(r"``([^`]+)``")


def prose_and_words(text: str) -> tuple[list[tuple[int, str]], set[str]]:
    """Docstrings and comments with their lines; and the words of the code itself."""
    tree = ast.parse(text)
    prose: list[tuple[int, str]] = []
    strings: set[int] = set()
    words: set[str] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for each in body if isinstance(body, list) else []:
            value = getattr(each, "value", None)
            if isinstance(each, ast.Expr) and isinstance(value, ast.Constant):
                prose.append((each.lineno, str(value.value)))
                strings.add(id(value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in strings:
            value = node.value
            said = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            words.update(NAME.findall(said))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            words.add(token.string)
        elif token.type == tokenize.COMMENT:
            prose.append((token.start[0], token.string))
    return prose, words


def unknown(prose: list[tuple[int, str]], words: set[str]) -> Iterator[tuple[int, str]]:
    """Names that prose has and ``words`` has not, with their lines."""
    for first, text in prose:
        for found in NAMED.finditer(text):
            for name in NAME.findall(found[1]):
                is_code = "_" in name or NAME.fullmatch(found[1])
                if is_code and name not in words:
                    yield first + text.count("\n", 0, found.start()), name


def test_every_name_is_there() -> None:
    read = {path: prose_and_words(path.read_text()) for path in SOURCES}
    words = FOREIGN.union(*(each for _, each in read.values()))
    for path in SOURCES:
        words.update(path.relative_to(ROOT).with_suffix("").parts)
    for path in [*ROOT.glob("proxy/**/*.lua"), ROOT / "config/waypost.toml"]:
        words.update(NAME.findall(path.read_text()))
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: there is no {name}"
        for path, (prose, _) in read.items()
        for line, name in unknown(prose, words)
    ]
    assert not wrong


def test_a_name_that_is_gone_is_found() -> None:
    text = '"""Calls ``start`` and\n``gone_now``."""\n\ndef start():  # ``also gone``\n'
    prose, words = prose_and_words(f"{text}    pass\n")
    assert list(unknown(prose, words)) == [(2, "gone_now")]
