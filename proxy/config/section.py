"""What every section of the configuration has in common.

Sections are plain dataclasses; ``validation.py`` makes them out of a file's tables.
"""

from collections.abc import Callable, Mapping
from dataclasses import Field as DataclassField
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self, TypeVar, dataclass_transform

_RULES: Final = "rules"
_IN_FILE: Final = "in_file"
_KEY: Final = "key"
_MISSING: Final[Any] = object()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a key may be, besides its type.

    ``bounds`` are msgspec's (``gt``, ``ge``, ``le``, ``min_length``).  ``check`` gets
    a value of the right type, ``check_raw`` whatever was written; both return the value
    to use and raise ValueError with a sentence that says what to write.
    """

    bounds: Mapping[str, float]
    check: Callable[[Any], Any] | None
    check_raw: Callable[[Any], Any] | None
    example: Any


def setting(
    *,
    default: Any = _MISSING,
    example: Any = None,
    check: Callable[[Any], Any] | None = None,
    check_raw: Callable[[Any], Any] | None = None,
    repr: bool = True,
    key: str = "",
    **bounds: float,
) -> Any:
    """A key of a section; without ``default`` it must be written.

    ``example`` is what an error tells people to write instead of the default, ``key``
    what is written where Python cannot call it so.
    """
    metadata: dict[str, Any] = {_RULES: Rules(bounds, check, check_raw, example)}
    if key:
        metadata[_KEY] = key
    if default is _MISSING:
        return field(metadata=metadata, repr=repr)
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=metadata, repr=repr)
    return field(default=default, metadata=metadata, repr=repr)


def aside(*, default: Any) -> Any:
    """What a section knows about itself and no file may say."""
    return field(default=default, metadata={_IN_FILE: False}, compare=False, repr=False)


@dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(setting,)
)
def section(cls: type[T]) -> type[T]:
    """Make a class a section: frozen, with slots, keys by name only."""
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)


@section
class Section:
    """One table of the file.  Unknown keys are errors, types are TOML's own.

    A check of several keys together is a ``__post_init__`` that raises ValueError.
    """

    @classmethod
    def from_keys(cls, keys: dict[str, Any]) -> Self:
        """The section of the keys that were written, each right by itself.

        Raises ValueError with a sentence that says what to write.
        """
        return cls(**keys)

    def as_table(self) -> dict[str, Any]:
        """Every key and its value in force, as plain types, tables inside too."""
        return {name: _plain(getattr(self, name)) for name in keys_of(type(self))}


def keys_of(cls: type[Section]) -> dict[str, DataclassField[Any]]:
    """What may stand in a table of the file, in the order of the class."""
    return {
        each.metadata.get(_KEY, each.name): each
        for each in fields(cls)
        if each.metadata.get(_IN_FILE, True)
    }


def rules_of(key: DataclassField[Any]) -> Rules:
    """The rules of a key; a key written without ``setting()`` has none."""
    rules: Rules = key.metadata.get(_RULES, _NO_RULES)
    return rules


_NO_RULES: Final = Rules({}, None, None, None)


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.as_table()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
