"""What ``Get-CsPersistentChatEndpoint | Export-Csv`` and ``ConvertTo-Json`` write.

We read it with tolerance: columns may be missing, there may be more of them and in any
case, and a ``#TYPE`` line, UTF-16 and semicolons are no trouble.  What we write can be
read back by PowerShell and by us.  Microsoft does not document which properties the
cmdlet shows, so we understand several names for each.  Pure.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proxy.endpoints.address import Refused
from proxy.endpoints.model import Endpoint

_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "sip_address": ("sipaddress", "primaryuri", "uri"),
    "identity": ("identity",),
    "pool_fqdn": (
        *("persistentchatpoolfqdn", "persistentchatpool", "poolfqdn", "pool"),
        *("targetpool", "registrarpool"),
    ),
    "display_name": ("displayname",),
    "request_uri": ("requesturi",),
    "service_uris": ("serviceuris", "serviceuri"),
    "state": ("state",),
    "retired_text": ("retiredtext",),
}
_FIELD_OF: Final = {name: field for field, names in _NAMES.items() for name in names}
_INNER: Final = (
    *("fqdn", "value", "address", "uri", "originalstring", "absoluteuri"),
    *("distinguishedname", "name"),
)
"""Where the text of a nested object stands, the likeliest first."""
_DELIMITERS: Final = ";,\t|"
COLUMNS: Final = (
    *("Identity", "SipAddress", "DisplayName", "PersistentChatPoolFqdn"),
    *("RequestUri", "ServiceUris", "State", "RetiredText"),
)


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One object of the file; ``place`` says where ("line 3"); None is "not said"."""

    place: str
    sip_address: str
    pool_fqdn: str | None = None
    display_name: str | None = None
    request_uri: str | None = None
    service_uris: tuple[str, ...] | None = None
    state: str | None = None
    retired_text: str | None = None


