"""``waypost endpoint history`` and ``waypost endpoint undo``."""

from typing import Annotated

import typer

from proxy.admin import history as verbs
from proxy.admin.as_json import history_line_to_json
from proxy.admin.control import ControlError, Operator, Outcome
from proxy.cli.commands.endpoint import (
    Confirm,
    Force,
    Identity,
    Quiet,
    WhatIf,
    run_change,
)
from proxy.cli.screen import render
from proxy.cli.session import Session


def history(
    context: typer.Context,
    identity: Identity = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 100,
) -> None:
    """Every change: who, when, from where, what. The newest first."""
    session: Session = context.obj
    lines = session.operate(lambda operator: verbs.history(operator, identity, limit))
    if session.json:
        render.print_json([history_line_to_json(line) for line in lines])
    elif not lines:
        print("no changes")
    else:
        render.print_table(
            ("No.", "When", "Who", "From", "Verb", "Of", "What"),
            [
                (
                    str(line.row.number),
                    render.instant(line.row.at),
                    line.row.actor.name,
                    line.row.actor.origin,
                    line.row.verb,
                    line.row.key,
                    line.text,
                )
                for line in lines
            ],
        )


def undo(
    context: typer.Context,
    number: Annotated[
        int | None,
        typer.Argument(metavar="[N]", help="The change's number in the history."),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            "--import",
            "--batch",
            metavar="N",
            help="All that was changed together with change N: a whole import.",
        ),
    ] = None,
    what_if: WhatIf = False,
    confirm: Confirm = False,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Take one change back, or a whole import. That is a change too."""
    if (number is None) == (batch is None):
        raise ControlError(
            "say which change: N of the history, or --import N for all that was "
            "changed with it"
        )

    async def work(operator: Operator, what_if: bool) -> Outcome:
        if batch is not None:
            return await verbs.undo_batch(operator, batch, what_if=what_if, force=force)
        assert number is not None
        return await verbs.undo(operator, number, what_if=what_if, force=force)

    run_change(context, work, what_if, confirm, False, quiet)
