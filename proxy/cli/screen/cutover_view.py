"""The newest cutover on the screen: how it stands, and what its guard has seen."""

from collections.abc import Sequence
from typing import Final

from proxy.admin.cutover import CutoverView
from proxy.admin.guarding import GuardView
from proxy.admin.in_force import Keeper
from proxy.cli.screen import render
from proxy.cli.screen.pool_usage import print_compared
from proxy.endpoints.model import Cutover, Guard

SHOWN: Final = 40
"""Endpoints whose change is written out; --json has all."""


def terms(guard: Guard) -> str:
    """When it rolls back."""
    probes = ", chat probes among them" if guard.probes else ""
    return (
        f"rolled back by itself when more than {guard.limit:g} % of at least "
        f"{guard.least} calls fail{probes}"
    )


def print_cutover(view: CutoverView, keeper: Keeper | None) -> None:
    """``keeper`` is the service that was asked, where a guard is armed."""
    cutover = view.cutover
    left = view.seconds_left
    rows = [
        ("Cutover", str(cutover.number)),
        ("Plan", cutover.plan),
        ("State", cutover.state),
        ("Endpoints", str(len(cutover.switches))),
        ("Users", cutover.share or "all"),
        ("Applied", f"{render.instant(cutover.applied_at)} by {cutover.applied_by}"),
        ("Forced", "yes, the doctor advised against it" if cutover.forced else "no"),
    ]
    if left is not None:
        late = f"overdue for {render.duration(-left)}"
        rows.append(("Rolled back in", late if left < 0 else render.duration(left)))
    if view.problem:
        rows.append(("Not rolled back", view.problem))
    if cutover.settled_by:
        rows.append(
            ("Settled", f"{render.instant(cutover.settled_at)} by {cutover.settled_by}")
        )
    rows += _guard_rows(view, keeper)
    if view.changed:
        rows.append(("Changed since", ", ".join(view.changed[:SHOWN])))
    render.print_properties(rows)
    print_compared(view.compared[:SHOWN])


def print_cutovers(found: Sequence[Cutover]) -> None:
    """One row each: what was switched for whom, by whom, and how it ended."""
    columns = "No.", "Applied", "State", "Endpoints", "Users", "Plan", "By", "Settled"
    rows = [
        (
            *(str(each.number), render.instant(each.applied_at), each.state),
            *(str(len(each.switches)), each.share or "all", each.plan or "-"),
            each.applied_by,
            f"{render.instant(each.settled_at)} by {each.settled_by}"
            if each.settled_by
            else "-",
        )
        for each in found
    ]
    render.print_table(columns, rows)


def _guard_rows(view: CutoverView, keeper: Keeper | None) -> list[tuple[str, str]]:
    """What the guard has seen, what it was told, and why it rolled back."""
    cutover, guard = view.cutover, view.guard
    if guard is None or cutover.guard is None:
        return []
    rows = [
        ("Guard", _guard_state(guard, keeper)),
        ("Terms", terms(cutover.guard)),
        ("So far", str(guard.tally) if guard.tally.calls else "no calls yet"),
    ]
    if cutover.guard.probes:
        rows += [("Probes", doubt) for doubt in _unprobed(guard)]
    if cutover.reason:
        rows.append(("Because", cutover.reason))
        if cutover.plan_text:
            rows.append(("Another try", "waypost cutover apply --again"))
    return rows


def _unprobed(guard: GuardView) -> list[str]:
    """What chat probes do not know of the new pools; nothing when they were tried."""
    rounds = guard.tally.rounds
    if not rounds:
        return ["unknown: no round yet"]
    return [
        f"unknown in {without} of {render.count(tried + without, 'round')}: "
        f"no front end of {pool} to try"
        for pool, (tried, without) in rounds.items()
        if without
    ]


def _guard_state(guard: GuardView, keeper: Keeper | None) -> str:
    """Armed is what the store says; that somebody looks is said by a service alone."""
    left = f", {render.duration(guard.seconds_left)} left" if guard.seconds_left else ""
    if keeper is None or keeper.is_there:
        return f"{guard.state}{left}"
    if keeper.is_there is None:
        doubt = "whether a service watches is unknown"
    else:
        doubt = "NOBODY watches"
    return f"{guard.state} in the store{left}; {doubt}: {keeper.problem}"
