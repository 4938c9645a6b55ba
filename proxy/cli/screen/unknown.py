"""Addresses that nobody serves: a table, CSV."""

import csv
import sys
from collections.abc import Sequence
from typing import Final

from proxy.admin.as_json import iso
from proxy.admin.unknown import COUNTED, UnknownAddress, room_sentence
from proxy.admin.usage import NOT_COUNTED
from proxy.cli.screen import render
from proxy.cli.screen.spreadsheet import plain_cell
from proxy.endpoints.usage import Usage
from proxy.sip.display import visible

_COLUMNS: Final = ("Address", "Users", "Requests", "Last", "By")
_CALLERS: Final = ("Client", "First seen", "Last seen", "Count", "User agent", "Source")
_CSV: Final = (
    *("address", "client", "first_seen", "last_seen", "count"),
    *("user_agent", "epid", "source"),
)
UNREADABLE: Final = "(unreadable)"


def print_unknown(
    views: Sequence[UnknownAddress], is_whole: bool, is_counted: bool
) -> None:
    """A line for each address; of one that was asked for, its callers."""
    named = [view for view in views if not view.is_unnamed]
    if not is_whole and named:
        rows = [_caller(row) for row in named[0].rows]
        title = f"{visible(named[0].sip_address)}:"
        render.print_table(_CALLERS, rows, title=title)
    elif named:
        render.print_table(_COLUMNS, [_row(view) for view in named])
    else:
        print("no address was dialled that nothing serves")
    if room_sentence(views):
        print(room_sentence(views))
    if named and is_whole:
        print()
        print('-> "waypost usage --unknown --as-plan FILE" writes a plan of them')
    render.print_lines([f"counted: {COUNTED if is_counted else NOT_COUNTED}"])


def _row(view: UnknownAddress) -> tuple[str, ...]:
    return (
        view.sip_address,
        str(view.users),
        str(view.requests),
        render.instant(view.last.last_at),
        view.last.aor or UNREADABLE,
    )


def _caller(row: Usage) -> tuple[str, ...]:
    return (
        row.aor or UNREADABLE,
        render.instant(row.first_at),
        render.instant(row.last_at),
        str(row.count),
        row.user_agent or "-",
        row.source,
    )


def print_unknown_csv(views: Sequence[UnknownAddress]) -> None:
    """Every address with each of its callers."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_CSV)
    for view in views:
        for row in view.rows:
            writer.writerow(
                (
                    plain_cell(view.sip_address),
                    plain_cell(row.aor),
                    iso(row.first_at),
                    iso(row.last_at),
                    row.count,
                    *map(plain_cell, (row.user_agent, row.epid, row.source)),
                )
            )
