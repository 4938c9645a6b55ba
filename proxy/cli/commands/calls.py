"""``waypost calls``: the last requests and dialogs, from the running service."""

import csv
import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from proxy.admin.as_json import iso, timed
from proxy.admin.observed.calls import Line, last_calls
from proxy.cli.commands.live_trace import asked, tell_silent
from proxy.cli.screen import render
from proxy.cli.screen.spreadsheet import plain_cell
from proxy.cli.session import Session
from proxy.cli.typed.cmdlets import UsageError
from proxy.cli.typed.instants import end, instant

WATCH: Final = 1.0
_OVERLAP: Final = 3.0
"""Seconds that are asked for again: a worker may be late with a line."""
_COLUMNS: Final = (
    *("When", "Who", "What", "Answer", "Took", "To", "Ended", "Where", "Why"),
    "Call-ID",
)
_CSV: Final = (
    *("at", "from", "method", "request_uri", "status", "seconds", "source", "rule"),
    *("endpoint", "pool", "attempts", "ended", "ended_at", "failures", "reason"),
    "call_id",
)


def calls(
    context: typer.Context,
    aor: Annotated[
        str | None, typer.Option(help="Of or to this address; alice is enough.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="To this endpoint of the table.")
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only what went wrong, at first or later.")
    ] = False,
    since: Annotated[
        str | None, typer.Option(help="10:40, or 15m for so long ago.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="The same.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")
    ] = 50,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and tell what ends; Ctrl-C ends it.")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="With --watch: end after so long.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False,
) -> None:
    """The last calls: who, what, where it went, the answer, how the dialog ended."""
    session: Session = context.obj
    if as_csv and session.json:
        raise UsageError("--csv or --json, not both")
    query = {"limit": str(limit)}
    for name, text in (("aor", aor), ("endpoint", endpoint)):
        if text:
            query[name] = text
    if failed:
        query["failed"] = "1"
    begin = instant(since, "--since") if since else None
    if begin is not None:
        query["since"] = str(begin)
    if until:
        query["until"] = str(end(until, "--until", begin))
    found = _ask(session, query)
    if watch:
        session.stay()
        _watch(session, query, found, seconds, as_csv)
    elif session.json:
        render.print_json(found)
    elif as_csv:
        _print_csv(found)
    elif not found:
        what = "no call fits" if len(query) > 1 else "no calls"
        print(f"{what}, as far as the service remembers")
    else:
        render.print_table(_COLUMNS, [_row(line) for line in found])


def _ask(session: Session, query: dict[str, str]) -> list[Line]:
    """The oldest of them first."""
    with asked():
        return last_calls(session.config(), query, tell_silent)[::-1]


def _watch(
    session: Session,
    query: dict[str, str],
    found: Sequence[Line],
    seconds: float | None,
    as_csv: bool,
) -> None:
    """Tell each line once, as it ends; JSON is a line for each."""
    end = None if seconds is None else time.monotonic() + seconds
    told: dict[tuple[Any, ...], None] = {}
    is_first = True
    while True:
        fresh = [x for x in found if _key(x) not in told]
        told.update(dict.fromkeys(map(_key, fresh)))
        for line in fresh:
            if session.json:
                print(json.dumps(timed(line), ensure_ascii=True))
            elif not as_csv:
                render.print_lines([_sentence(line)])
        if as_csv:
            _print_csv(fresh, head=is_first)
        is_first = False
        sys.stdout.flush()
        if end is not None and time.monotonic() >= end:
            return
        left = WATCH if end is None else end - time.monotonic()
        time.sleep(min(WATCH, max(0.05, left)))
        if found:
            last = max(line["at"] for line in found)
            query = {**query, "since": str(last - _OVERLAP), "limit": "10000"}
        found = _ask(session, query)


def _key(line: Line) -> tuple[Any, ...]:
    return line["call_id"], line["at"], line["method"], line.get("node", "")


def clock(at: float) -> str:
    """The time of a day with its zone, and the day when it is another one."""
    then, today = datetime.fromtimestamp(at).astimezone(), datetime.now()
    form = "%H:%M:%S %z" if then.date() == today.date() else "%Y-%m-%d %H:%M:%S %z"
    return then.strftime(form)


def _row(line: Line) -> tuple[str, ...]:
    return (
        clock(line["at"]),
        line["from"] or "(unreadable)",
        line["method"],
        str(line["status"]),
        _span(line["seconds"]),
        line["endpoint"] or line["request_uri"],
        _ended(line),
        _where(line),
        line["reason"] or "-",
        line["call_id"],
    )


def _sentence(line: Line) -> str:
    """One line of a stream."""
    parts = (
        *(clock(line["at"]), line["method"], line["from"] or "(unreadable)", "->"),
        *(line["endpoint"] or line["request_uri"], f"{line['status']}"),
        *(_span(line["seconds"]), _where(line), line["reason"], line["call_id"]),
    )
    return "  ".join(part for part in parts if part not in ("", "-"))


def _where(line: Line) -> str:
    """Where it went: every attempt with what came of it."""
    tried = " → ".join(
        f"{x['front_end']} {x['outcome']} {_span(x['seconds'])}"
        for x in line["attempts"]
    )
    return tried or line["pool"] or "-"


def _ended(line: Line) -> str:
    """How the dialog ended, and what failed in it."""
    said = [f"{x['status']} to {x['method']}" for x in line["failures"]]
    if line["ended"]:
        said.append(f"{line['ended']} at {clock(line['ended_at'])}")
    return "; ".join(said) or "-"


def _span(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _print_csv(lines: Sequence[Line], *, head: bool = True) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if head:
        writer.writerow(_CSV)
    for line in lines:
        cells = {
            **line,
            "at": iso(line["at"]),
            "ended_at": iso(line["ended_at"]) if line["ended_at"] else "",
            "attempts": _where(line) if line["attempts"] else "",
            "failures": "; ".join(
                f"{iso(x['at'])} {x['method']} {x['status']} {x['reason']}".strip()
                for x in line["failures"]
            ),
        }
        writer.writerow([plain_cell(str(cells[name])) for name in _CSV])
