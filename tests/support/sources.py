"""Sources as trees: each is read and parsed once for all tests that look at it."""

import ast
from functools import cache
from pathlib import Path


@cache
def tree_of(path: Path) -> ast.Module:
    """Nobody may change it: the next test gets the same one."""
    return ast.parse(path.read_text())


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Every node of it, in the order of ``ast.walk``."""
    return tuple(ast.walk(tree_of(path)))
