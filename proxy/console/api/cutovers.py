"""Cutovers: what ``waypost cutover`` does."""

from dataclasses import asdict
from typing import Any

from fastapi import Request
from starlette.responses import Response

from proxy.admin import cutover as verbs
from proxy.admin.as_json import cutover_outcome_to_json, cutover_view_to_json, warnings
from proxy.admin.control import ControlError, Operator, Outcome, refusals
from proxy.admin.doctor.before_switch import (
    examine_pools,
    pools_of,
    refuse_when_failed,
)
from proxy.admin.in_force import Keeper, is_in_force, rollback_keeper
from proxy.config import Config
from proxy.console.api.routing import (
    Answer,
    Api,
    Conf,
    Force,
    Op,
    Reader,
    TheDesk,
    WhatIf,
)
from proxy.console.desk import Desk, row_tag
from proxy.console.doubts import doubts_of
from proxy.console.jobs import EVENT_STREAM, Tell, answer_job
from proxy.console.schemas.table import CutoverOutcome, CutoverView, NewCutover
from proxy.endpoints.cutover import Share
from proxy.endpoints.plan import Plan, parse_pilots, read_plan

api = Api("cutovers")


@api.get("/cutovers/newest", CutoverView)
async def cutover_status(operator: Reader, desk: TheDesk) -> Response:
    """The newest cutover: its state, and what time is left to confirm it."""
    view = await verbs.status(operator)
    if view is None:
        text = 'there is no cutover: "waypost cutover apply FILE" makes one'
        raise ControlError(text, kind="missing")
    keeper = None
    if view.is_guarded:
        guard = view.cutover.guard
        keeper = await desk.in_thread(rollback_keeper, desk.config, guard)
    found = cutover_view_to_json(view, keeper)
    return Answer(found, headers={"ETag": row_tag(view.cutover)})


@api.post("/cutovers", CutoverOutcome, media=(EVENT_STREAM,))
async def apply_cutover(
    request: Request,
    body: NewCutover,
    operator: Op,
    config: Conf,
    desk: TheDesk,
    what_if: WhatIf = False,
    force: Force = False,
) -> Response:
    """Examine the new pools, then switch everything in the plan at once."""
    with refusals():
        plan = read_plan(body.plan, body.name)
    share = _share(body)

    async def job(tell: Tell) -> Any:
        outcome = await verbs.apply(operator, plan, share=share, what_if=True)
        if what_if or not outcome.changes:
            doubts = await doubts_of(operator, config, outcome)
            return {**cutover_outcome_to_json(outcome), **warnings(doubts)}
        return await _switch(operator, desk, body, plan, share, force, tell)

    return await answer_job(request, job)


def _share(body: NewCutover) -> Share:
    pilots: frozenset[str] = frozenset()
    if body.pilots:
        with refusals():
            pilots = parse_pilots("\n".join(body.pilots), "pilots")
    if body.percent is None:
        return Share(0, pilots) if pilots else Share()
    return Share(body.percent, pilots)


async def _switch(
    operator: Operator,
    desk: Desk,
    body: NewCutover,
    plan: Plan,
    share: Share,
    force: bool,
    tell: Tell,
) -> dict[str, Any]:
    """The doctor first; then the switch, and whether it is in force."""
    config = desk.config
    within = None if body.confirm_within is None else body.confirm_within * 60
    keeper = Keeper()
    if within is not None or plan.confirm_within is not None:
        keeper = await desk.in_thread(rollback_keeper, config)
    steps = await examine_pools(operator, config, pools_of(plan))
    for step in steps:
        tell("step", asdict(step))
    forced = refuse_when_failed(steps, force)
    keeper.refuse_unless(force)
    outcome = await verbs.apply(
        operator, plan, share=share, confirm_within=within, forced=forced
    )
    about = await _in_force(operator, desk, outcome)
    about |= {"doctor": [asdict(step) for step in steps], "rollback": asdict(keeper)}
    return about


async def _in_force(operator: Operator, desk: Desk, outcome: Outcome) -> dict[str, Any]:
    config: Config = desk.config
    found = None
    if not outcome.what_if:
        version = await operator.store.table_version()
        found = await desk.in_thread(is_in_force, config, version)
    return {**cutover_outcome_to_json(outcome), "in_force": found}


@api.post("/cutovers/newest/confirm", CutoverOutcome)
async def confirm_cutover(
    operator: Op, desk: TheDesk, what_if: WhatIf = False
) -> Response:
    """Keep the cutover: it is not rolled back by itself any more."""
    outcome = await verbs.confirm(operator, what_if=what_if)
    return Answer(await _in_force(operator, desk, outcome))


@api.post("/cutovers/newest/rollback", CutoverOutcome)
async def roll_cutover_back(
    operator: Op, desk: TheDesk, what_if: WhatIf = False, force: Force = False
) -> Response:
    """Put every endpoint of the newest cutover back to where it was."""
    outcome = await verbs.roll_back(operator, what_if=what_if, force=force)
    return Answer(await _in_force(operator, desk, outcome))
