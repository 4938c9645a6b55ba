"""``waypost cutover``: plan, apply, confirm, rollback, status."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.admin import cutover as verbs
from proxy.admin.as_json import (
    cutover_outcome_to_json,
    cutover_view_to_json,
    endpoint_changes,
    steps_to_json,
    warnings,
)
from proxy.admin.control import ControlError, Operator, Outcome, refusals
from proxy.admin.cutover import Again
from proxy.admin.doctor.verdicts import Step, summary
from proxy.admin.in_force import InForce, Keeper, in_force, rollback_keeper
from proxy.admin.switching import DEFAULT_LEAST, Order, look, switch
from proxy.cli.commands.endpoint import WhatIf
from proxy.cli.commands.judged import FactsFile, Force, Strict, end, read
from proxy.cli.commands.pool_doubts import pool_doubts, warn
from proxy.cli.screen import render
from proxy.cli.screen.cutover_view import SHOWN, print_cutover, print_cutovers, terms
from proxy.cli.screen.output import made
from proxy.cli.screen.steps import print_steps, print_summary
from proxy.cli.session import Session
from proxy.endpoints.changes import describe_changes
from proxy.endpoints.codec import cutover_to_json
from proxy.endpoints.cutover import Share
from proxy.endpoints.guard import parse_limit, parse_span
from proxy.endpoints.model import Cutover, Guard

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Switch many endpoints to new pools at once, and back.",
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="The plan, TOML.")]
Percent = Annotated[
    int | None,
    typer.Option(min=0, max=100, help="Only this part of the users, always the same."),
]
Pilots = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Only these users, an address on each line."),
]
OptionalFile = Annotated[
    Path | None, typer.Argument(metavar="FILE", help="The plan, TOML.")
]
Limit = Annotated[
    str | None,
    typer.Option(
        "--guard",
        metavar="PERCENT",
        help='Roll back by itself when more of the calls fail: "5 %".',
    ),
]
Least = Annotated[
    int | None,
    typer.Option("--min", min=1, help="Calls that the guard waits for (20)."),
]
GuardFor = Annotated[
    str | None,
    typer.Option("--for", metavar="TIME", help="How long it is on guard (30m)."),
]
Probes = Annotated[
    bool,
    typer.Option("--probe", help="Play chat starts and count them for the guard."),
]
Repeat = Annotated[
    bool, typer.Option("--again", help="The plan that was rolled back last.")
]
Minutes = Annotated[
    float | None,
    typer.Option(
        min=0, metavar="MINUTES", help="Roll back by itself unless confirmed by then."
    ),
]


@app.command()
def plan(
    context: typer.Context,
    file: File,
    percent: Percent = None,
    pilots: Pilots = None,
    facts: FactsFile = None,
    strict: Strict = False,
) -> None:
    """Check a plan and show what it would change. Changes nothing."""
    session: Session = context.obj
    config = session.config()
    planned = verbs.read_with_mistakes(file)
    share = share_of(percent, pilots)
    known = read(facts)

    order = Order(planned, share, facts=known)
    outcome, steps = session.operate(lambda operator: look(operator, config, order))
    doubts = [x.text for x in steps if (x.name, x.verdict) == ("dns", "warning")]
    if session.json:
        about = {**cutover_outcome_to_json(outcome), **warnings(doubts)}
        render.print_json({**about, **steps_to_json(steps)})
    else:
        _print_diff(outcome)
        warn(doubts)
        print_steps(step for step in steps if step.text not in doubts)
        print_summary(summary(steps))
    end(steps, strict)


@app.command()
def apply(
    context: typer.Context,
    file: OptionalFile = None,
    percent: Percent = None,
    pilots: Pilots = None,
    guard: Limit = None,
    min_: Least = None,
    for_: GuardFor = None,
    probe: Probes = False,
    again: Repeat = False,
    confirm_within: Minutes = None,
    force: Force = False,
    facts: FactsFile = None,
    what_if: WhatIf = False,
) -> None:
    """Examine the new pools, then switch everything in the plan at once."""
    session: Session = context.obj
    config = session.config()
    wanted = _wanted(session, file, again)
    share = share_of(percent, pilots) if percent is not None or pilots else wanted.share
    armed, lasts = _guard(guard, min_, for_, probe) or (wanted.guard, wanted.guard_for)
    within = None if confirm_within is None else confirm_within * 60
    order = Order(wanted.plan, share, armed, lasts, within, force, read(facts))

    def examined(steps: list[Step], outcome: Outcome) -> None:
        if not session.json:
            _print_examined(steps, outcome)

    done = session.operate(
        lambda operator: switch(operator, config, order, examined, what_if=what_if)
    )
    steps, outcome, version = done.steps, done.outcome, done.version
    keeper = done.keeper
    doubts = pool_doubts(session, outcome) if what_if else []  # else the doctor has
    if version:
        made(_applied(_cutover_of(outcome))[0])
    found = in_force(config, version) if version else InForce(None)
    if session.json:
        about: dict[str, Any] = {"doctor": [asdict(step) for step in steps]}
        about |= {
            "in_force": found.verdict,
            "rollback": asdict(keeper),
            **warnings(doubts),
        }
        render.print_json({**cutover_outcome_to_json(outcome), **about})
    else:
        _print_made(outcome, found, keeper)


def _print_examined(steps: list[Step], outcome: Outcome) -> None:
    print_steps(steps)
    _print_diff(outcome)


def _print_made(outcome: Outcome, found: InForce, keeper: Keeper) -> None:
    if outcome.what_if:
        _print_diff(outcome)
        return
    lines = [*_applied(_cutover_of(outcome)), str(found)]
    if keeper.note or keeper.problem:
        lines.append(f"rollback: {keeper.note or keeper.problem}")
    for line in lines:
        render.print_lines(render.fitted(line))


@app.command()
def confirm(context: typer.Context) -> None:
    """Keep the cutover: it is not rolled back by itself any more."""
    _settle(context, context.obj.operate(verbs.confirm))


@app.command()
def rollback(
    context: typer.Context,
    what_if: WhatIf = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also undo later changes."),
    ] = False,
) -> None:
    """Put every endpoint of the newest cutover back to where it was."""
    session: Session = context.obj

    async def work(operator: Operator) -> tuple[Outcome, int]:
        outcome = await verbs.roll_back(operator, what_if=what_if, force=force)
        return outcome, await operator.store.table_version()

    outcome, version = session.operate(work)
    found = InForce(None) if what_if else in_force(session.config(), version)
    _settle(context, outcome, found.verdict)
    if not (what_if or session.json):
        print(found)


@app.command()
def status(context: typer.Context) -> None:
    """The newest cutover: its state, and what time is left to confirm it."""
    session: Session = context.obj
    view = session.operate(verbs.status)
    keeper = None
    if view is not None and view.is_guarded:
        keeper = rollback_keeper(session.config(), view.cutover.guard)
    if session.json:
        render.print_json(None if view is None else cutover_view_to_json(view, keeper))
    elif view is None:
        print("no cutover yet")
    else:
        print_cutover(view, keeper)


@app.command("list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 20,
) -> None:
    """Every cutover that there was, the newest first."""
    session: Session = context.obj
    found = session.operate(lambda operator: verbs.all_cutovers(operator, limit))
    if session.json:
        render.print_json([cutover_to_json(each) for each in found])
    elif not found:
        print("no cutover yet")
    else:
        print_cutovers(found)


def share_of(percent: int | None, pilots: Path | None) -> Share:
    named = frozenset() if pilots is None else verbs.read_pilots(pilots)
    if percent is None:
        return Share(0, named) if named else Share()
    return Share(percent, named)


def _wanted(session: Session, file: Path | None, again: bool) -> Again:
    """The plan of a file, or of the last cutover with all it was applied with."""
    if again and file is not None:
        raise ControlError("write the plan or --again, not both")
    if again:
        return session.operate(verbs.again)
    if file is None:
        raise ControlError(
            "name the plan, or say --again for the one that was rolled back last"
        )
    return Again(verbs.read_with_mistakes(file), Share(), None, 0.0)


def _guard(
    limit: str | None, least: int | None, lasts: str | None, probes: bool
) -> tuple[Guard, float] | None:
    """The guard and its seconds; None when nothing was said of one."""
    if limit is None:
        if least is not None or lasts is not None or probes:
            raise ControlError(
                '--min, --for and --probe are the guard\'s: say --guard "5 %", too'
            )
        return None
    with refusals():
        percent, seconds = parse_limit(limit), parse_span(lasts or "30m")
    return Guard(percent, DEFAULT_LEAST if least is None else least, probes=probes), (
        seconds
    )


def _cutover_of(outcome: Outcome) -> Cutover:
    """The cutover that was made or settled: the last of the rows."""
    row = outcome.changes[-1].row
    assert isinstance(row, Cutover)
    return row


def _print_diff(outcome: Outcome) -> None:
    changes = endpoint_changes(outcome)
    render.print_lines(describe_changes(changes[:SHOWN]))
    if len(changes) > SHOWN:
        print(f"... and {len(changes) - SHOWN} more endpoints (--json shows all)")
    if not changes:
        print("nothing to change: it is so already")


def _applied(cutover: Cutover) -> list[str]:
    who = f" for {cutover.share}" if cutover.share else ""
    forced = ", in spite of the doctor" if cutover.forced else ""
    number = cutover.number
    switched = render.count(len(cutover.switches), "endpoint")
    lines = [
        f"cutover {number}: {switched} switched at once{who}{forced}; snapshot "
        f"{number} is kept"
    ]
    if cutover.confirm_by is not None:
        lines.append(
            f"rolled back by itself at {render.instant(cutover.confirm_by)} unless you "
            'say "waypost cutover confirm"'
        )
    if cutover.guard is not None:
        lasts = render.duration(cutover.guard.until - cutover.applied_at)
        lines.append(f"guarded for {lasts}: {terms(cutover.guard)}")
    return [*lines, 'back to before: "waypost cutover rollback"']


def _settle(
    context: typer.Context, outcome: Outcome, in_force: bool | None = None
) -> None:
    session: Session = context.obj
    text = "" if outcome.what_if else _settled(outcome)
    if text:
        made(text)
    if session.json:
        render.print_json({**cutover_outcome_to_json(outcome), "in_force": in_force})
        return
    if outcome.what_if or _cutover_of(outcome).state != "confirmed":
        _print_diff(outcome)
    if text:
        print(text)


def _settled(outcome: Outcome) -> str:
    cutover, changed = _cutover_of(outcome), endpoint_changes(outcome)
    if cutover.state == "confirmed":
        return f"cutover {cutover.number} is confirmed"
    return (
        f"cutover {cutover.number} is rolled back, "
        f"{render.count(len(changed), 'endpoint')} as before"
    )
