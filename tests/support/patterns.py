"""Every regular expression of `proxy/`, found in the sources, and texts to hurt each.

The sources are read and not the modules: an expression inside a function, a tuple or
a call such as ``re.sub(...)`` is found as well.  What is handed to an expression is
made from its own tree: the shortest text that leads to each of its repetitions.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import proxy
from tests.support.sources import nodes_of

PROXY = Path(proxy.__file__).parent  # of the compiled build: its sources lie beside it
_FUNCTIONS = frozenset(
    "compile match search fullmatch sub subn split findall finditer".split()
)


@dataclass
class Expression:
    """One expression: where it stands and by which methods it is used."""

    place: str
    pattern: re.Pattern[Any] | None  # None: not written down, made while running
    methods: set[str] = field(default_factory=set)


class _File:
    """One source: its expressions, by name where they have one."""

    def __init__(self, path: Path) -> None:
        self.module = ".".join(path.relative_to(PROXY.parent).with_suffix("").parts)
        self.nodes = nodes_of(path)
        self.named: dict[str, Expression] = {}
        self.all: list[Expression] = []
        calls = {id(n): n for n in self.nodes if _is_re_call(n)}
        for node in self.nodes:
            if isinstance(node, ast.Assign | ast.AnnAssign):
                target = (
                    node.targets[0] if isinstance(node, ast.Assign) else node.target
                )
                call = calls.pop(id(node.value), None)
                if call is not None:
                    found = self._note(call)
                    if not found.methods and isinstance(target, ast.Name):
                        self.named[target.id] = found
        for call in calls.values():
            self._note(call)

    def _note(self, call: ast.Call) -> Expression:
        function = call.func.attr  # type: ignore[attr-defined]
        found = Expression(f"{self.module}:{call.lineno}", _compiled(call))
        if function != "compile":
            found.methods.add(function)
        self.all.append(found)
        return found


def _is_re_call(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in _FUNCTIONS
    )


def _compiled(call: ast.Call) -> re.Pattern[Any] | None:
    try:
        text = ast.literal_eval(call.args[0])
    except ValueError:
        return None
    flags = 0
    for each in (*call.args[1:], *(k.value for k in call.keywords if k.arg == "flags")):
        names = [n.attr for n in ast.walk(each) if isinstance(n, ast.Attribute)]
        for name in names:
            flags |= int(getattr(re, name, 0))
    return re.compile(text, flags)


def expressions() -> list[Expression]:
    """All of them; raises AssertionError for a way to make one that this misses."""
    files = {f.module: f for f in map(_File, sorted(PROXY.rglob("*.py")))}
    for file in files.values():
        names = dict(file.named)
        for node in file.nodes:
            if isinstance(node, ast.ImportFrom) and node.module:
                assert node.module != "re", f"{file.module}: write re.compile(...)"
                source = files.get(node.module)
                for alias in node.names if source else ():
                    if found := source.named.get(alias.name):
                        names[alias.asname or alias.name] = found
            if isinstance(node, ast.Import):
                assert all(a.name != "re" or a.asname is None for a in node.names)
        for node in file.nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found = names.get(node.value.id)
                if found is not None and node.attr in _FUNCTIONS:
                    found.methods.add(node.attr)
    return [each for file in files.values() for each in file.all]


PUMPS = (
    *(" ", "\t", '"', "'", ",", "\\", ";", "<", ">", "%", "\r", "\n", "\r\n ", "\r\n"),
    *("a", "0", ":", "@", ".", "-", "=", "/", "[", "&", "\0", "\xff", "%41", '\\"'),
    *('"\\', '" ', " ;", "; ", ";a", "<>", ',"', '<"', ", ", "a ", " \t", "a=", "a.-"),
    *("\r\n\t", " \r\n ", '"a"', "''", "a,", "<a", ";=", ";a=b", "{", "a\n"),
)
"""What is repeated: blanks, quotes, commas, backslashes, folds, brackets, mixed."""


def ways_in(pattern: re.Pattern[Any]) -> list[str]:
    """The shortest texts that lead to the repetitions of an expression, and "" """
    text = pattern.pattern
    tree = _parser.parse(text, pattern.flags & ~(re.UNICODE if _is_bytes(text) else 0))
    found = {""}
    _walk(tree, "", found)
    return sorted(found)


def _is_bytes(text: Any) -> bool:
    return isinstance(text, bytes)


def _walk(tree: Any, prefix: str, found: set[str]) -> str:
    """Note the ways in; return ``prefix`` and the shortest text that matches."""
    for operator, argument in tree:
        name = str(operator)
        if name.endswith("_REPEAT"):
            least, _, body = argument
            found.add(prefix)
            once = _walk(body, prefix, found)[len(prefix) :]
            found.add(prefix + once)
            prefix += once * least
        elif name == "SUBPATTERN":
            prefix = _walk(argument[-1], prefix, found)
        elif name == "ATOMIC_GROUP":
            prefix = _walk(argument, prefix, found)
        elif name == "BRANCH":
            ends = [_walk(each, prefix, found) for each in argument[1]]
            prefix = ends[0]
        elif name in ("ASSERT", "ASSERT_NOT"):
            _walk(argument[1], prefix, found)
        else:
            prefix += _one(name, argument)
    return prefix


def _one(name: str, argument: Any) -> str:
    if name == "LITERAL":
        return chr(argument)
    if name == "NOT_LITERAL":
        return "a" if argument != ord("a") else "b"
    if name == "ANY":
        return "a"
    if name == "IN":
        return _member(argument)
    return ""  # a place, or a group that was matched before


def _member(items: Any) -> str:
    """A character of a set: a letter when there is one."""
    negated = str(items[0][0]) == "NEGATE"
    allowed = set(_characters(items))
    for character in "aA0 ;=:,\"'<>\n":
        if (character in allowed) is not negated:
            return character
    return next((c for c in map(chr, range(256)) if (c in allowed) is not negated), "")


def _characters(items: Any) -> Iterator[str]:
    for operator, argument in items:
        name = str(operator)
        if name == "LITERAL":
            yield chr(argument)
        elif name == "RANGE":
            yield from map(chr, range(argument[0], min(argument[1], 255) + 1))
        elif name == "CATEGORY":
            wanted = {"SPACE": str.isspace, "DIGIT": str.isdigit, "WORD": str.isalnum}
            kind = str(argument).rpartition("_")[2]
            is_not = "_NOT_" in str(argument)
            for character in map(chr, range(128)):
                if wanted[kind](character) is not is_not:
                    yield character
