"""``waypost runbook``: the migration weekend, step by step."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from proxy.admin import cutover
from proxy.admin.as_json import report_to_json
from proxy.admin.control import Operator
from proxy.admin.doctor.verdicts import UNSURE, summary
from proxy.admin.runbook import runbook as verbs
from proxy.admin.runbook.memory import forget
from proxy.admin.runbook.runbook import Item, Report
from proxy.cli.commands.judged import FactsFile, Strict, read
from proxy.cli.screen import render
from proxy.cli.screen.output import made
from proxy.cli.screen.steps import print_steps, print_summary
from proxy.cli.session import Session
from proxy.config import Config
from proxy.facts.model import Facts, Finding

_BOX: Final = {
    "done": "[x]",
    "warning": "[~]",
    "unknown": "[?]",
    "failed": "[!]",
    "open": "[ ]",
    "later": "[ ]",
}
_WAITING: Final = ("open", "failed", "unknown")


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
    report: Annotated[
        bool, typer.Option("--report", help="What was done, as Markdown to hand over.")
    ] = False,
    facts: FactsFile = None,
    strict: Strict = False,
) -> None:
    """The migration as a checklist that verifies what it can by itself."""
    session: Session = context.obj
    config = session.config()
    text = None
    if plan is not None:
        cutover.read_plan(plan)
        text = (plan.name, cutover.plan_text(plan))
    if done is not None or undone is not None:
        _tick(session, done, undone, note)
        return
    known = read(facts)
    if report:
        _print_report(session, config, known)
        return

    async def work(operator: Operator) -> tuple[list[Item], list[Finding]] | None:
        if reset:
            await forget(operator)
            if text is None:
                return None
        items = await verbs.walk(operator, config, text, known)
        if known is None:
            return items, []
        return items, await verbs.findings(operator, config, known)

    found = session.operate(work)
    if reset:
        made("the runbook begins anew")
    items, findings = found or ([], [])
    if session.json:
        render.print_json([asdict(item) for item in items])
    elif found is None:
        print("the runbook begins anew: waypost runbook --plan FILE")
    else:
        _print(items, findings)
    if strict:
        _end(items, findings)


def _end(items: Sequence[Item], findings: Sequence[Finding]) -> None:
    """Leave as the doctor does; what is only open is no fault."""
    verdicts = {item.state for item in items} | {each.verdict for each in findings}
    if "failed" in verdicts:
        raise typer.Exit(1)
    if verdicts & {"warning", "unknown"}:
        raise typer.Exit(UNSURE)


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
    made(", ".join(f"{name} is {state}" for name, state in ticked.items()))
    if session.json:
        render.print_json(ticked)
    else:
        render.print_lines(f"{_BOX[state]} {name}" for name, state in ticked.items())


def _print(items: Sequence[Item], findings: Sequence[Finding]) -> None:
    for item in items:
        when = f" ({_was(item)}{item.by}, {render.instant(item.at)})" if item.at else ""
        lead = f"{_BOX[item.state]} {item.number:>2} {item.name:<8} "
        render.print_lines(render.fitted(item.title + when, lead))
        render.print_lines(render.fitted(item.text, " " * (len(lead) + 1)))
    if findings:
        print("\nLync's facts:")
        print_steps(each for each in findings if each.verdict != "ok")
        print_summary(summary(findings))
    print()
    print_summary(verbs.summary(items))
    waiting = [item for item in items if item.state in _WAITING]
    if waiting:
        print(f"next: {_command(waiting[0])}")
        print(f"back: {waiting[0].back}")
    else:
        print("everything is done" + _later(items))


def _was(item: Item) -> str:
    """What was true once, and is no more or cannot be seen now."""
    return "last " if item.state in ("unknown", "failed") else ""


def _command(item: Item) -> str:
    if item.state != "unknown":
        return item.command
    return f"waypost runbook --facts FILE, or --done {item.name} when you have looked"


def _later(items: Sequence[Item]) -> str:
    return ", but for later" if any(i.state == "later" for i in items) else ""


# -- the report ----------------------------------------------------------------------


def _print_report(session: Session, config: Config, facts: Facts | None) -> None:
    found = session.operate(lambda operator: verbs.report(operator, config, facts))
    if session.json:
        render.print_json(report_to_json(found))
        return
    render.print_lines(
        (
            f"# Migration: {found.plan}",
            "",
            f"As of {render.instant(found.at)}.",
            "",
            *_about_cutover(found),
            "",
            "| | Step | Since | By | Remark |",
            "|---|---|---|---|---|",
            *map(_report_row, found.items),
        )
    )


def _about_cutover(report: Report) -> list[str]:
    cutover = report.cutover
    if cutover is None:
        return ["Nothing has been switched yet."]
    switched = render.count(len(cutover.switches), "endpoint")
    lines = [
        f"Cutover {cutover.number} ({switched}, {cutover.share or 'all users'}) was "
        f"applied at {render.instant(cutover.applied_at)} by {cutover.applied_by}"
        + (", in spite of the doctor." if cutover.forced else ".")
    ]
    if cutover.settled_by:
        at = render.instant(cutover.settled_at)
        state = cutover.state.replace("-", " ")
        lines.append(f"It was {state} at {at} by {cutover.settled_by}.")
    else:
        lines.append("It has not been confirmed.")
    failed = sum(row.failed for row in report.users)
    clients = render.count(len(report.users), "client")
    latest = f", the latest {report.users[0].aor}" if report.users else ""
    return [*lines, f"Since then: {clients}{latest}; {failed} failed requests."]


def _report_row(item: Item) -> str:
    when = render.instant(item.at) if item.at else ""
    cells = (_BOX[item.state], item.title, when, item.by, item.text)
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
