"""Every language has every text, and templates say nothing beside the catalogues."""

import re
import tomllib
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from jinja2 import Environment, nodes

from proxy.admin.runbook.weekend import STEPS
from proxy.console.pages.wording import borrowed
from proxy.console.pages.words import choose, languages
from proxy.store.access import ROLES

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "proxy/console/pages"
TEMPLATES = sorted((PAGES / "templates").rglob("*.html"))
CATALOGUES = sorted((PAGES / "catalogues").glob("*.po"))
PLACES = re.compile(r"%\((\w+)\)s")
NAMES = {"Waypost", "pool-host"}
"""What is called the same in every language."""


def messages():
    """Every text of the pages, as `make words` finds them."""
    babel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["babel"]
    methods = [(each["pattern"], each["method"]) for each in babel["mappings"]]
    options = {
        each["pattern"]: {
            k: v for k, v in each.items() if k not in ("pattern", "method")
        }
        for each in babel["mappings"]
    }
    keywords = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None}
    return {
        found[2]
        for found in extract_from_dir(
            PAGES, methods, options, keywords, strip_comment_tags=True
        )
        if found[2]
    }


def texts(string):
    return (string,) if isinstance(string, str) else tuple(string)


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_a_language_is_complete(path):
    wanted = {texts(each) for each in messages()}
    with path.open("rb") as file:
        catalogue = read_po(file, locale=path.stem)
    known = {texts(each.id): each for each in catalogue if each.id}
    assert sorted(wanted - known.keys()) == [], "make words, then translate them"
    assert sorted(known.keys() - wanted) == [], "no page says this any more"
    for key, each in known.items():
        assert not each.fuzzy, key
        for text in texts(each.string):
            assert text.strip(), f"not translated: {key}"
            assert set(PLACES.findall(text)) <= set(PLACES.findall(" ".join(key)))
            if len(key) == 1:
                assert set(PLACES.findall(text)) == set(PLACES.findall(key[0])), key
                assert text.endswith(".") == key[0].endswith("."), key


def test_the_walk_over_the_pages_finds_their_texts():
    found = messages()
    assert "Sign in" in found and "The store does not answer" in found
    assert any(isinstance(each, tuple) for each in found)


class Said(HTMLParser):
    """Texts and attributes that people read."""

    SHOWN = (
        *("aria-label", "title", "placeholder", "alt"),
        *("data-live", "data-lost", "data-gone", "data-over", "hx-confirm"),
    )

    def __init__(self):
        super().__init__()
        self.found = []
        self.quoted = 0

    def handle_starttag(self, tag, attrs):
        self.quoted += tag in ("code", "pre")
        self.found += [value for name, value in attrs if name in self.SHOWN and value]

    def handle_endtag(self, tag):
        self.quoted -= tag in ("code", "pre")

    def handle_data(self, data):
        if not self.quoted:
            self.found.append(data)


def beside_the_catalogues(source):
    """What a template says in no language: its own words, and texts in expressions."""
    tree = Environment(extensions=["jinja2.ext.i18n"]).parse(source)
    reader = Said()
    translated = {
        id(const)
        for call in tree.find_all(nodes.Call)
        for const in call.find_all(nodes.Const)
    }
    for output in tree.find_all(nodes.Output):
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                reader.feed(node.data)
            elif isinstance(node, nodes.Const) and id(node) not in translated:
                reader.found.append(str(node.value))
    return [
        each.strip()
        for each in reader.found
        if re.search(r"[^\W\d_]{2}", each)
        and "@contoso.com" not in each  # an example of an address
        and each.strip(" \n–") not in NAMES
    ]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_says_nothing_beside_the_catalogues(path):
    assert beside_the_catalogues(path.read_text()) == []


def test_a_word_beside_the_catalogues_is_found():
    bad = '<p>Hello</p><img alt="a picture">{{ "there" }}{% trans %}well{% endtrans %}'
    assert beside_the_catalogues(bad) == ["Hello", "a picture", "there"]
    assert beside_the_catalogues('<p class="quiet">{{ _("well") }}: 3</p>') == []


def test_borrowed_words_are_those_of_the_rest():
    assert {*ROLES, "person", "token"} == set(borrowed.ACCESS)
    assert tuple(each.title for each in STEPS) == borrowed.STEPS


def test_a_language_is_chosen_by_cookie_then_by_the_browser():
    known = languages()
    assert list(known) == ["en", "it"]
    assert known["it"].name == "Italiano"
    assert choose(known, "it", "en").code == "it"
    assert choose(known, "xx", "de-DE, it-IT;q=0.8, en;q=0.3").code == "it"
    assert choose(known, "", "de, fr;q=x, *;q=0.1").code == "en"
    assert known["it"].say("Cutover %(number)s", number=3) == "Passaggio 3"


def test_every_catalogue_is_in_the_package():
    folder = files("proxy.console.pages") / "catalogues"
    assert {each.name for each in folder.iterdir()} >= {x.name for x in CATALOGUES}
