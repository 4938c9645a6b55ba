"""docs/json.md and its schema are the shapes, and every verb has one."""

import json
from pathlib import Path

import jsonschema_rs
import pytest
from typer.main import get_command

from proxy.cli.app import app
from proxy.cli.hosting.roles import VERBS as WORDS
from proxy.cli.tree import command_tree
from proxy.console.schemas.page import MARK, tables
from proxy.console.schemas.verbs import OTHERS, VERBS, adapter, schema

DOCS = Path(__file__).parents[1] / "docs"


def test_every_verb_has_a_shape_or_says_what_it_prints():
    tree = command_tree(get_command(app))
    verbs = {" ".join(x.path[1:]) for x in tree.walk() if not x.children}
    verbs |= {" ".join(path) for path in WORDS}
    missing = sorted(verbs - VERBS.keys() - OTHERS.keys())
    assert not missing, "add to proxy/console/schemas/verbs.py, then `make json`"
    assert not sorted((VERBS.keys() | OTHERS.keys()) - verbs), "there is no such verb"


def test_the_page_and_the_schema_are_what_the_shapes_say():
    page = (DOCS / "json.md").read_text().partition(MARK)[2]
    assert page.strip() == tables().strip(), "make json"
    assert json.loads((DOCS / "json.schema.json").read_text()) == schema(), "make json"


def test_the_schema_is_one_and_names_what_it_uses():
    about = schema()
    jsonschema_rs.meta.validate(about)
    text = json.dumps(about)
    for name in set(text.split("#/$defs/")[1:]):
        assert name.partition('"')[0] in about["$defs"]


def test_an_instant_without_a_zone_is_none():
    line = {"name": "x", "until_at": "2026-11-28T10:00:00"}
    with pytest.raises(ValueError, match="timezone"):
        adapter("trace").validate_python(line)
    adapter("trace").validate_python({**line, "until_at": "2026-11-28T10:00:00+01:00"})
