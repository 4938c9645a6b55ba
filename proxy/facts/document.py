"""The file of Get-WaypostFacts.ps1, in whatever way a Windows wrote it.

The script writes UTF-8 without a mark.  A file may have gone through ``>`` (UTF-16),
an editor (a mark), or another version of ConvertTo-Json (``{"value": [...], "Count":
n}`` in place of a list, a list of one without its brackets, ``/Date(n)/``).
"""

import json
import re
from datetime import UTC, datetime
from typing import Any, Final

from proxy.facts.model import Facts, Row, Section

FORMAT: Final = 1
LIMIT: Final = 16 * 1024 * 1024
"""Bytes of a file; a forest of a hundred domains makes some hundred kilobytes."""
_LATEST: Final = 4_102_444_800.0  # the year 2100
_DATE: Final = re.compile(r"/Date\((-?\d{1,15})(?:[+-]\d{4})?\)/\Z")


class FactsError(Exception):
    """The file cannot be used, in a sentence."""


def read_facts(data: bytes) -> Facts:
    """The facts in a file's bytes; raises FactsError."""
    if len(data) > LIMIT:
        raise FactsError(f"it has more than {LIMIT >> 20} MiB: is it the right file?")
    try:
        document = _unwrap(json.loads(decode(data)))
    except UnicodeDecodeError:
        raise FactsError(
            "it is neither UTF-8 nor UTF-16: copy the file as it is, byte for byte"
        ) from None
    except RecursionError:
        raise FactsError("it is nested too deeply to be facts") from None
    except ValueError as error:
        raise FactsError(
            f"it is no JSON ({error}): run Get-WaypostFacts.ps1 again, and copy the "
            "whole file"
        ) from None
    if not isinstance(document, dict) or not isinstance(document.get("format"), int):
        raise FactsError(
            'it has no "format": it was not written by Get-WaypostFacts.ps1 ("waypost '
            'facts script" prints that)'
        )
    if document["format"] != FORMAT:
        raise FactsError(
            f"it has format {document['format']}, and this version reads {FORMAT}: run "
            'the script that "waypost facts script" prints'
        )
    return _facts(document)


def decode(data: bytes) -> str:
    """The text; raises UnicodeDecodeError."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    if data[:2].count(0) == 1:  # JSON begins with ASCII: one of two bytes is 0
        return data.decode("utf-16-be" if data[0] == 0 else "utf-16-le")
    return data.decode("utf-8-sig")


def _unwrap(value: Any) -> Any:
    """Lists as lists, however they were wrapped."""
    if isinstance(value, list):
        return [_unwrap(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"value", "Count"}:
        inner = _unwrap(value["value"])
        return inner if isinstance(inner, list) else [inner]
    return {name: _unwrap(each) for name, each in value.items()}


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def instant(value: Any) -> float | None:
    """Seconds since the epoch of a date in any of its spellings, or None."""
    if isinstance(value, dict):  # Get-Date's own decoration
        value = value.get("value", value.get("DateTime"))
    if not isinstance(value, str):
        return None
    found = _DATE.match(value)
    if found:
        seconds = int(found[1]) / 1000
    else:
        try:
            read = datetime.fromisoformat(value)
            seconds = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    return seconds if 0 < seconds < _LATEST else None


def _facts(document: dict[str, Any]) -> Facts:
    sections = document.get("sections")
    if not isinstance(sections, dict):
        sections = {}
    return Facts(
        script=_text(document, "script"),
        at=instant(document.get("time")),
        forest=_text(document, "forest"),
        computer=_text(document, "computer"),
        aliases=tuple(str(x).lower() for x in _list(document.get("aliases"))),
        waypost_fqdn=_text(document, "waypost_fqdn").lower(),
        sections={
            name: _section(each)
            for name, each in sections.items()
            if isinstance(each, dict)
        },
        absent=tuple(str(x) for x in _list(document.get("absent"))),
    )


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    return "" if value is None else str(value)


def _section(value: dict[str, Any]) -> Section:
    error = _text(value, "error")
    rows = _list(value.get("rows"))
    if not all(isinstance(row, dict) for row in rows):
        # ConvertTo-Json makes text of what is too deep for it.
        return Section(False, "its rows were written as text", _text(value, "cmdlet"))
    if value.get("ok") is not True:
        return Section(False, error or "it gives no reason", _text(value, "cmdlet"))
    return Section(True, "", _text(value, "cmdlet"), tuple(map(Row, rows)))
