"""The map in docs/architecture.md is true, and files stay small enough to review.

Walks the imports of `proxy/` against the table of packages and arrows; the table in
the page is compared with the one here, so that neither can drift.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.module_graph import circles, dotted, module_graph
from tests.support.numbered import cited, decisions, faults
from tests.support.reach import findings
from tests.support.sources import nodes_of, tree_of

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
    "location": set(),
    "pools": {"sip"},
    "core": {"sip", "transaction", "endpoints", "location", "pools"},
    "store": {"endpoints", "location", "sip"},
    "net": {"sip", "pools"},
    "telemetry": {"sip"},
    "recorder": {"sip"},
    "facts": set(),
    "journey": {"sip"},
    "admin": {
        *("endpoints", "store", "location", "net", "pools", "sip"),
        *("facts", "journey", "recorder"),
    },
    "console": {
        *("admin", "endpoints", "store", "net", "pools", "telemetry"),
        *("facts", "recorder", "sip"),
    },
    # A command starts what it is named after.
    "cli": {
        *("admin", "endpoints", "pools", "store", "sip", "recorder", "facts"),
        *("server", "lab", "console"),
    },
    "lab": {"sip", "cli", "journey"},
}
OF_SIP = {"journey": {"proxy.sip.host"}}
"""The journey reads and writes messages by itself, as an independent peer."""
ABOVE_THE_SERVER = {"cli", "console", "lab"}
"""`server` wires everything else."""
PURE = ("sip", "transaction", "core", "endpoints", "location", "facts")
# The files of `pools` that do I/O; all others of it are pure.
IO_FILES = {
    "pools": {"resolver.py", "prober.py", "dns_client.py", "name_servers.py"},
}
SHELL_MODULES = {"clock", "config"}

# A module of `proxy/` over 400 lines needs a reason here.
LONG_MODULES: dict[str, str] = {}
MODULE_LIMIT, TEST_LIMIT, FUNCTION_LIMIT = 400, 600, 60
FOLDER_LIMIT = 24
ENDINGS = ("ation", "ating", "ing", "ion", "ers", "ars", "er", "ar", "ed", "s", "e")

# The one module of `server` that may name the workers: it starts them.
ABOVE_THE_WORKERS = "proxy.server.serve"
GRAPH = module_graph(SOURCES, ROOT)


def package_of(path: Path) -> str:
    """``sip`` for proxy/sip/uri.py, ``clock`` for proxy/clock.py."""
    parts = path.relative_to(ROOT / "proxy").with_suffix("").parts
    return parts[0]


def imports(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, wherever in it."""
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "proxy":
                yield from (f"proxy.{alias.name}" for alias in node.names)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def stem(module: str) -> str:
    """What is left of a name without underscores and all of its endings."""
    plain = module.replace("_", "")
    while True:
        shorter = next(
            (plain.removesuffix(x) for x in ENDINGS if plain.endswith(x)), plain
        )
        if shorter == plain or len(shorter) < 3:
            return plain
        plain = shorter


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_module_imports_only_what_the_map_allows(path: Path) -> None:
    package = package_of(path)
    if package == "__init__":
        return
    if package == "server":
        allowed = {*ARROWS, *SHELL_MODULES, package} - ABOVE_THE_SERVER
    elif package in SHELL_MODULES:
        allowed = SHELL_MODULES | {"sip"}
    else:
        allowed = ARROWS[package] | {package}
        if package not in PURE:
            allowed |= SHELL_MODULES
    used = packages_used(path)
    assert used <= allowed, f"{name(path)} imports {sorted(used - allowed)}"


def packages_used(path: Path) -> set[str]:
    return {
        dotted.split(".")[1]
        for dotted in imports(path)
        if dotted.startswith("proxy.") and not dotted.startswith("proxy.__")
    }


