"""Import and export of endpoints, as the cmdlets' CSV and JSON."""

from dataclasses import dataclass

from proxy.admin.control import Operator, Outcome, apply_change, refusals
from proxy.endpoints.exchange import decode, read_rows, to_csv, to_json
from proxy.endpoints.importing import Import, ImportLine, decide_import, judge


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of each row, and the changes that were made of them."""

    lines: list[ImportLine]
    outcome: Outcome
    number: int | None = None
    """Of one of its rows in the history, by which all of it can be taken back."""


async def import_endpoints(
    operator: Operator,
    data: bytes,
    *,
    default_pool: str | None = None,
    what_if: bool = False,
    skip_refused: bool = False,
    force: bool = False,
) -> ImportReport:
    """Create and change endpoints from a file, all in one transaction.

    A row that is refused stops everything unless ``skip_refused``; with ``what_if`` it
    is only reported.  Raises ControlError.
    """
    now = operator.clock()
    bindings = await operator.store.bindings(None, now)
    bound = frozenset(binding.aor for binding in bindings)
    with refusals():
        rows = read_rows(decode(data))
        respected = frozenset() if force else bound
        order = Import(rows, operator.rules, default_pool, respected)
        table = await operator.store.load_table()
        lines, changes = judge(order, table, now)
        operator.allow(table, changes)
    if what_if:
        return ImportReport(lines, Outcome(changes, what_if=True))
    is_forced = any(each.before is None and each.key in bound for each in changes)
    verb = "endpoint.import --force" if is_forced and force else "endpoint.import"
    decide = decide_import(order, now, skip_refused=skip_refused)
    outcome = await apply_change(operator, verb, decide)
    number = None
    if outcome.changes:
        newest = await operator.store.history(outcome.changes[-1].key, 1)
        number = newest[0].number if newest else None
    return ImportReport(lines, outcome, number)


async def export_endpoints(operator: Operator, form: str) -> str:
    """Every endpoint as ``csv`` or ``json``, by address."""
    table = await operator.store.load_table()
    endpoints = [table.endpoints[key] for key in sorted(table.endpoints)]
    return to_csv(endpoints) if form == "csv" else to_json(endpoints)
