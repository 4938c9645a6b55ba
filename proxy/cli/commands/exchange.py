"""``waypost endpoint import`` and ``waypost endpoint export``."""

import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from proxy.admin import exchange as verbs
from proxy.admin.as_json import outcome_to_json
from proxy.admin.control import ControlError
from proxy.admin.exchange import ImportReport
from proxy.admin.files import read_whole, write_whole
from proxy.cli.commands.endpoint import Force, PoolFqdn, WhatIf
from proxy.cli.screen import render
from proxy.cli.screen.output import made, print_document
from proxy.cli.session import Session


def import_(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV or JSON; - for standard input.")
    ],
    pool_fqdn: PoolFqdn = None,
    what_if: WhatIf = False,
    skip_refused: Annotated[
        bool, typer.Option("--skip-refused", help="Import the rows that are right.")
    ] = False,
    force: Force = False,
) -> None:
    """Take endpoints from what the cmdlets export; --pool-fqdn where none is named."""
    session: Session = context.obj
    data = _read(file)
    report = session.operate(
        lambda operator: verbs.import_endpoints(
            operator,
            data,
            default_pool=pool_fqdn,
            what_if=what_if,
            skip_refused=skip_refused,
            force=force,
        )
    )
    if report.outcome.changes and not what_if:
        made(_counts(report))
    if session.json:
        lines = [asdict(line) for line in report.lines]
        about = {"rows": lines, "number": report.number}
        render.print_json({**outcome_to_json(report.outcome), **about})
    else:
        _print_report(report, "What if: " if what_if else "")
    if (
        what_if
        and not skip_refused
        and any(x.verdict == "refused" for x in report.lines)
    ):
        raise typer.Exit(1)  # as the import itself would end


def _print_report(report: ImportReport, lead: str) -> None:
    for line in report.lines:
        why = f": {line.text}" if line.text else ""
        where = f" ({line.place})" if why else ""
        text = f"{line.verdict:<8}{line.address or '(no address)'}{where}{why}"
        render.print_lines([lead + text])
    if report.number is not None and len(report.outcome.changes) > 1:
        print(f'all of it back: "waypost endpoint undo --import {report.number}"')
    print(lead + _counts(report))


def _counts(report: ImportReport) -> str:
    counts = Counter(line.verdict for line in report.lines)
    said = ", ".join(f"{counts[word]} {word}" for word in counts)
    rows = render.count(len(report.lines), "row")
    return f"{rows}: {said or 'nothing'}"


def _read(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return read_whole(file)
    except OSError as error:
        raise ControlError(f"{file} cannot be read: {error.strerror}") from None


def export(
    context: typer.Context,
    form: Annotated[
        Literal["csv", "json"], typer.Option("--format", help="csv or json.")
    ] = "csv",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Into a file.")
    ] = None,
) -> None:
    """Every endpoint, as PowerShell and "endpoint import" read it."""
    session: Session = context.obj
    if session.json:
        form = "json"
    text = session.operate(lambda operator: verbs.export_endpoints(operator, form))
    if output is None:
        if form == "json":
            text = render.json_text(text)
        print_document(text.replace("\r\n", "\n").rstrip("\n"))
        return
    try:
        write_whole(output, text.encode("utf-8-sig" if form == "csv" else "utf-8"))
    except OSError as error:
        raise ControlError(
            f"{output} cannot be written ({error.strerror}): it is as it was before"
        ) from None
    made(f"wrote {output}")
    render.print_lines([f"wrote {output}"])
