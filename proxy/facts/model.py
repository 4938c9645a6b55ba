"""Facts as values: sections of rows, and what we want of them.

A section that was not read is not an empty one: it has the reason instead of rows.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Verdict = Literal["ok", "warning", "failed", "unknown"]
Topology = Literal["a", "b", "c"]
_NUMBER: Final = re.compile(r"[0-9]{1,9}\Z")
_FLAGS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Row:
    """One object of Lync's; a property that is missing or null is empty or None."""

    values: Mapping[str, Any]

    def text(self, name: str) -> str:
        """The property as text, without blanks around it."""
        value = self.values.get(name)
        return "" if value is None else str(value).strip()

    def lower(self, name: str) -> str:
        """The property for comparing: names and addresses have no case."""
        return self.text(name).lower()

    def flag(self, name: str) -> bool | None:
        """True, False, or None when Lync does not say."""
        value = self.values.get(name)
        if isinstance(value, bool):
            return value
        return _FLAGS.get(str(value).lower())

    def number(self, name: str) -> int | None:
        """A whole number, also from text."""
        text = self.text(name)
        return int(text) if _NUMBER.match(text) else None

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts in lower case; one alone may have lost its brackets."""
        value = self.values.get(name)
        if value is None or value == "":
            return ()
        return tuple(str(x).lower() for x in (value if _is_list(value) else [value]))


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


@dataclass(frozen=True, slots=True)
class Section:
    """What one cmdlet said: rows when ``ok``, else why there are none."""

    ok: bool
    error: str = ""
    cmdlet: str = ""
    rows: tuple[Row, ...] = ()

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def where(self, name: str, value: str) -> list[Row]:
        """The rows whose property is this, without regard to case."""
        return [row for row in self.rows if row.lower(name) == value.lower()]


@dataclass(frozen=True, slots=True)
class Facts:
    """A file: its head and its sections."""

    script: str
    at: float | None
    forest: str
    computer: str
    aliases: tuple[str, ...]
    waypost_fqdn: str
    sections: Mapping[str, Section]
    absent: tuple[str, ...] = ()

    def section(self, name: str) -> Section:
        """A section; one that the file lacks was not read."""
        missing = Section(False, f"the file has no section {name}")
        return self.sections.get(name, missing)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What our side is: addresses and their pools, our name and ports.

    ``aliases`` is ``sip:user@host`` in lower case → pool; ``pool_ports`` has pools
    whose port is fixed.  ``topology`` None: by what the facts show for each alias.
    """

    aliases: Mapping[str, str]
    fqdn: str
    ports: frozenset[int]
    pool_ports: Mapping[str, int] = field(default_factory=dict)
    topology: Topology | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One step: ``of`` an address, a pool or a domain; ``fix`` is what mends it."""

    of: str
    name: str
    verdict: Verdict
    text: str
    fix: str = ""


Findings = Iterator[Finding]
