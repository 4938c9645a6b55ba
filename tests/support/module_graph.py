"""Which module of ``proxy/`` imports which, wherever in it, for types included."""

import ast
from pathlib import Path

from tests.support.sources import nodes_of


def dotted(path: Path, root: Path) -> str:
    """``proxy.sip.uri`` for proxy/sip/uri.py, ``proxy.sip`` for its ``__init__``."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def module_graph(paths: list[Path], root: Path) -> dict[str, set[str]]:
    """Module → the modules that it imports, by dotted names, these files alone.

    Of ``from proxy.server import wiring`` the module is ``proxy.server.wiring``.
    """
    files = {dotted(path, root): path for path in paths}
    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        found: set[str] = set()
        for node in nodes_of(path):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    found.add(whole if whole in files else node.module)
        graph[module] = (found & files.keys()) - {module}
    return graph


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules each of which can be reached from every other of its group."""
    reached = {module: _reached(graph, module) for module in graph}
    found: list[list[str]] = []
    seen: set[str] = set()
    for module in sorted(graph):
        if module in seen or module not in reached[module]:
            continue
        group = sorted(x for x in reached[module] if module in reached[x])
        seen.update(group)
        found.append(group)
    return found


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        fresh = graph[waiting.pop()] - found
        found |= fresh
        waiting += fresh
    return found
