"""Checks a table against the sections, with msgspec, and words what is wrong.

msgspec stops at the first mistake.  So every key, and every item of a list, is
converted by itself: all mistakes come at once, each with its place.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import MISSING
from dataclasses import Field as DataclassField
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec

from proxy.config.contradictions import Contradiction
from proxy.config.model import Config
from proxy.config.secrets import mask
from proxy.config.section import Section, keys_of, rules_of
from proxy.config.toml_lines import KeyPath
from proxy.config.values import toml_value
from proxy.sip.pasted import pasted_note


class Invalid(Exception):
    """``wrong`` is everything that is wrong: where, and what to write."""

    def __init__(self, wrong: list[Contradiction]) -> None:
        super().__init__()
        self.wrong = wrong


def validate(values: dict[str, Any]) -> Config:
    """The configuration of a file's tables; raises Invalid."""
    config: Config = _section(Config, values, ())
    return config


# -- values: each function returns what to use, or raises Invalid ----------------------


def _section(kind: type[Section], table: Any, where: KeyPath) -> Any:
    """The section that a table describes."""
    if not isinstance(table, dict):
        raise _refused(where, table, "a table")
    taken: dict[str, Any] = {}
    wrong: list[Contradiction] = []
    known = keys_of(kind)
    for name, key in known.items():
        here = (*where, name)
        if name in table:
            try:
                taken[name] = _value(key, table[name], here)
            except Invalid as error:
                wrong += error.wrong
        elif _is_required(key):
            wrong.append((here, f"is missing: write {_example(here)}"))
    unknown = [(*where, name) for name in table if name not in known]
    wrong += [(here, _unknown_key(here)) for here in unknown]
    if wrong:
        raise Invalid(wrong)
    try:
        return kind.from_keys(taken)
    except ValueError as error:
        raise Invalid([(where, str(error))]) from None


def _value(key: DataclassField[Any], value: Any, where: KeyPath) -> Any:
    """The value of a key: what was written, checked by the rules of the key."""
    rules = rules_of(key)
    try:
        raw = value if rules.check_raw is None else rules.check_raw(value)
        if get_origin(key.type) is list:
            taken = _items(get_args(key.type)[0], raw, where, rules.bounds)
        else:
            taken = _single(key.type, raw, where, rules.bounds)
        return taken if rules.check is None else rules.check(taken)
    except ValueError as error:
        raise Invalid([(where, _noted(str(error), value))]) from None


def _items(
    kind: Any, values: Any, where: KeyPath, bounds: Mapping[str, float]
) -> list[Any]:
    """The items of a list, each checked by itself."""
    if not isinstance(values, list):
        raise _refused(where, values, "a list")
    taken: list[Any] = []
    wrong: list[Contradiction] = []
    for number, value in enumerate(values):
        try:
            taken.append(_single(kind, value, (*where, number), {}))
        except Invalid as error:
            wrong += error.wrong
    if wrong:
        raise Invalid(wrong)
    least = bounds.get("min_length", 0)
    if len(taken) < least:
        text = f"has {len(taken)} items but should have at least {least}"
        raise Invalid([(where, f"{text}: write {_example(where)}")])
    return taken


def _single(kind: Any, value: Any, where: KeyPath, bounds: Mapping[str, float]) -> Any:
    """A value that is no list: a section, or one of TOML's own."""
    if isinstance(kind, type) and issubclass(kind, Section):
        return _section(kind, value, where)
    wanted: Any = (
        Annotated[kind, msgspec.Meta(**dict[str, Any](bounds))] if bounds else kind
    )
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        is_bound = ", got `" not in str(error)
        raise _refused(where, value, _wanted(kind, value, bounds, is_bound)) from None


# -- sentences -----------------------------------------------------------------------