@pytest.mark.parametrize("package", sorted(OF_SIP))
def test_who_may_use_a_part_of_sip_uses_no_more(package: str) -> None:
    used = {
        dotted
        for path in SOURCES
        if package_of(path) == package
        for dotted in imports(path)
        if dotted.startswith("proxy.sip")
    }
    assert used <= OF_SIP[package]


@pytest.mark.parametrize("package", sorted(ARROWS))
def test_every_arrow_of_the_map_is_used(package: str) -> None:
    used: set[str] = set()
    for path in SOURCES:
        if package_of(path) == package:
            used |= packages_used(path)
    assert not ARROWS[package] - used, "nothing imports it: take the arrow away"


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if package_of(p) in (*PURE, "pools")], ids=name
)
def test_the_pure_core_knows_no_clock_and_no_socket(path: Path) -> None:
    if path.name in IO_FILES.get(package_of(path), set()):
        return
    roots = {dotted.split(".")[0] for dotted in imports(path)}
    assert not roots & PURE_FORBIDDEN
    if package_of(path) == "sip":
        # mypy's own is imported for types alone (sip/native.py).
        assert roots <= set(sys.stdlib_module_names) | {"proxy", "mypy_extensions"}


@pytest.mark.parametrize("path", EVERY_FILE, ids=name)
def test_every_file_opens_with_a_docstring(path: Path) -> None:
    assert ast.get_docstring(tree_of(path))


@pytest.mark.parametrize("path", EVERY_FILE, ids=name)
def test_modules_and_functions_stay_reviewable(path: Path) -> None:
    text = path.read_text()
    if name(path) not in LONG_MODULES:
        limit = MODULE_LIMIT if path in SOURCES else TEST_LIMIT
        assert len(text.splitlines()) <= limit, "split it, or give a reason"
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= FUNCTION_LIMIT, f"{node.name} has {length} lines"


def test_the_page_names_every_package_and_no_other() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    listed = set(re.findall(r"^\| `proxy/(\w+)/` \|", page, re.MULTILINE))
    there = {package_of(path) for path in SOURCES if path.parent.parent != ROOT}
    assert listed == there - SHELL_MODULES


def test_the_page_has_a_line_for_every_room() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    for folder in FOLDERS:
        if folder.parent != ROOT and modules_of(folder):
            assert f"`{name(folder)}/`" in page, f"say what is in {name(folder)}/"


def test_reasons_for_long_modules_are_still_needed() -> None:
    for listed in LONG_MODULES:
        assert len((ROOT / listed).read_text().splitlines()) > MODULE_LIMIT


# -- rooms: no circles, one direction, few modules, names that differ ----------------


def test_no_modules_import_each_other_in_a_circle() -> None:
    found = [", ".join(group) for group in circles(GRAPH)]
    assert not found, "give one of them what it needs, or a third module what both use"


def test_the_walk_finds_a_circle_however_long_and_nothing_else() -> None:
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": set(), "e": {"a"}}
    assert circles(graph) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_a_walk_sees_imports_for_types_and_in_functions(tmp_path: Path) -> None:
    package = tmp_path / "proxy"
    package.mkdir()
    (package / "one.py").write_text(
        "import typing\nif typing.TYPE_CHECKING:\n    from proxy import two\n"
    )
    (package / "two.py").write_text("def f():\n    from proxy.one import x\n")
    graph = module_graph(sorted(package.iterdir()), tmp_path)
    assert circles(graph) == [["proxy.one", "proxy.two"]]


def test_arrows_lead_from_the_workers_to_the_server_and_never_back() -> None:
    for path in sorted((ROOT / "proxy/server").rglob("*.py")):
        module = dotted(path, ROOT)
        if module == ABOVE_THE_WORKERS or module.startswith("proxy.server.workers"):
            continue
        wrong = {x for x in GRAPH[module] if x.startswith("proxy.server.workers")}
        assert not wrong, f"{module} imports {sorted(wrong)}: use server/links or part"


