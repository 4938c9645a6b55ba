"""The map of ``proxy/`` as it is: ``python -m tests.architecture``, or ``make map``.

Packages, the arrows between them, circles, and what is longest.  ``--json`` for
programs.  The exit code is 1 while there is a circle.  What is allowed stands in
``test_architecture.py``.
"""

import argparse
import ast
import json
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.support.module_graph import circles, module_graph

ROOT = Path(__file__).parents[1]
WIDTH = 80


@dataclass(frozen=True, slots=True)
class Longest:
    """A module or a function, and its lines."""

    name: str
    lines: int

    def __str__(self) -> str:
        return f"{self.name} {self.lines}"


@dataclass(frozen=True, slots=True)
class Package:
    """A package, or a module that lies beside the packages."""

    name: str
    modules: int
    lines: int
    longest_module: Longest
    longest_function: Longest
    imports: list[str]


@dataclass(frozen=True, slots=True)
class Map:
    """Everything that is printed."""

    packages: list[Package]
    circles: list[list[str]]


def survey(root: Path = ROOT) -> Map:
    """Walk ``proxy/`` below a folder."""
    paths = sorted((root / "proxy").rglob("*.py"))
    graph = module_graph(paths, root)
    parts: dict[str, list[Path]] = {}
    for path in paths:
        inside = path.relative_to(root / "proxy").parts
        name = inside[0] if len(inside) > 1 else path.stem
        if name != "__init__":
            parts.setdefault(name, []).append(path)
    arrows: dict[str, set[str]] = {name: set() for name in parts}
    for module, imported in graph.items():
        _, _, package = module.partition(".")
        for each in imported:
            to = each.split(".")[1] if "." in each else ""
            if to and package and to != package.split(".")[0]:
                arrows[package.split(".")[0]].add(to)
    found = [_package(name, parts[name], sorted(arrows[name])) for name in parts]
    return Map(found, circles(graph))


def _package(name: str, paths: list[Path], imported: list[str]) -> Package:
    texts = {path: path.read_text() for path in paths}
    lines = {path: len(text.splitlines()) for path, text in texts.items()}
    longest = max(paths, key=lambda path: lines[path])
    functions = [x for text in texts.values() for x in _functions(ast.parse(text))]
    return Package(
        name,
        len(paths),
        sum(lines.values()),
        Longest(longest.stem, lines[longest]),
        max(functions, key=lambda each: each.lines, default=Longest("-", 0)),
        imported,
    )


def _functions(inside: ast.AST, owner: str = "") -> Iterator[Longest]:
    for node in ast.iter_child_nodes(inside):
        name = owner
        if isinstance(node, ast.ClassDef):
            name = f"{node.name}."
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            yield Longest(f"{owner}{node.name}", lines)
        yield from _functions(node, name)


def drawn(found: Map) -> str:
    """The map as text, at most 80 columns wide."""
    rows = [("package", "modules", "lines", "longest module", "longest function")]
    rows += [
        (
            each.name,
            str(each.modules),
            str(each.lines),
            str(each.longest_module),
            str(each.longest_function),
        )
        for each in found.packages
    ]
    total = [
        str(sum(getattr(x, n) for x in found.packages)) for n in ("modules", "lines")
    ]
    rows.append(("all", *total, "", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ["  ".join(map(_cell, row, widths, range(5))).rstrip() for row in rows]
    lines += ["", "imports"]
    for each in found.packages:
        head = f"{each.name:<{widths[0]}} → "
        text = " ".join(each.imports) or "nothing"
        indent = " " * len(head)
        lines += textwrap.wrap(head + text, WIDTH, subsequent_indent=indent)
    lines += ["", f"circles: {len(found.circles)}"]
    for group in found.circles:
        lines += textwrap.wrap(
            "  " + " ".join(x.removeprefix("proxy.") for x in group),
            WIDTH,
            subsequent_indent="  ",
        )
    return "\n".join(lines)


def _cell(text: str, width: int, column: int) -> str:
    return text.rjust(width) if column in (1, 2) else text.ljust(width)


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Print the map; 1 while there is a circle."""
    parser = argparse.ArgumentParser(prog="python -m tests.architecture")
    parser.add_argument("--json", action="store_true", help="for programs")
    wants_json = parser.parse_args(arguments).json
    found = survey(root)
    print(json.dumps(asdict(found), indent=2) if wants_json else drawn(found))
    return 1 if found.circles else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
