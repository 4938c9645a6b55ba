"""``waypost runbook``: the migration weekend, step by step."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from proxy.admin import cutover
from proxy.admin import runbook as verbs
from proxy.admin.control import Operator
from proxy.admin.runbook import Item
from proxy.cli import render
from proxy.cli.session import Session

_BOX: Final = {"done": "[x]", "open": "[ ]", "failed": "[!]", "later": "[ ]"}


def runbook(
    context: typer.Context,
    plan: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The plan of the cutover; kept from then on."
        ),
    ] = None,
    done: Annotated[
        str | None, typer.Option(metavar="STEP", help="Tick a step off.")
    ] = None,
    undone: Annotated[
        str | None, typer.Option(metavar="STEP", help="Take a tick back.")
    ] = None,
    note: Annotated[str, typer.Option(help="With --done: what to remember.")] = "",
    reset: Annotated[bool, typer.Option("--reset", help="Begin anew.")] = False,
) -> None:
    """The migration as a checklist that verifies what it can by itself."""
    session: Session = context.obj
    config = session.config()
    text = None
    if plan is not None:
        cutover.read_plan(plan)
        text = (plan.name, plan.read_text("utf-8-sig"))
    if done is not None or undone is not None:
        _tick(session, done, undone, note)
        return

    async def work(operator: Operator) -> list[Item] | None:
        if reset:
            await verbs.forget(operator)
            if text is None:
                return None
        return await verbs.walk(operator, config, text)

    items = session.operate(work)
    if session.json:
        render.print_json([asdict(item) for item in items or ()])
    elif items is None:
        print("the runbook begins anew: waypost runbook --plan FILE")
    else:
        _print(items)


def _tick(session: Session, done: str | None, undone: str | None, note: str) -> None:
    """Tick steps off or take ticks back; does not look at anything else."""

    async def work(operator: Operator) -> dict[str, str]:
        ticked = {}
        if done is not None:
            ticked[await verbs.tick(operator, done, note)] = "done"
        if undone is not None:
            ticked[await verbs.untick(operator, undone)] = "open"
        return ticked

    ticked = session.operate(work)
    if session.json:
        render.print_json(ticked)
    else:
        render.print_lines(f"{_BOX[state]} {name}" for name, state in ticked.items())


def _print(items: Sequence[Item]) -> None:
    for item in items:
        when = f" ({item.by}, {render.instant(item.at)})" if item.at else ""
        render.print_lines(
            (
                f"{_BOX[item.state]} {item.number:>2} {item.name:<8} {item.title}"
                + when,
                f"                 {item.text}",
            )
        )
    waiting = [item for item in items if item.state in ("open", "failed")]
    if waiting:
        print(f"\nnext: {waiting[0].command}")
        print(f"back: {waiting[0].back}")
    else:
        print("\neverything is done" + _later(items))


def _later(items: Sequence[Item]) -> str:
    return ", but for later" if any(i.state == "later" for i in items) else ""
