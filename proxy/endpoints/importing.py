"""The import of endpoints: rows of a file against the table, all or none.  Pure."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from proxy.endpoints.address import Refused, endpoint_address, normalise_display_name
from proxy.endpoints.changes import EndpointFields, RowChange, Rules
from proxy.endpoints.exchange import ImportedRow
from proxy.endpoints.model import Endpoint
from proxy.endpoints.table import EndpointTable

Verdict = Literal["create", "change", "same", "refused"]
_STATES: Final = ("", "active", "retired")


@dataclass(frozen=True, slots=True)
class ImportLine:
    """What becomes of one row of the file; ``text`` says why it is refused."""

    place: str
    address: str
    verdict: Verdict
    text: str = ""


@dataclass(frozen=True, slots=True)
class Import:
    """An import as it was ordered.

    ``default_pool`` is for rows that name none; ``bound`` are addresses (``user@host``)
    that somebody is registered for, which are not created.
    """

    rows: Sequence[ImportedRow]
    rules: Rules
    default_pool: str | None = None
    bound: Collection[str] = frozenset()


def judge(
    order: Import, table: EndpointTable, now: float
) -> tuple[list[ImportLine], list[RowChange]]:
    """What an import would do, row by row; refused rows change nothing."""
    lines: list[ImportLine] = []
    changes: dict[str, RowChange] = {}
    for row in order.rows:
        try:
            change = _change(order, row, table, now)
            if change.key in changes:
                raise Refused("stands in the file twice")
        except Refused as refusal:
            lines.append(
                ImportLine(row.place, row.sip_address, "refused", str(refusal))
            )
            continue
        changes[change.key] = change
        verdict: Verdict = "create" if change.before is None else "change"
        if change.before == change.after:
            verdict = "same"
        assert isinstance(change.row, Endpoint)
        lines.append(ImportLine(row.place, change.row.sip_address, verdict))
    return lines, [each for each in changes.values() if each.before != each.after]


def decide_import(
    order: Import, now: float, *, skip_refused: bool
) -> Callable[[EndpointTable], list[RowChange]]:
    """The import as one change of the table; Refused names every bad row."""

    def decide(table: EndpointTable) -> list[RowChange]:
        lines, changes = judge(order, table, now)
        bad = [line for line in lines if line.verdict == "refused"]
        if bad and not skip_refused:
            raise Refused(
                "\n".join(
                    f"{line.place}: {line.address or '(no address)'}: {line.text}"
                    for line in bad
                )
                + "\nnothing was imported: correct these rows, or leave them out with "
                "--skip-refused"
            )
        return changes

    return decide


def _change(
    order: Import, row: ImportedRow, table: EndpointTable, now: float
) -> RowChange:
    if not row.sip_address:
        raise Refused("has no SIP address")
    address, key = endpoint_address(row.sip_address, order.rules.domains)
    before = table.endpoints.get(key)
    pool = row.pool_fqdn or order.default_pool
    if before is None and pool is None:
        raise Refused("names no pool: give one with --pool-fqdn")
    if before is None and key in order.bound:
        raise Refused("somebody is registered for it: stop the old service, or --force")
    fields = EndpointFields(
        pool, row.display_name, row.request_uri or None, row.service_uris
    )
    said = fields.checked(order.rules)
    state = (row.state or "").lower()
    if state not in _STATES:
        raise Refused(f'the state "{row.state}" is neither active nor retired')
    if state:
        said["state"] = state
    if row.retired_text is not None:
        said["retired_text"] = normalise_display_name(row.retired_text)
    blank = before or Endpoint(address, key, "", created_at=now, changed_at=now)
    after = replace(blank, **said)  # type: ignore[arg-type]
    if after != before:
        after = replace(after, changed_at=now)
    return RowChange(before, after)