# The carrier, the recorder that takes its place, and the replay of what it wrote.
MAY_ENTER = {
    "proxy/server/carrier.py",
    "proxy/server/event_log/writer.py",
    "proxy/server/event_log/replay.py",
}
OUTSIDE = [path for path in SOURCES if package_of(path) not in (*PURE, "pools")]


@pytest.mark.parametrize("path", OUTSIDE, ids=name)
def test_nobody_outside_changes_the_core_but_by_events(path: Path) -> None:
    found = findings(path.read_text(), may_enter=name(path) in MAY_ENTER)
    assert not found, "make it an event (proxy/core/events.py) and `step` it"


@pytest.mark.parametrize(
    "line",
    [
        "runtime.core.is_draining = True",
        "state.phase, self._runtime.core.is_draining = 1, True",
        "core = runtime.core; core.settings = x",
        "book = self.core.next_hops.health; book.take_over(news)",
        "layer, book = core.transactions, core.health; book.suspects[key] = x",
        "del runtime.core.health.suspects[key]",
        "core.router.nodes.uris().count += 1",
        "setattr(runtime.core, 'settings', x)",
        "def f(book: HealthBook): book.prolong(key, '', 1.0, 2.0)",
        "def f(core: 'ProxyCore | None'): core.location.sweep(1.0)",
        "runtime.core.handle(event, now)",
        "if (registrar := runtime.core.registrar): registrar.clock_set(1.0, 2.0)",
        "self._book = runtime.core.health\nself._book.prolong(key, '', 1.0, 2.0)",
        "class A:\n    book: HealthBook\n    def f(self): self.book.suspects = {}",
        "def f(live: LocationService): live.sweep(1.0)",
        "for each in runtime.core.health.suspects.values(): each.failures = 0",
        "[each.clear() for each in core.waiting.parked.values()]",
        "later(core.health.prolong, key)",
        "object.__setattr__(core, 'settings', x)",
    ],
)
def test_a_hand_in_the_core_is_seen(line: str) -> None:
    assert findings(line)


IN_BRACKETS = {"sent_host", "advertised_host"}
"""Names of hosts that have their brackets already."""
# What a token says of a listener is part of its key, and no place to read.
PLACES_OF_THEIR_OWN = {"proxy/core/tokens.py", "proxy/sip/host.py"}


def places_by_hand(tree: tuple[ast.AST, ...]) -> list[str]:
    """f-strings that put a colon between a host and a port."""
    found = []
    for node in tree:
        if not isinstance(node, ast.JoinedStr):
            continue
        for host, colon, port in zip(
            node.values, node.values[1:], node.values[2:], strict=False
        ):
            if (
                isinstance(colon, ast.Constant)
                and colon.value == ":"
                and isinstance(host, ast.FormattedValue)
                and isinstance(port, ast.FormattedValue)
                and last_word(host.value).endswith(("host", "address"))
                and last_word(host.value) not in IN_BRACKETS
                and last_word(port.value).endswith("port")
            ):
                found.append(ast.unparse(node))
    return found


