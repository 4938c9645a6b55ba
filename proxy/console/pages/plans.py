"""The plan of a cutover as a table: rows of a form, and the file they stand for.  Pure.

The file is the same that ``waypost cutover plan`` reads, so a plan that was made on the
page can be taken to the command, and one that was written by hand to the page.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from proxy.endpoints.model import Endpoint
from proxy.endpoints.plan import Plan
from proxy.facts.model import Facts

MANY: Final = 2000
"""Rows that a page shows; a plan of more is for the command."""


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One endpoint of the table; texts as they were typed."""

    sip_address: str = ""
    pool_fqdn: str = ""
    expect_pool: str | None = None
    create: bool = False
    display_name: str = ""
    request_uri: str = ""
    service_uris: str = ""
    live: bool = False

    @property
    def has_more(self) -> bool:
        """Whether more is said than address and pool."""
        return bool(self.display_name or self.request_uri or self.service_uris)


@dataclass(frozen=True, slots=True)
class PlanTable:
    """A whole plan."""

    name: str = ""
    confirm_within: str = ""
    rows: tuple[PlanRow, ...] = ()

    def text(self) -> str:
        """The file."""
        lines = []
        if self.name:
            lines.append(f"name = {_text(self.name)}")
        if self.confirm_within:
            lines.append(f"confirm_within = {_number(self.confirm_within)}")
        for row in self.rows:
            lines += ["", "[[change]]", *_lines(row)]
        return "\n".join(lines).lstrip("\n") + "\n"


def _lines(row: PlanRow) -> Iterable[str]:
    yield f"sip_address = {_text(row.sip_address)}"
    yield f"pool_fqdn = {_text(row.pool_fqdn)}"
    if row.expect_pool is not None:
        yield f"expect_pool = {_text(row.expect_pool)}"
    if row.create:
        yield "create = true"
    if row.display_name:
        yield f"display_name = {_text(row.display_name)}"
    if row.request_uri:
        yield f"request_uri = {_text(row.request_uri)}"
    if row.service_uris:
        uris = row.service_uris.replace(",", " ").split()
        yield f"service_uris = [{', '.join(map(_text, uris))}]"
    if row.live:
        yield "no_live_binding = false"


def _text(value: str) -> str:
    """A basic string of TOML: it has the escapes of JSON, and wants one for DEL too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _number(value: str) -> str:
    """What was typed, when it is a number; else a text, which the reader refuses."""
    plain = value.strip().replace(",", ".")
    try:
        float(plain)
    except ValueError:
        return _text(value)
    return plain if plain[:1].isdigit() else _text(value)


def table_of(plan: Plan) -> PlanTable:
    """A plan that was read, as a table."""
    within = "" if plan.confirm_within is None else f"{plan.confirm_within:g}"
    rows = [
        PlanRow(
            each.sip_address,
            each.pool_fqdn,
            each.expect_pool,
            each.create,
            each.display_name or "",
            each.request_uri or "",
            " ".join(each.service_uris or ()),
            not each.no_live_binding,
        )
        for each in plan.changes
    ]
    return PlanTable(plan.name, within, tuple(rows))


def of_endpoints(endpoints: Iterable[Endpoint], pool: str) -> list[PlanRow]:
    """A row for every active endpoint that does not lead there yet."""
    return [
        PlanRow(each.sip_address, pool, each.pool_fqdn)
        for each in sorted(endpoints, key=lambda x: x.key)
        if each.state == "active" and each.pool_fqdn.lower() != pool.lower()
    ]


def of_facts(facts: Facts, known: Iterable[str], pool: str) -> list[PlanRow]:
    """A row for every address that was asked of Lync and is no endpoint yet."""
    there = {each.lower() for each in known}
    aliases = dict.fromkeys(each.strip().lower() for each in facts.aliases)
    return [
        PlanRow(alias, pool, "", True)
        for alias in aliases
        if alias and alias.removeprefix("sip:") not in there
    ]


def pools_of(facts: Facts) -> list[str]:
    """The Persistent Chat pools that Lync has."""
    names = (row.lower("pool_fqdn") for row in facts.section("chat_pools"))
    return sorted({each for each in names if each})


def table_of_form(fields: Iterable[tuple[str, str]]) -> PlanTable:
    """What a form says; a row begins with its address, and blank rows are left out."""
    name = within = ""
    rows: list[dict[str, str]] = []
    for key, value in fields:
        if key == "plan_name":
            name = value.strip()
        elif key == "confirm_within":
            within = value.strip()
        elif key == "sip_address":
            rows.append({key: value.strip()})
        elif rows:
            rows[-1].setdefault(key, value.strip())
    found = [
        _row(each) for each in rows if each["sip_address"] or each.get("pool_fqdn")
    ]
    return PlanTable(name, within, tuple(found))


def _row(values: dict[str, str]) -> PlanRow:
    expected = values.get("expect_pool", "")
    is_new = values.get("create") == "yes"
    return PlanRow(
        values["sip_address"],
        values.get("pool_fqdn", ""),
        # An endpoint that is to be made has no pool before.
        expected or ("" if is_new else None),
        is_new,
        values.get("display_name", ""),
        values.get("request_uri", ""),
        values.get("service_uris", ""),
        values.get("live") == "yes",
    )
