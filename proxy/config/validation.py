"""Checks a table against the sections, with pydantic, and words what is wrong.

The only module that loads pydantic, which is 12 MB: the running service reads its
configuration in a process of its own (``reader.py``) and never comes here.
"""

from collections.abc import Callable
from dataclasses import MISSING
from dataclasses import Field as DataclassField
from difflib import get_close_matches
from typing import Annotated, Any, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
)
from pydantic_core import ErrorDetails

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
    try:
        config: Config = _builder(Config)(_model(Config).model_validate(values))
    except ValidationError as error:
        raise Invalid([(x["loc"], _noted(x)) for x in error.errors()]) from None
    return config


# -- from our sections to pydantic's models ------------------------------------------


def _model(cls: type[Section]) -> type[BaseModel]:
    definitions: dict[str, Any] = {
        name: (_annotation(key), ... if _is_required(key) else None)
        for name, key in keys_of(cls).items()
    }
    strict = ConfigDict(strict=True, extra="forbid")
    made: type[BaseModel] = create_model(cls.__name__, __config__=strict, **definitions)
    return made


def _annotation(key: DataclassField[Any]) -> Any:
    rules = rules_of(key)
    wanted: Any = Annotated[_type(key.type), Field(**dict[str, Any](rules.bounds))]
    if rules.check is not None:
        wanted = Annotated[wanted, AfterValidator(rules.check)]
    if rules.check_raw is not None:
        wanted = Annotated[wanted, BeforeValidator(rules.check_raw)]
    return wanted


def _type(wanted: Any) -> Any:
    """The type as it is; of a section its model, which ends as the section."""
    if get_origin(wanted) is list:
        return list[_type(get_args(wanted)[0])]  # type: ignore[misc]
    if isinstance(wanted, type) and issubclass(wanted, Section):
        return Annotated[_model(wanted), AfterValidator(_builder(wanted))]
    return wanted


def _builder(cls: type[Section]) -> Callable[[BaseModel], Any]:
    def build(model: BaseModel) -> Section:
        written = model.model_fields_set
        return cls.from_keys({name: getattr(model, name) for name in written})

    return build


def _is_required(key: DataclassField[Any]) -> bool:
    return key.default is MISSING and key.default_factory is MISSING


# -- from pydantic's errors to sentences ---------------------------------------------


def _noted(detail: ErrorDetails) -> str:
    """The sentence, and which pasted character may be to blame."""
    value = detail["input"]
    texts = value if isinstance(value, list) else [value]
    note = pasted_note("".join(x for x in texts if isinstance(x, str)))
    return f"{_sentence(detail)} ({note})" if note else _sentence(detail)


def _sentence(detail: ErrorDetails) -> str:
    """What is wrong and what to write."""
    where: KeyPath = detail["loc"]
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown_key(where)
    if kind == "value_error":
        return detail["msg"].removeprefix("Value error, ")
    example = _example(where)
    if kind == "missing":
        return f"is missing: write {example}"
    what = detail["msg"][0].lower() + detail["msg"][1:]
    what = what.replace("input should", "should").replace("a valid ", "a ")
    if kind == "model_type":
        what = "should be a table"
    return f"is {_shown(where, detail['input'])} but {what}: write {example}"


def _shown(where: KeyPath, value: Any) -> str:
    """What was written; never a secret, nor a table or list that may hold one."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    key = _key_at(where)
    if key is not None and not key.repr:
        return "something else (a secret, not shown)"
    return mask(repr(value).replace("'", '"'))


def _key_at(where: KeyPath) -> DataclassField[Any] | None:
    """The key that a value belongs to, itself or as an item of a list."""
    names = [part for part in where if isinstance(part, str)]
    parent = _section_at(tuple(names[:-1]))
    return keys_of(parent).get(names[-1]) if parent and names else None


def _unknown_key(where: KeyPath) -> str:
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