def decode(data: bytes) -> str:
    """The text of a file as PowerShell writes it: UTF-16, UTF-32 or UTF-8 with or
    without a byte order mark, else the old Western code page.
    """
    if data[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return data.decode("utf-32", "replace")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    if data[1:2] == b"\0":  # no mark, but the high byte of an ASCII character
        return data.decode("utf-16-le", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def read_rows(text: str) -> list[ImportedRow]:
    """Every object of a CSV or JSON text; raises Refused when it is neither."""
    if text.lstrip()[:1] in ("[", "{"):
        return [_row(f"object {n}", each) for n, each in enumerate(_objects(text), 1)]
    return _csv_rows(text)


def _objects(text: str) -> list[Mapping[str, Any]]:
    try:
        values = _list_of(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise Refused(f"this is not JSON: {error}") from None
    if values is None or not all(isinstance(each, dict) for each in values):
        raise Refused("the JSON should be a list of objects, one for each endpoint")
    return values


def _list_of(value: Any) -> list[Any] | None:
    """The items of a list, also as PowerShell 5 wraps one: {"value": [], "Count": 0}.

    A single object counts as a list of one, because ConvertTo-Json writes such a list
    without brackets.  None for anything else.
    """
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return None
    inner = {str(name).lower(): each for name, each in value.items()}
    if isinstance(inner.get("value"), list):
        return list(inner["value"])
    return [value]


def _csv_rows(text: str) -> list[ImportedRow]:
    lines = text.splitlines(keepends=True)
    skipped = 0
    while skipped < len(lines) and _is_preamble(lines[skipped]):
        skipped += 1
    if skipped == len(lines):
        raise Refused("the file is empty: nothing to import")
    try:
        delimiter = _told(lines[:skipped]) or _delimiter(lines[skipped:])
        text = "".join(lines[skipped:])
        reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
        return _table_rows(reader, skipped)
    except csv.Error as error:
        raise Refused(f"this is not CSV: {error}") from None


def _told(preamble: Sequence[str]) -> str:
    """The delimiter of Excel's ``sep=;``; empty without one."""
    told = [line[4:5] for line in preamble if line[:4].lower() == "sep="]
    return told[0] if told and told[0] in _DELIMITERS else ""


def _delimiter(lines: Sequence[str]) -> str:
    """The delimiter that splits the head into the most names that we know."""

    def worth(delimiter: str) -> tuple[int, int]:
        # Read as CSV, because a delimiter between quotes separates nothing.
        head = next(csv.reader(lines, delimiter=delimiter))
        return sum(map(bool, map(_field, head))), len(head)

    return max(_DELIMITERS, key=worth)


def _is_preamble(line: str) -> bool:
    """Whether PowerShell or Excel has put this line before the names of the columns."""
    is_note = line.startswith("#TYPE") or line[:4].lower() == "sep="
    return is_note or not line.strip()


def _table_rows(reader: "csv.DictReader[str]", skipped: int) -> list[ImportedRow]:
    known = [name for name in reader.fieldnames or () if _field(name)]
    if not {"sip_address", "identity"} & {_field(name) for name in known}:
        raise Refused(
            "no column is called SipAddress or Identity: export with "
            "Get-CsPersistentChatEndpoint | Export-Csv endpoints.csv"
        )
    return [
        _row(f"line {reader.line_num + skipped}", each)
        for each in reader
        if any(value for value in each.values() if isinstance(value, str))
    ]


def _field(name: str | None) -> str:
    return _FIELD_OF.get((name or "").replace("_", "").replace(" ", "").lower(), "")


def _row(place: str, values: Mapping[str, Any]) -> ImportedRow:
    found: dict[str, str] = {}
    uris: tuple[str, ...] | None = None
    for name, value in values.items():
        field = _field(name)
        if field == "service_uris" and value is not None:
            uris = _uris_of(value)
        elif field and (text := _text_of(value)):
            found.setdefault(field, text)
        elif field and value == "":
            found.setdefault(field, "")
    identity = found.pop("identity", "")
    # Active Directory's Identity is a distinguished name, ours is the address.
    address = found.pop("sip_address", "") or ("" if "=" in identity else identity)
    if not found.get("pool_fqdn"):
        found.pop("pool_fqdn", None)
    return ImportedRow(place, address, service_uris=uris, **found)


def _uris_of(value: Any) -> tuple[str, ...]:
    """Service URIs: one text with blanks or semicolons between, or any list."""
    if isinstance(value, str):
        return tuple(value.replace(";", " ").split())
    items = _list_of(value)
    texts = (
        each if isinstance(each, str) else _text_of(each)
        for each in ([value] if items is None else items)
    )
    return tuple(text for text in texts if text)


def _text_of(value: Any) -> str:
    """A property as text; ConvertTo-Json nests what is an object in PowerShell."""
    if isinstance(value, dict):
        inner = {str(name).lower(): each for name, each in value.items()}
        named = (inner.get(name) for name in _INNER)
        return next((each.strip() for each in named if isinstance(each, str)), "")
    return "" if value is None or isinstance(value, list) else str(value).strip()


# -- writing -------------------------------------------------------------------------


def _as_exported(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "Identity": endpoint.sip_address,
        "SipAddress": endpoint.sip_address,
        "DisplayName": endpoint.display_name,
        "PersistentChatPoolFqdn": endpoint.pool_fqdn,
        "RequestUri": endpoint.request_uri,
        "ServiceUris": list(endpoint.service_uris),
        "State": endpoint.state,
        "RetiredText": endpoint.retired_text,
    }


def to_csv(endpoints: Iterable[Endpoint]) -> str:
    """As ``Export-Csv -NoTypeInformation`` writes it: every cell in quotes."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for endpoint in endpoints:
        values = _as_exported(endpoint)
        values["ServiceUris"] = " ".join(values["ServiceUris"])
        writer.writerow([values[name] for name in COLUMNS])
    return out.getvalue()


def to_json(endpoints: Iterable[Endpoint]) -> str:
    """As ``ConvertTo-Json`` writes it, always a list."""
    rows = [_as_exported(each) for each in endpoints]
    return json.dumps(rows, indent=2, ensure_ascii=False)


def identities_of(text: str) -> Sequence[str]:
    """Addresses out of a pipe: objects with an address, a CSV, or a word on each line.

    Raises Refused for what names nothing, so that it is not taken for "none".
    """
    stripped = text.strip()
    if stripped[:1] not in ("[", "{"):
        if _is_table(stripped):
            return [_named(row) for row in _csv_rows(stripped)]
        return [line.strip() for line in stripped.splitlines() if line.strip()]
    try:
        values = json.loads(stripped)
    except (ValueError, RecursionError) as error:
        raise Refused(f"what came through the pipe is not JSON: {error}") from None
    return [
        _identity(f"object {number}", each)
        for number, each in enumerate(_list_of(values) or (), 1)
    ]


def _is_table(text: str) -> bool:
    """Whether lines are a CSV with a column for the address, and no list of addresses.

    No endpoint is called as a column is, so the first line tells.
    """
    lines = text.splitlines(keepends=True)
    if not lines or _is_preamble(lines[0]):
        return bool(lines)
    try:
        head = next(csv.reader(lines, delimiter=_delimiter(lines)), [])
    except csv.Error:
        return False
    return bool({"sip_address", "identity"} & {_field(name) for name in head})


def _identity(place: str, value: Any) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, dict):
        return _named(_row(place, value))
    raise Refused(_NAMES_NOTHING.format(place))


def _named(row: ImportedRow) -> str:
    if not row.sip_address:
        raise Refused(_NAMES_NOTHING.format(row.place))
    return row.sip_address


_NAMES_NOTHING: Final = (
    "what came through the pipe names no endpoint: {} has no SIP address. Pipe what "
    '"waypost endpoint get --json" prints, or an address on each line; nothing was '
    "changed"
)
