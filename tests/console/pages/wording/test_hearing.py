"""Sentences of verbs and checks on a page in another language."""

import ast
import re
from pathlib import Path

import pytest

from proxy.console.pages.wording.hearing import LONGEST, SENTENCES, Told, told
from proxy.console.pages.words import languages

ENGLISH, ITALIAN = languages()["en"], languages()["it"]
PROXY = Path(__file__).parents[4] / "proxy"
PAGES = PROXY / "console" / "pages"
CATALOGUES = {"refusals.py", "findings.py", "borrowed.py"}


def test_a_sentence_keeps_its_names_in_another_language():
    english = (
        'there is no endpoint "a@b.test": "waypost endpoint get" lists those there'
    )
    assert told(ITALIAN, f"{english} are") == Told(
        'non c\'è un endpoint "a@b.test": "waypost endpoint get" elenca quelli che ci '
        "sono"
    )
    assert told(ENGLISH, f"{english} are") == Told(f"{english} are")


def test_what_is_not_known_stays_and_is_marked():
    assert told(ITALIAN, "something else") == Told("something else", "en")
    assert told(ITALIAN, "–") == Told("–")
    assert told(ITALIAN, "x" * (LONGEST + 1)).lang == "en"


def test_a_sentence_within_a_sentence_is_said_too():
    found = told(ITALIAN, "ticked off, but cutover 3 by anna")
    assert found == Told("spuntato, ma passaggio 3, di anna")


def test_what_a_stranger_wrote_is_no_place_of_ours():
    found = told(ITALIAN, "cutover %(who)s by %(number)s {0} %s")
    assert found == Told("passaggio %(who)s, di %(number)s {0} %s")


@pytest.mark.parametrize("text", ["% is served", "a: " * 600, '"' * 1900])
def test_no_sentence_takes_long_or_fails(text):
    assert told(ITALIAN, text).text


def said_by_the_program():
    """Every text of the program, what is put into it left out."""
    found = set()
    for path in PROXY.rglob("*.py"):
        if path.parent == PAGES / "wording" and path.name in CATALOGUES:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            if isinstance(node, ast.JoinedStr):
                parts = (x.value if hasattr(x, "kind") else "{}" for x in node.values)
                found.add("".join(parts))
    return found


def test_every_sentence_is_said_somewhere():
    known = said_by_the_program()
    plain = (re.sub(r"%\(\w+\)s", "{}", each) for each in SENTENCES)
    as_said = [x.replace("%%", "%") if "{}" in x else x for x in plain]
    assert [each for each in as_said if each not in known] == []


@pytest.mark.parametrize("text", SENTENCES)
def test_every_sentence_can_be_said_with_its_names(text):
    names = re.findall(r"%\((\w+)\)s", text)
    values = {name: f"<{name}>" for name in names}
    found = told(ITALIAN, text % values if names else text)
    assert found.lang == "" and all(each in found.text for each in values.values())
