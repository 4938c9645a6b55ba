"""The map in docs/architecture.md is true, and files stay small enough to review.

Walks the imports of `proxy/` against the table of packages and arrows; the table in
the page is compared with the one here, so that neither can drift.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "proxy").rglob("*.py"))
EVERY_FILE = [
    path
    for folder in ("proxy", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.stat().st_size
]
PURE_FORBIDDEN = frozenset({"asyncio", "socket", "ssl", "time", "select", "selectors"})

# package → the packages it may import (itself always; clock and config: the shell).
ARROWS: dict[str, set[str]] = {
    "sip": set(),
    "transaction": {"sip"},
    "endpoints": {"sip"},
    "location": {"sip"},
    "pools": {"sip"},
    "core": {"sip", "transaction", "endpoints", "location", "pools"},
    "store": {"endpoints", "location", "sip"},
    "net": {"sip", "pools"},
    "telemetry": {"sip"},
    "facts": set(),
    "admin": {
        *("endpoints", "store", "location", "net", "pools", "telemetry", "sip"),
        "facts",
    },
    "cli": {"admin", "endpoints", "location", "pools", "store", "telemetry", "sip"},
    "lab": {"sip", "cli", "admin", "server"},
}
# `server` wires everything; a command starts what it is named after.
ARROWS["cli"] |= {"server", "lab", "facts"}
PURE = ("sip", "transaction", "core", "endpoints", "facts")
# The files of `pools` that do I/O; all others of it are pure.
IO_FILES = {
    "pools": {"resolver.py", "prober.py", "dns_client.py", "name_servers.py"},
}
SHELL_MODULES = {"clock", "config"}

# A module of `proxy/` over 400 lines needs a reason here.
LONG_MODULES: dict[str, str] = {}
MODULE_LIMIT, TEST_LIMIT, FUNCTION_LIMIT = 400, 600, 60

# The folders that are crowded or have near-twins for names, until they are sorted.
UNSORTED = {"core", "server", "cli", "pools"}
FOLDERS = sorted(
    {path.parent for path in SOURCES} - {ROOT / "proxy" / name for name in UNSORTED}
)
FOLDER_LIMIT = 24
ENDINGS = ("ation", "ating", "ing", "ion", "ers", "ars", "er", "ar", "s", "e")


def package_of(path: Path) -> str:
    """``sip`` for proxy/sip/uri.py, ``clock`` for proxy/clock.py."""
    parts = path.relative_to(ROOT / "proxy").with_suffix("").parts
    return parts[0]


def imports(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "proxy":
                yield from (f"proxy.{alias.name}" for alias in node.names)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def stem(module: str) -> str:
    """What is left of a name without underscores and its ending."""
    plain = module.replace("_", "")
    for ending in ENDINGS:
        if plain.endswith(ending):
            return plain.removesuffix(ending)
    return plain


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_module_imports_only_what_the_map_allows(path: Path) -> None:
    package = package_of(path)
    if package in ("server", "__init__"):
        return
    if package in SHELL_MODULES:
        allowed = SHELL_MODULES | {"sip"}
    else:
        allowed = ARROWS[package] | {package}
        if package not in PURE:
            allowed |= SHELL_MODULES
    used = {
        dotted.split(".")[1]
        for dotted in imports(path)
        if dotted.startswith("proxy.") and not dotted.startswith("proxy.__")
    }
    assert used <= allowed, f"{name(path)} imports {sorted(used - allowed)}"


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if package_of(p) in (*PURE, "pools")], ids=name
)
def test_the_pure_core_knows_no_clock_and_no_socket(path: Path) -> None:
    if path.name in IO_FILES.get(package_of(path), set()):
        return
    roots = {dotted.split(".")[0] for dotted in imports(path)}
    assert not roots & PURE_FORBIDDEN
    if package_of(path) == "sip":
        assert roots <= set(sys.stdlib_module_names) | {"proxy"}


@pytest.mark.parametrize("path", EVERY_FILE, ids=name)
def test_every_file_opens_with_a_docstring(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", EVERY_FILE, ids=name)
def test_modules_and_functions_stay_reviewable(path: Path) -> None:
    text = path.read_text()
    if name(path) not in LONG_MODULES:
        limit = MODULE_LIMIT if path in SOURCES else TEST_LIMIT
        assert len(text.splitlines()) <= limit, "split it, or give a reason"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= FUNCTION_LIMIT, f"{node.name} has {length} lines"


def test_the_page_names_every_package_and_no_other() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    listed = set(re.findall(r"^\| `proxy/(\w+)/` \|", page, re.MULTILINE))
    there = {package_of(path) for path in SOURCES if path.parent.parent != ROOT}
    assert listed == there - SHELL_MODULES


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_a_folder_is_read_at_a_glance(folder: Path) -> None:
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert len(modules) <= FOLDER_LIMIT, "give a concern a folder of its own"
    stems = Counter(map(stem, modules))
    twins = sorted(module for module in modules if stems[stem(module)] > 1)
    assert not twins, "these names tell nobody which is which"


def test_reasons_for_long_modules_are_still_needed() -> None:
    for listed in LONG_MODULES:
        assert len((ROOT / listed).read_text().splitlines()) > MODULE_LIMIT
