"""The plan of a cutover, as the administrator writes it (TOML), checked.

    name = "first weekend"        # optional
    confirm_within = 30           # minutes, optional

    [[change]]
    sip_address = "sip:ocschat@contoso.com"
    pool_fqdn   = "pcpool.contoso.com"
    expect_pool = "oldpool.contoso.com"  # refuse when it leads elsewhere now
    create      = true                   # make it when it is not there yet

Every mistake is named at once.  Knows nothing of the endpoint table.
"""

import re
from dataclasses import dataclass
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
_TOP: Final = ("name", "confirm_within", "change")
MAX_MINUTES: Final = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One endpoint and where it shall lead.

    ``expect_pool`` is the pool it must lead to before (None: any, empty: it must not
    exist); ``no_live_binding`` refuses while somebody is registered for the address.
    """

    sip_address: str
    pool_fqdn: str
    display_name: str | None = None
    request_uri: str | None = None
    service_uris: tuple[str, ...] | None = None
    expect_pool: str | None = None
    create: bool = False
    no_live_binding: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole plan file; ``confirm_within`` in minutes."""

    name: str
    changes: tuple[PlannedChange, ...]
    confirm_within: float | None = None


def parse_plan(text: str, name: str) -> Plan:
    """Read a plan; ``name`` is the file's.  Raises Refused with every mistake."""
    import tomllib  # a server that may roll a cutover back reads no plans

    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line, mistake = toml_mistake(text, error)
        raise Refused(f"{name}:{line}: {mistake}") from None
    problems = [f"{_unknown(key, _TOP)}" for key in values if key not in _TOP]
    rows = values.get("change")
    if not isinstance(rows, list) or not rows:
        problems.append("there is no [[change]]: write one for each endpoint")
        rows = []
    changes = [_change(row, number, problems) for number, row in enumerate(rows, 1)]
    problems += _repeated(changes)
    within = values.get("confirm_within")
    if within is not None and not _is_minutes(within):
        problems.append("confirm_within is a number of minutes, 1 or more")
    if problems:
        raise Refused("\n".join(f"{name}: {problem}" for problem in problems))
    title = values.get("name", name)
    return Plan(str(title), tuple(c for c in changes if c is not None), within)


def _is_minutes(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 < value <= MAX_MINUTES
    )


def _change(row: Any, number: int, problems: list[str]) -> PlannedChange | None:
    found = [] if isinstance(row, dict) else ["is not a table: write [[change]]"]
    for key, value in row.items() if isinstance(row, dict) else ():
        wanted = _KEYS.get(key)
        if wanted is None:
            found.append(_unknown(key, tuple(_KEYS)))
        elif not isinstance(value, wanted):
            found.append(f"{key} should be {_WORDS[wanted]}")
    if not found:
        found = [
            f"{key} is missing"
            for key in ("sip_address", "pool_fqdn")
            if key not in row
        ]
    if not found and row.get("expect_pool"):
        try:
            row["expect_pool"] = normalise_fqdn(row["expect_pool"])
        except Refused as refusal:
            found.append(f"expect_pool: {refusal}")
    if found:
        problems += [f"change {number}: {problem}" for problem in found]
        return None
    uris = row.pop("service_uris", None)
    return PlannedChange(
        **row, service_uris=None if uris is None else tuple(map(str, uris))
    )


_WORDS: Final = {str: "text in quotes", bool: "true or false", list: "a list of texts"}


def _unknown(key: str, known: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(key, known, 1)
    hint = f'did you mean "{close[0]}"?' if close else f"use {', '.join(known)}"
    return f"{key}: unknown key; {hint}"


def _repeated(changes: list[PlannedChange | None]) -> list[str]:
    seen: set[str] = set()
    problems = []
    for number, change in enumerate(changes, 1):
        if change is None:
            continue
        key = re.sub(r"^sip:", "", change.sip_address.strip().lower())
        if key in seen:
            problems.append(f"change {number}: {change.sip_address} stands there twice")
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
