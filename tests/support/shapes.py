"""What ``--json`` printed, judged by the shape that docs/json.md promises."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from proxy.cli.hosting.roles import path_of
from proxy.cli.typed.arguments import split_options
from proxy.cli.typed.cmdlets import translate
from proxy.console.schemas.seen import Refusal
from proxy.console.schemas.verbs import VERBS, adapter

OPEN = ("status", "pool show", "cutover status")
"""Answers of the running service, which may tell more than the page says."""
LINES = ("--watch", "--follow", "--pcap", "--csv")
"""Options with which something else is printed than one document."""


def verb_of(arguments: Sequence[str]) -> str:
    """``endpoint new``, however the line is written."""
    return " ".join(path_of(translate(split_options(arguments)[1])))


def judge(arguments: Sequence[str], out: str, err: str) -> None:
    """Raises AssertionError or ValidationError for what no script could rely on."""
    if "--json" not in arguments or any(x.startswith(LINES) for x in arguments):
        return
    verb = verb_of(arguments)
    if out.strip() and verb in VERBS:
        judge_document(verb, json.loads(out))
    if not out.strip() and err.startswith('{"error"'):
        Refusal.model_validate_json(err.splitlines()[0])


def judge_document(verb: str, document: Any) -> None:
    """One document of a verb: its shape, its instants, and nothing unnamed."""
    found = adapter(verb).validate_python(document)
    extra = [] if verb in OPEN else sorted(set(_unnamed(found)))
    assert not extra, (
        f"{verb} prints {', '.join(extra)}: name it in proxy/console/schemas, "
        "then `make json`"
    )
    bare = list(_bare_instants(document))
    assert not bare, f"{verb} prints instants as numbers: {bare}"


def _unnamed(value: Any) -> Iterator[str]:
    """Keys that no shape has."""
    if isinstance(value, list):
        for each in value:
            yield from _unnamed(each)
    elif isinstance(value, BaseModel):
        of = type(value).__name__
        yield from (f"{of}.{key}" for key in value.model_extra or ())
        for name in type(value).model_fields:
            yield from _unnamed(getattr(value, name))


def _bare_instants(value: Any, name: str = "") -> Iterator[str]:
    """Numbers that can only be seconds since the epoch."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _bare_instants(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _bare_instants(each, name)
    elif isinstance(value, float) and 1e9 < value < 4e9:
        yield name
