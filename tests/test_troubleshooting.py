"""docs/troubleshooting.md is complete: what the sources can show stands there."""

import ast
import fnmatch
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from proxy.config import Config
from proxy.config.section import Section, keys_of
from proxy.pools.front_end import ResolutionError
from proxy.pools.health import HealthState
from proxy.server.state import Phase
from tests.support.sources import nodes_of

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/troubleshooting.md").read_text()
EVENT = re.compile(r"[a-z][a-z-]*\.(?:[a-z][a-z_]*|\*)\Z")
NAMED = set(re.findall(r"`([a-z][a-z-]*\.[a-z_]+)`", PAGE))
LABEL = re.compile(r"[A-Z][a-z]+(?: [a-z]+){0,3}\Z")
SAYING = {
    *("debug", "info", "warning", "error", "critical", "exception", "log"),
    *("note", "report"),
}
"""Methods whose first argument, or an argument near it, is an event's name."""
PACKAGES = ("server", "net", "core", "telemetry", "pools", "admin")
HEADINGS = {"Pool", "Front end", "Address", "State", "Because"}


def parsed(*packages: str) -> Iterator[tuple[ast.AST, ...]]:
    for package in packages:
        for path in sorted((ROOT / "proxy" / package).rglob("*.py")):
            yield nodes_of(path)


def texts(node: ast.AST) -> Iterator[str]:
    """Texts in an expression; what an f-string puts in is a ``*``."""
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value
        elif isinstance(each, ast.JoinedStr):
            parts = (
                x.value if isinstance(x, ast.Constant) else "*" for x in each.values
            )
            yield "".join(map(str, parts))


def is_key(name: str) -> bool:
    """Whether it is a key of the configuration, written with its section."""
    section, _, key = name.partition(".")
    field = keys_of(Config).get(section)
    kind = field.type if field else None
    kind = next(iter(get_args(kind)), kind)  # [[pool]] is a list of sections
    return isinstance(kind, type) and issubclass(kind, Section) and key in keys_of(kind)


@cache
def events() -> set[str]:
    """What a log call says, and what modules that log hold as a name of an event."""
    found: set[str] = set()
    for nodes in parsed(*PACKAGES):
        logs = any(
            isinstance(node, ast.Import) and node.names[0].name == "structlog"
            for node in nodes
        )
        for node in nodes:
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in SAYING:
                    for argument in node.args[:2]:
                        found |= set(texts(argument))
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "event":
                        found |= set(texts(value))
            elif isinstance(node, ast.Constant) and isinstance(node.value, bytes):
                found |= set(re.findall(r'"event": "([^"]+)"', node.value.decode()))
            elif logs and isinstance(node, ast.Assign | ast.AnnAssign):
                found |= set(texts(node.value)) if node.value else set()
    return {text for text in found if EVENT.match(text) and not is_key(text)}


def alerts() -> set[str]:
    rules = (ROOT / "config/prometheus/alerts.yml").read_text()
    return set(re.findall(r"^\s*- alert: (\w+)$", rules, re.MULTILINE))


def status_labels() -> set[str]:
    """The names of the lines of ``waypost status``."""
    tree = ast.parse((ROOT / "proxy/cli/commands/service.py").read_text())
    found = {
        text
        for node in ast.walk(tree)
        if isinstance(node, ast.Tuple | ast.List)
        for each in node.elts
        if isinstance(each, ast.Constant) and isinstance(text := each.value, str)
    }
    return {text for text in found if LABEL.match(text)} - HEADINGS


def tasks() -> set[str]:
    """Background tasks that are kept for ever."""
    found = set()
    for nodes in parsed("server"):
        for node in nodes:
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name == "keep" and len(node.args) > 1:
                found |= {
                    each.value
                    for each in node.args[1:2]
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                }
    return found


def test_the_collection_sees_what_is_known_to_be_there() -> None:
    """Else the other tests would compare nothing."""
    known = {"service.failed", "request.finished", "dns.recovered", "message.failed"}
    assert known | {"bindings.failed", "dns.stale"} <= events()
    assert len(events()) > 50
    assert "WaypostDown" in alerts()
    assert {"Phase", "Store", "Away since", "Workers", "Down"} <= status_labels()
    assert {"follow-store", "save-usage", "watch-cutover"} <= tasks()


@pytest.mark.parametrize("event", sorted(events()))
def test_every_event_of_the_log_is_explained(event: str) -> None:
    assert fnmatch.filter(NAMED, event), "write it into docs/troubleshooting.md"


@pytest.mark.parametrize("alert", sorted(alerts()))
def test_every_alert_is_explained(alert: str) -> None:
    assert f"| `{alert}` |" in PAGE, "write it into docs/troubleshooting.md"


@pytest.mark.parametrize("label", sorted(status_labels()))
def test_every_line_of_status_is_explained(label: str) -> None:
    assert f"| **{label}** |" in PAGE, "write it into docs/troubleshooting.md"


@pytest.mark.parametrize(
    "state", [*get_args(Phase), *get_args(HealthState), *get_args(ResolutionError)]
)
def test_every_state_is_explained(state: str) -> None:
    assert f"`{state}`" in PAGE, "write it into docs/troubleshooting.md"


@pytest.mark.parametrize("task", sorted(tasks()))
def test_every_background_task_is_named(task: str) -> None:
    assert f"`{task}`" in PAGE, "write it into docs/troubleshooting.md"


def test_nothing_is_explained_that_is_not_there() -> None:
    """An event or an alert that was renamed leaves the page."""
    known = events()
    assert [x for x in NAMED if not any(fnmatch.fnmatch(x, e) for e in known)] == []
    assert set(re.findall(r"`(Waypost[A-Z]\w+)`", PAGE)) == alerts()
    labels = set(re.findall(r"^\| \*\*(.+?)\*\* \|", PAGE, re.MULTILINE))
    assert labels == status_labels()


def test_every_row_says_what_it_means() -> None:
    for line in PAGE.splitlines():
        if line.startswith("| `") or line.startswith("| **"):
            assert line.split("|")[2].strip(), line