def last_word(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return last_word(node.slice)
    if isinstance(node, ast.Constant):
        return str(node.value)
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_place_is_written_by_host_port_alone(path: Path) -> None:
    found = places_by_hand(nodes_of(path))
    assert not found or name(path) in PLACES_OF_THEIR_OWN, "IPv6 needs brackets"


def test_a_place_that_is_written_by_hand_is_found() -> None:
    text = "f'udp:{self.host}:{port}'; f'{row[\"address\"]}:{row[\"port\"]}'"
    assert len(places_by_hand(tuple(ast.walk(ast.parse(text))))) == 2
    text = "f'{file}:{line}'; f'{x.sent_host}:{x.port}'; f'{host}: {port}'"
    assert not places_by_hand(tuple(ast.walk(ast.parse(text))))


def test_to_look_at_the_core_is_free() -> None:
    assert not findings(
        "core = runtime.core\n"
        "left = len(core.transactions)\n"
        "for key in core.health.suspects: print(core.health.health(key, now))\n"
        "codes = core.settings.attempts.failover_codes\n"
        "settings = with_live_values(core.settings, fresh)\n"
        "for each in core.router.table.drains: print(each.has_ended(now))\n"
        "later = core.settings.attempts.connect\n"
        "self.core = ProxyCore(settings)\n"
    )


def modules_of(folder: Path) -> list[str]:
    return sorted(x.stem for x in folder.glob("*.py") if x.stem != "__init__")


FOLDERS = sorted({path.parent for path in SOURCES})


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_a_folder_can_be_taken_in_at_a_glance(folder: Path) -> None:
    count = len(modules_of(folder))
    assert count <= FOLDER_LIMIT, "too many modules: give some a room of their own"


def twins(modules: list[str]) -> set[tuple[str, ...]]:
    groups: dict[str, list[str]] = {}
    for module in modules:
        groups.setdefault(stem(module), []).append(module)
    return {tuple(group) for group in groups.values() if len(group) > 1}


def test_no_two_modules_of_a_folder_have_nearly_one_name() -> None:
    assert twins(["look_ups", "lookups", "target", "targets", "router", "routes"]) == {
        ("look_ups", "lookups"),
        ("target", "targets"),
        ("router", "routes"),
    }
    found = {pair for folder in FOLDERS for pair in twins(modules_of(folder))}
    assert not found, "names that differ by an ending alone: say what differs"


def test_every_file_that_the_index_names_is_there() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    index = page.split("## Where is …?\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", index, re.MULTILINE)
    asked = [row for row in rows if row[0].endswith("?")]
    assert len(asked) >= 15
    for question, files in asked:
        named = re.findall(r"`(proxy/[\w/]+\.\w+)`", files)
        assert named, f"{question} has no file"
        for each in named:
            assert (ROOT / each).is_file(), f"{question} {each} is not there"


def test_every_module_that_the_page_names_is_there() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    packages = "|".join(sorted(ARROWS))
    named = set(re.findall(rf"`((?:{packages}|server|config)/\w+(?:/\w+)?)`", page))
    assert len(named) > 40
    for each in named:
        assert (ROOT / f"proxy/{each}.py").is_file(), f"{each} is not there"


def test_the_page_and_this_file_have_the_same_arrows() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| `proxy/(\w+)/` \|.*\| (.+) \|$", page, re.MULTILINE)
    told = {package: set(re.findall(r"`(\w+)`", arrows)) for package, arrows in rows}
    assert told.pop("server") == ABOVE_THE_SERVER, "it wires everything else"
    assert told == ARROWS


# -- decisions -----------------------------------------------------------------------


def test_every_decision_has_a_number_of_its_own() -> None:
    found = decisions((ROOT / "docs/decisions.md").read_text())
    assert len(found) > 90
    assert not faults(found)


def test_a_number_that_is_taken_or_missing_is_told_with_the_next_free_one() -> None:
    page = "# A\n\n## 1. One\n\n## Two\n\n## 4. Four\n\n## 4. Five\n"
    assert faults(decisions(page)) == [
        'write "## 5. Two"',
        '4 is taken, write "## 5. Five"',
    ]


def test_a_decision_that_somebody_cites_is_there() -> None:
    numbers = {
        number for number, _ in decisions((ROOT / "docs/decisions.md").read_text())
    }
    pages = sorted((ROOT / "docs").glob("*.md"))
    named = list(cited([*EVERY_FILE, *pages, ROOT / "README.md"]))
    assert len(named) > 5
    for path, number in named:
        assert number in numbers, f"{name(path)} cites decision {number}"


def test_code_cites_a_decision_by_its_number() -> None:
    for path in SOURCES:
        text = path.read_text()
        count = len(re.findall(r"decisions\.md", text))
        assert count <= len(list(cited([path]))), f"{name(path)}: which decision?"
