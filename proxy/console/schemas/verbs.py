"""The shape of every verb's ``--json``: one table, from which docs/json.md is written.

``VERSION`` counts changes that can break a script: a key that goes, or that means
something else.  A new key does not count.
"""

from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from proxy.console.schemas import people, registrations, seen, table, weekend
from proxy.console.schemas.common import Given

VERSION: Final = 1

VERBS: Final[dict[str, Any]] = {
    "binding list": list[registrations.BindingView],
    "binding remove": list[registrations.BindingView],
    "calls": list[seen.CallLine],
    "config check": list[weekend.CheckStep],
    "config show": dict[str, Any],
    "cutover apply": seen.Applied,
    "cutover confirm": seen.Settled,
    "cutover list": list[table.CutoverRow],
    "cutover plan": seen.Planned,
    "cutover rollback": seen.Settled,
    "cutover status": table.CutoverView | None,
    "doctor": weekend.DoctorView,
    "drain": weekend.Draining,
    "endpoint activate": seen.Changed,
    "endpoint get": list[table.EndpointView],
    "endpoint history": list[table.HistoryView],
    "endpoint import": table.ImportView,
    "endpoint list": list[table.EndpointView],
    "endpoint new": seen.Changed,
    "endpoint remove": seen.Changed,
    "endpoint retire": seen.Changed,
    "endpoint set": seen.Changed,
    "endpoint undo": seen.Changed,
    "explain": seen.Explained | seen.ExplainedTwice,
    "facts check": weekend.Judgement,
    "facts show": weekend.FactsView,
    "init": seen.Begun,
    "lab": seen.LabView | seen.MigrationView,
    "person list": list[people.AccessView],
    "person new": people.AccessView,
    "person remove": people.AccessView,
    "person set": people.AccessView,
    "pool drain": seen.Changed,
    "pool list": list[table.PoolView],
    "pool set": seen.Changed,
    "pool show": table.PoolSeen,
    "pool undrain": seen.Changed,
    "runbook": list[weekend.ItemView] | weekend.ReportView | dict[str, str],
    "status": weekend.StatusView | weekend.NodesView | seen.Phase,
    "store backup": seen.BackedUp,
    "store check": weekend.DoctorView,
    "store migrate": list[seen.Moved],
    "store restore": seen.RestoredView,
    "token list": list[people.AccessView],
    "token new": people.MadeToken,
    "token revoke": people.AccessView,
    "trace": list[seen.TracedCall] | seen.LiveTrace,
    "usage": list[table.UsageView] | list[table.UnknownView],
    "usage forget": seen.Forgotten,
    "user list": list[registrations.UserView],
    "user new": registrations.UserView,
    "user remove": registrations.UserView,
    "user set": registrations.UserView,
}
OTHERS: Final[dict[str, str]] = {
    "completion": "a script for a shell",
    "config default": "TOML",
    "console": "a service: its API is HTTPS",
    "endpoint export": "a file of its own: CSV, or JSON with `--format json`",
    "facts script": "PowerShell",
    "man": "roff",
    "powershell": "a module for PowerShell",
    "serve": "a service: its log is JSON",
}
"""What prints something else, whatever is asked."""


def adapter(verb: str) -> TypeAdapter[Any]:
    """Reads what a verb printed; raises pydantic's ValidationError."""
    return TypeAdapter(VERBS[verb])


def models() -> list[type[Given]]:
    """Every shape that has a name, in the order of the verbs."""
    found: dict[type[Given], None] = {seen.Refusal: None}
    for kind in VERBS.values():
        for each in _inside(kind):
            found[each] = None
    return list(found)


def _inside(kind: Any) -> list[type[Given]]:
    if isinstance(kind, type) and issubclass(kind, Given):
        return [kind]
    parts = getattr(kind, "__args__", ())
    return [each for part in parts for each in _inside(part)]


def name_of(kind: Any) -> str:
    """``list of EndpointView``, ``CutoverView or null``."""
    origin = getattr(kind, "__origin__", None)
    if origin is list:
        return f"list of {name_of(kind.__args__[0])}"
    if origin is dict:
        return "object"
    if isinstance(kind, type) and issubclass(kind, Given):
        return kind.__name__
    if kind is type(None):
        return "null"
    return " or ".join(map(name_of, kind.__args__))


def schema() -> dict[str, Any]:
    """One JSON Schema (2020-12) of all verbs: ``verbs`` names the shape of each."""
    _, defined = models_json_schema(
        [(model, "validation") for model in models()],
        ref_template="#/$defs/{model}",
    )
    verbs = {
        verb: adapter(verb).json_schema(ref_template="#/$defs/{model}")
        for verb in VERBS
    }
    for each in verbs.values():
        each.pop("$defs", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What waypost prints with --json",
        "version": VERSION,
        "verbs": verbs,
        "$defs": defined["$defs"],
    }
