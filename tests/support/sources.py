"""Sources as trees: each is read and parsed once for all tests that look at it."""

import ast
from functools import cache
from pathlib import Path


def tree_of(path: Path) -> ast.Module:
    """Nobody may change it: the next test gets the same one."""
    return _parsed(path, *_state(path))


def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Every node of it, in the order of ``ast.walk``."""
    return _walked(path, *_state(path))


def _state(path: Path) -> tuple[int, int]:
    """A test may write a file anew under a name that was read."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@cache
def _parsed(path: Path, changed: int, size: int) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def _walked(path: Path, changed: int, size: int) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(_parsed(path, changed, size)))
