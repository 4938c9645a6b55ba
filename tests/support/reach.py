"""Who reaches into the core from outside: assignments and calls, read off the source.

A name, or an attribute of ``self``, is *of the core* when it is called ``core``, when
it was assigned from something of the core, or when its annotation is one of
``CLASSES``.  Reading is free.  What is assigned to, deleted, called beyond ``READS``,
or handed on as a method that changes something, is a finding.  What a loop takes out of
the core may be a plain value, so of that only calls that change something count.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.sources import nodes_of

ROOT = Path(__file__).parents[2]
NAMES = frozenset({"core", "_core"})
CLASSES = frozenset(
    {
        *("ProxyCore", "Router", "Registrar", "Requests", "Forwarder", "NextHops"),
        *("TokenBox", "FirstHop", "Affinity", "WayBack", "Refusals", "Upkeep"),
        *("TransactionLayer", "Timers", "LocationService", "HealthBook"),
    }
)
"""The parts of the core that hold something."""
READS = frozenset(
    {
        *("uris", "is_settled", "health", "is_ejected", "live", "holds"),
        *("make_probe", "is_out", "state_of", "probe_codes_of", "codes_of"),
        *("items", "values", "keys", "get", "copy", "deadline"),
    }
)
"""Methods that change nothing, of the core's own parts and of Python's containers."""
CHANGES = frozenset(
    {
        *("add", "append", "clear", "discard", "extend", "insert", "pop", "popitem"),
        *("remove", "setdefault", "update"),
    }
)
"""What changes one of Python's containers."""
WAYS_IN = frozenset({"handle", "receive", "expire", "take_commands"})


def findings(source: str, may_enter: bool = False) -> list[str]:
    """Every place that changes the core, as ``line: what``.

    ``may_enter``: this module may call the core's own ways in.
    """
    tree = ast.parse(source)
    known = _known(tree)
    held = _held(tree, known)
    allowed = READS | WAYS_IN if may_enter else READS
    found = [*_changes(tree, known, held, allowed), *_handed_on(tree, known, allowed)]
    return [f"{node.lineno}: {ast.unparse(node)}" for node in found]


@cache
def methods() -> frozenset[str]:
    """The names of the methods of ``CLASSES``, without those that only read."""
    found: set[str] = set()
    for package in ("core", "transaction", "location", "pools"):
        for path in (ROOT / "proxy" / package).rglob("*.py"):
            for node in nodes_of(path):
                if isinstance(node, ast.ClassDef) and node.name in CLASSES:
                    found |= {
                        x.name
                        for x in node.body
                        if isinstance(x, ast.FunctionDef) and not x.decorator_list
                    }
    return frozenset(found) - READS


def _changes(
    tree: ast.AST, known: set[str], held: set[str], allowed: frozenset[str]
) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        for target in _targets(node):
            if isinstance(target, ast.Attribute | ast.Subscript) and _is_of_core(
                target.value, known | held
            ):
                yield target
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = called.id if isinstance(called, ast.Name) else ""
        if isinstance(called, ast.Attribute):
            name = called.attr
            is_change = name in (methods() | CHANGES) - allowed
            if (_is_of_core(called.value, known) and name not in allowed) or (
                is_change and _is_of_core(called.value, held)
            ):
                yield node
                continue
        setters = ("setattr", "delattr", "__setattr__", "__delattr__")
        if name in setters and node.args and _is_of_core(node.args[0], known):
            yield node


def _handed_on(
    tree: ast.AST, known: set[str], allowed: frozenset[str]
) -> Iterator[ast.expr]:
    """Methods of the core that are no call: somebody calls them elsewhere."""
    called = {id(x.func) for x in ast.walk(tree) if isinstance(x, ast.Call)}
    settings = {
        name
        for x in ast.walk(tree)
        if isinstance(x, ast.Assign) and ".settings" in ast.unparse(x.value)
        for target in x.targets
        for name in _names(target)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Load)
            and id(node) not in called
            and node.attr in methods() - allowed
            and ".settings" not in ast.unparse(node)  # plain values, all of them
            and _is_of_core(node.value, known - settings)
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
        if _own(node) in known:
            return True
        node = node.func if isinstance(node, ast.Call) else node.value
    return isinstance(node, ast.Name) and node.id in known


def _own(node: ast.AST) -> str:
    """``self.book`` for that attribute; empty for any other expression."""
    if (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    ):
        return f"self.{node.attr}"
    return ""


def _known(tree: ast.AST) -> set[str]:
    """Names and attributes of this module that stand for the core or a part of it."""
    known = set(NAMES)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and _is_a_part(node.annotation):
            known.add(node.arg)
        if isinstance(node, ast.AnnAssign) and _is_a_part(node.annotation):
            known.add(_own(node.target) or ast.unparse(node.target))
        if isinstance(node, ast.ClassDef):
            known |= {
                f"self.{ast.unparse(x.target)}"
                for x in node.body
                if isinstance(x, ast.AnnAssign) and _is_a_part(x.annotation)
            }
    before = -1
    while before != len(known):
        before = len(known)
        for node in ast.walk(tree):
            known |= _aliases(node, known)
    return known


def _held(tree: ast.AST, known: set[str]) -> set[str]:
    """What loops take out of the core."""
    return {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.For | ast.comprehension)
        and _is_of_core(node.iter, known)
        for name in _names(node.target)
    }


def _is_a_part(annotation: ast.expr | None) -> bool:
    if annotation is None:
        return False
    words: set[str] = set()
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name):
            words.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words |= set(node.value.replace("|", " ").split())
    return bool(words & CLASSES)


def _aliases(node: ast.AST, known: set[str]) -> set[str]:
    """What this statement makes another name of the core, or of what it holds."""
    if not isinstance(node, ast.Assign | ast.NamedExpr | ast.AnnAssign):
        return set()
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
            if isinstance(
                value, ast.Attribute | ast.Subscript | ast.Name
            ) and _is_of_core(value, known):
                found |= set(_names(name))
    return found


def _names(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Tuple | ast.List):
        for each in target.elts:
            yield from _names(each)
    elif own := _own(target):
        yield own
