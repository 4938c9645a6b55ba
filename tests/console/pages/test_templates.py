"""What every template keeps to, whatever it is about."""

import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[3] / "proxy/console/pages"
TEMPLATES = sorted((PAGES / "templates").rglob("*.html"))
TAG = re.compile(r"<(?:button|form|a)\b(?:[^>{]|\{\{.*?\}\}|\{%.*?%\})*>", re.DOTALL)
named = pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)


def asks(source):
    """The elements that ask before they do something."""
    return [each for each in TAG.findall(source) if "hx-confirm=" in each]


@named
def test_what_asks_has_a_name(path):
    """Its part of the page may be shown anew while the question is open."""
    for each in asks(path.read_text()):
        assert re.search(r'\sid="[^"]+"', each), each


def test_there_are_elements_that_ask():
    found = [tag for path in TEMPLATES for tag in asks(path.read_text())]
    assert len(found) >= 5


@named
def test_nothing_is_in_line_and_nothing_is_unescaped(path):
    source = path.read_text()
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|<script(?![^>]*\bsrc=)", source)
    if path.name != "macros.html":
        assert "|safe" not in source
    assert source.count("|safe") <= 1
    assert "autoescape" not in source