_MOST_SHOWN: Final = 200
_NAMES: Final[Mapping[Any, str]] = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
}
_BOUNDS: Final[Mapping[str, tuple[Callable[[Any, Any], bool], str]]] = {
    "le": (operator.le, "less than or equal to"),
    "ge": (operator.ge, "greater than or equal to"),
    "gt": (operator.gt, "greater than"),
}


def _wanted(kind: Any, value: Any, bounds: Mapping[str, float], is_bound: bool) -> str:
    """What stands behind "should be": the bound that is broken, else the type."""
    if is_bound:
        for name, (holds, words) in _BOUNDS.items():
            if name in bounds and not holds(value, bounds[name]):
                return f"{words} {bounds[name]}"
    if get_origin(kind) is Literal:
        *first, last = map(repr, get_args(kind))
        return f"{', '.join(first)} or {last}" if first else last
    if kind in _NAMES:
        return _NAMES[kind]
    return _wanted(get_args(kind)[0], value, bounds, False)  # of ``str | None``


def _refused(
    where: KeyPath, value: Any, wanted: str, what: str = "should be"
) -> Invalid:
    """What is wrong and what to write."""
    text = f"is {_shown(where, value)} but should be {wanted}: write {_example(where)}"
    return Invalid([(where, _noted(text, value))])


def _noted(sentence: str, value: Any) -> str:
    """The sentence, and which pasted character may be to blame."""
    texts = value if isinstance(value, list) else [value]
    note = pasted_note("".join(x for x in texts if isinstance(x, str)))
    return f"{sentence} ({note})" if note else sentence


def _shown(where: KeyPath, value: Any) -> str:
    """What was written; never a secret, nor a table or list that may hold one."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    key = _key_at(where)
    if key is not None and not key.repr:
        return "something else (a secret, not shown)"
    try:
        shown = mask(repr(value).replace("'", '"'))
    except ValueError:  # what Python says to numbers of more than 4,300 digits
        return "a number of thousands of digits"
    return shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}..."


def _is_required(key: DataclassField[Any]) -> bool:
    return key.default is MISSING and key.default_factory is MISSING


def _key_at(where: KeyPath) -> DataclassField[Any] | None:
    """The key that a value belongs to, itself or as an item of a list."""
    names = [part for part in where if isinstance(part, str)]
    parent = _section_at(tuple(names[:-1]))
    return keys_of(parent).get(names[-1]) if parent and names else None


def _unknown_key(where: KeyPath) -> str:
    from difflib import get_close_matches  # the service holds on to what it loads

    parent = _section_at(where[:-1])
    known = list(keys_of(parent)) if parent else []
    close = get_close_matches(str(where[-1]), known, 1, 0.6)
    what = "unknown section" if len(where) == 1 else "unknown key"
    if close:
        return f'{what}; did you mean "{close[0]}"?'
    return f"{what}; remove it, or write one of: {', '.join(known)}"


def _section_at(where: KeyPath) -> type[Section] | None:
    """The section at a path."""
    found: type[Section] = Config
    for part in where:
        if isinstance(part, int):
            continue
        key = keys_of(found).get(part)
        wanted: Any = key.type if key else None
        wanted = next(iter(get_args(wanted)), wanted)
        if not (isinstance(wanted, type) and issubclass(wanted, Section)):
            return None
        found = wanted
    return found


def _example(where: KeyPath) -> str:
    """The line to write for a key."""
    names = [part for part in where if isinstance(part, str)]
    if names == ["listen"]:
        return '[[listen]] with transport = "udp" and address = "127.0.0.5:5060"'
    parent = _section_at(tuple(names[:-1]))
    key = keys_of(parent).get(names[-1]) if parent else None
    value = None if key is None else rules_of(key).example
    if key is not None and value is None and not _is_required(key):
        make = key.default_factory
        value = key.default if make is MISSING else make()
    if value is None or isinstance(value, Section):
        return f"a section [{names[-1]}]"
    return f"{names[-1]} = {toml_value(value)}"
