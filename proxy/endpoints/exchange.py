"""What ``Get-CsPersistentChatEndpoint | Export-Csv`` and ``ConvertTo-Json`` write.

Read with tolerance (columns may be missing, more or in any case; a ``#TYPE`` line;
UTF-16; semicolons) and written so that both PowerShell and we read it back.  Which
properties the cmdlet shows is not documented, so several names are understood.  Pure.
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
_INNER: Final = ("fqdn", "value", "address", "uri", "distinguishedname", "name")
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
    if data[1:2] == b"\0":
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
        values = json.loads(text)
    except ValueError as error:
        raise Refused(f"this is not JSON: {error}") from None
    if isinstance(values, dict):
        # PowerShell 5 wraps a list as {"value": [...], "Count": 2}.
        inner = values.get("value")
        values = inner if isinstance(inner, list) else [values]
    if not all(isinstance(each, dict) for each in values):
        raise Refused("the JSON should be a list of objects, one for each endpoint")
    return list(values)


def _csv_rows(text: str) -> list[ImportedRow]:
    lines = text.splitlines(keepends=True)
    skipped = 0
    while skipped < len(lines) and _is_preamble(lines[skipped]):
        skipped += 1
    if skipped == len(lines):
        raise Refused("the file is empty: nothing to import")
    head = lines[skipped]
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.DictReader(io.StringIO("".join(lines[skipped:])), delimiter=delimiter)
    try:
        return _table_rows(reader, skipped)
    except csv.Error as error:
        raise Refused(f"this is not CSV: {error}") from None


def _is_preamble(line: str) -> bool:
    """What PowerShell, and what Excel, put before the names of the columns."""
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
            words = value if isinstance(value, list) else str(value).split()
            uris = tuple(map(str, words))
        elif field and (text := _text_of(value)):
            found.setdefault(field, text)
        elif field and value == "":
            found.setdefault(field, "")
    identity = found.pop("identity", "")
    # The Identity of the directory is a DN, ours is the address.
    address = found.pop("sip_address", "") or ("" if "=" in identity else identity)
    if not found.get("pool_fqdn"):
        found.pop("pool_fqdn", None)
    return ImportedRow(place, address, service_uris=uris, **found)


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
    """Addresses out of a pipe: objects with an address, or plain words on lines."""
    stripped = text.strip()
    if stripped[:1] not in ("[", "{"):
        return [line.strip() for line in stripped.splitlines() if line.strip()]
    try:
        values = json.loads(stripped)
    except ValueError as error:
        raise Refused(f"what came through the pipe is not JSON: {error}") from None
    rows = values if isinstance(values, list) else [values]
    return [
        each if isinstance(each, str) else _row("", each).sip_address
        for each in rows
        if isinstance(each, str | dict)
    ]
