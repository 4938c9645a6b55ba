"""Who reaches into the core from outside: assignments and calls, read off the source.

A name is *of the core* when it is called ``core``, when it was assigned from something
of the core, or when its annotation is a class of ``proxy.core`` or a ``HealthBook``.
Reading is free.  What is assigned to, deleted, or called beyond ``READS`` is a finding.
"""

import ast
from collections.abc import Iterator

NAMES = frozenset({"core", "_core"})
CLASSES = frozenset({"ProxyCore", "HealthBook", "Registrar", "Router"})
READS = frozenset(
    {
        *("uris", "is_settled", "health", "is_ejected", "live", "holds"),
        *("make_probe", "is_out", "state_of", "probe_codes_of", "codes_of"),
        *("items", "values", "keys", "get", "copy", "deadline"),
    }
)
"""Methods that change nothing, of the core's own parts and of Python's containers."""
WAYS_IN = frozenset({"handle", "receive", "expire", "take_commands"})


def findings(source: str, may_enter: bool = False) -> list[str]:
    """Every place that changes the core, as ``line: what``.

    ``may_enter``: this module may call the core's own ways in.
    """
    tree = ast.parse(source)
    known = _names_of_the_core(tree)
    allowed = READS | WAYS_IN if may_enter else READS
    return [
        f"{node.lineno}: {ast.unparse(node)}" for node in _changes(tree, known, allowed)
    ]


def _changes(
    tree: ast.AST, known: set[str], allowed: frozenset[str]
) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        for target in _targets(node):
            if isinstance(target, ast.Attribute | ast.Subscript) and _is_of_core(
                target.value, known
            ):
                yield target
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = node.func
            if _is_of_core(called.value, known) and called.attr not in allowed:
                yield node
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("setattr", "delattr")
            and _is_of_core(node.args[0], known)
        ):
            yield node


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    found: list[ast.expr] = []
    if isinstance(node, ast.Assign | ast.Delete):
        found = list(node.targets)
    elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.For):
        found = [node.target]
    while found:
        each = found.pop()
        if isinstance(each, ast.Tuple | ast.List):
            found += each.elts
        else:
            yield each


def _is_of_core(node: ast.expr, known: set[str]) -> bool:
    """``runtime.core.health``, ``core.flows``, a name that stands for one of them."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        if isinstance(node, ast.Attribute) and node.attr in NAMES:
            return True
        node = node.func if isinstance(node, ast.Call) else node.value
    return isinstance(node, ast.Name) and node.id in known


def _names_of_the_core(tree: ast.AST) -> set[str]:
    """Names of this module that stand for the core or a part of it."""
    known = set(NAMES)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None:
            words = {x.id for x in ast.walk(node.annotation) if isinstance(x, ast.Name)}
            if words & CLASSES:
                known.add(node.arg)
    before = -1
    while before != len(known):
        before = len(known)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign | ast.NamedExpr | ast.AnnAssign):
                known |= _aliases(node, known)
    return known


def _aliases(
    node: ast.Assign | ast.NamedExpr | ast.AnnAssign, known: set[str]
) -> set[str]:
    if node.value is None:
        return set()
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    found: set[str] = set()
    for target in targets:
        pairs = [(target, node.value)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(target.elts, node.value.elts, strict=True))
        for name, value in pairs:
            # A call makes a value of its own; only what is read stands for the core.
            if (
                isinstance(name, ast.Name)
                and isinstance(value, ast.Attribute | ast.Subscript | ast.Name)
                and _is_of_core(value, known)
            ):
                found.add(name.id)
    return found
