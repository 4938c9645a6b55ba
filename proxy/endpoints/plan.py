"""The plan of a cutover, as the administrator writes it (TOML), checked.

    name = "first weekend"        # optional
    confirm_within = 30           # minutes, optional

    [[change]]
    sip_address = "sip:ocschat@contoso.com"
    pool_fqdn   = "pcpool.contoso.com"
    expect_pool = "oldpool.contoso.com"  # refuse when it leads elsewhere now
    create      = true                   # make it when it is not there yet

All mistakes are reported at once.  The endpoint table is not read here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.endpoints.address import Refused, normalise_fqdn
from proxy.sip.pasted import pasted_note, toml_mistake

_KEYS: Final[dict[str, type]] = {
    "sip_address": str,
    "pool_fqdn": str,
    "display_name": str,
    "request_uri": str,
    "service_uris": list,
    "expect_pool": str,
    "create": bool,
    "no_live_binding": bool,
}
_ITEM: Final = re.compile(r"""(["'])([^"']*)\1\s*(?:[],#]|$)""")
"""A line of a list over several lines: one text and nothing before it."""
_TOP: Final = ("name", "confirm_within", "change")
MAX_MINUTES: Final = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One endpoint and where it shall lead.

    ``expect_pool`` is the pool it must lead to before (None: any, empty: it must not
    exist); ``no_live_binding`` refuses while somebody is registered for the address.
    ``lines`` has the line of each key, of each text of a list that has a line of its
    own, and under "" that of the change itself.
    """

    sip_address: str
    pool_fqdn: str
    display_name: str | None = None
    request_uri: str | None = None
    service_uris: tuple[str, ...] | None = None
    expect_pool: str | None = None
    create: bool = False
    no_live_binding: bool = True
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    def line_of(self, key: str, text: str = "") -> int:
        """The line of a key, or of a text in its list; else that of the change."""
        found = self.lines.get(_quoted(text)) or self.lines.get(key)
        return found or self.lines.get("", 0)


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole plan file; ``confirm_within`` in minutes.

    ``problems`` are the mistakes that were found without looking at the table, each
    with its place in ``file``.
    """

    name: str
    changes: tuple[PlannedChange, ...]
    confirm_within: float | None = None
    file: str = ""
    problems: tuple[str, ...] = ()
    text: str = field(default="", compare=False, repr=False)


def parse_plan(text: str, name: str) -> Plan:
    """Read a plan; ``name`` is the file's.  Raises Refused with every mistake."""
    plan = read_plan(text, name)
    if plan.problems:
        raise Refused("\n".join(plan.problems))
    return plan


def read_plan(text: str, name: str) -> Plan:
    """Read a plan with its mistakes in ``problems``; a change with one is left out.

    Raises Refused when it is no TOML: then nothing can be said of the rest.
    """
    import tomllib  # a server that may roll a cutover back reads no plans

    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line, mistake = toml_mistake(text, error)
        raise Refused(f"{name}:{line}: {mistake}") from None
    lines = _Lines(text)
    problems = [
        (lines.top(key), _unknown(key, _TOP)) for key in values if key not in _TOP
    ]
    rows = values.get("change")
    if not isinstance(rows, list) or not rows:
        problems.append((0, "there is no [[change]]: write one for each endpoint"))
        rows = []
    changes = [_change(row, n, lines, problems) for n, row in enumerate(rows, 1)]
    problems += _repeated(changes)
    within = values.get("confirm_within")
    if within is not None and not _is_minutes(within):
        at = lines.top("confirm_within")
        problems.append((at, "confirm_within is a number of minutes, 1 or more"))
        within = None
    title = values.get("name", name)
    return Plan(
        str(title),
        tuple(c for c in changes if c is not None),
        within,
        name,
        tuple(f"{place(name, line)}: {problem}" for line, problem in sorted(problems)),
        text,
    )


def place(name: str, line: int) -> str:
    """Where in a file; without a line where there is none."""
    return f"{name}:{line}" if line else name


def _quoted(text: str) -> str:
    """A text of a list as ``lines`` names it; the quotes tell it from a key."""
    return f'"{text}"'


class _Lines:
    """On which line each key stands, in plans as people write them: tomllib does not
    tell."""

    def __init__(self, text: str) -> None:
        # Keys outside the changes, then those of each change; "" is its own line.
        self._blocks: list[dict[str, int]] = [{}]
        for number, line in enumerate(text.splitlines(), 1):
            head = line.strip()
            if head.startswith("[[") and head[2:].lstrip().startswith("change"):
                self._blocks.append({"": number})
                continue
            item = _ITEM.match(head)
            if item is not None:
                self._blocks[-1].setdefault(_quoted(item[2]), number)
            elif not head.startswith("#"):
                key = head.partition("=")[0].strip().strip("\"'")
                self._blocks[-1].setdefault(key, number)

    def top(self, key: str) -> int:
        """The line of a key outside the changes; 0 when it is not there."""
        return self._blocks[0].get(key, 0)

    def of(self, number: int, key: str = "") -> int:
        """The line of a key of the change with this number, or of the change itself."""
        if number >= len(self._blocks):
            return self.top("change")
        block = self._blocks[number]
        return block.get(key, block[""])

    def all_of(self, number: int) -> dict[str, int]:
        """The lines of everything in the change with this number."""
        if number >= len(self._blocks):
            return {"": self.top("change")}
        return self._blocks[number]


Problem = tuple[int, str]


def _is_minutes(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 < value <= MAX_MINUTES
    )


def _change(
    row: Any, number: int, lines: _Lines, problems: list[Problem]
) -> PlannedChange | None:
    found: list[Problem] = []

    def wrong(key: str, text: str) -> None:
        found.append((lines.of(number, key), f"change {number}: {text}"))

    if not isinstance(row, dict):
        wrong("", "is not a table: write [[change]]")
        problems += found
        return None
    for key, value in row.items():
        wanted = _KEYS.get(key)
        if wanted is None:
            wrong(key, _unknown(key, tuple(_KEYS)))
        elif not isinstance(value, wanted):
            wrong(key, f"{key} should be {_WORDS[wanted]}")
    for key in ("sip_address", "pool_fqdn"):
        if key not in row:
            wrong("", f"{key} is missing")
    expected = row.get("expect_pool")
    if expected and isinstance(expected, str):
        try:
            row["expect_pool"] = normalise_fqdn(expected)
        except Refused as refusal:
            wrong("expect_pool", f"expect_pool: {refusal}")
    if found:
        problems += found
        return None
    uris = row.pop("service_uris", None)
    return PlannedChange(
        **row,
        service_uris=None if uris is None else tuple(map(str, uris)),
        lines=lines.all_of(number),
    )


_WORDS: Final = {str: "text in quotes", bool: "true or false", list: "a list of texts"}


def _unknown(key: str, known: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(key, known, 1)
    hint = f'did you mean "{close[0]}"?' if close else f"use {', '.join(known)}"
    return f"{key}: unknown key; {hint}"


def _repeated(changes: list[PlannedChange | None]) -> list[Problem]:
    seen: set[str] = set()
    problems = []
    for number, change in enumerate(changes, 1):
        if change is None:
            continue
        key = re.sub(r"^sip:", "", change.sip_address.strip().lower())
        if key in seen:
            text = f"change {number}: {change.sip_address} stands there twice"
            problems.append((change.line_of("sip_address"), text))
        seen.add(key)
    return problems


def parse_pilots(text: str, name: str) -> frozenset[str]:
    """A pilot list: one address on each line, ``#`` begins a comment.

    Returns ``user@host`` in lower case; raises Refused.
    """
    found = set()
    for number, line in enumerate(text.splitlines(), 1):
        word = line.partition("#")[0].strip()
        if not word:
            continue
        aor = word.lower().removeprefix("sip:")
        user, at, host = aor.partition("@")
        note = pasted_note(aor)
        if not user or not at or not host or " " in aor or note:
            why = f": {note}" if note else ""
            raise Refused(
                f'{name}:{number}: "{word}" is not an address such as '
                f"alice@contoso.com{why}"
            )
        found.add(aor)
    if not found:
        raise Refused(f"{name} names no pilot: write one address on each line")
    return frozenset(found)
