"""Cutovers: what ``waypost cutover`` does."""

from dataclasses import asdict, replace
from typing import Any

from fastapi import Request
from starlette.responses import Response

from proxy.admin import cutover as verbs
from proxy.admin import facts as facts_verbs
from proxy.admin import switching
from proxy.admin.as_json import (
    cutover_outcome_to_json,
    cutover_view_to_json,
    steps_to_json,
    warnings,
)
from proxy.admin.control import ControlError, Operator, Outcome, refusals
from proxy.admin.doctor.verdicts import Step
from proxy.admin.in_force import is_in_force, rollback_keeper
from proxy.config import Config
from proxy.console.api.routing import (
    Answer,
    Api,
    Conf,
    Force,
    Limit,
    Op,
    Reader,
    TheDesk,
    WhatIf,
)
from proxy.console.desk import Desk, row_tag
from proxy.console.doubts import doubts_of
from proxy.console.jobs import EVENT_STREAM, Tell, answer_job
from proxy.console.schemas.table import (
    CutoverLook,
    CutoverOutcome,
    CutoverRow,
    CutoverView,
    NewCutover,
)
from proxy.endpoints.codec import cutover_to_json
from proxy.endpoints.cutover import Share
from proxy.endpoints.model import Guard
from proxy.endpoints.plan import parse_pilots, read_plan
from proxy.facts.model import Facts

api = Api("cutovers")


@api.get("/cutovers", list[CutoverRow])
async def list_cutovers(operator: Reader, limit: Limit = 20) -> Response:
    """Every cutover that there was, the newest first."""
    found = await verbs.all_cutovers(operator, limit)
    return Answer([cutover_to_json(each) for each in found])


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


@api.post("/cutovers/plan", CutoverLook)
async def look_at_cutover(body: NewCutover, operator: Op, config: Conf) -> Response:
    """What a plan would change, and what the doctor says of it; asks no pool."""
    outcome, steps = await switching.look(
        operator, config, await _order(operator, body)
    )
    judged = steps_to_json(steps)
    return Answer({**cutover_outcome_to_json(outcome), **judged})


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
    order = replace(await _order(operator, body), force=force)

    async def job(tell: Tell) -> Any:
        def examined(steps: list[Step], outcome: Outcome) -> None:
            for step in steps:
                tell("step", asdict(step))

        done = await switching.switch(
            operator, config, order, examined, what_if=what_if
        )
        if not done.version:
            doubts = await doubts_of(operator, config, done.outcome)
            return {**cutover_outcome_to_json(done.outcome), **warnings(doubts)}
        about = await _in_force(operator, desk, done.outcome)
        steps = [asdict(step) for step in done.steps]
        return {**about, "doctor": steps, "rollback": asdict(done.keeper)}

    return await answer_job(request, job)


async def _order(operator: Operator, body: NewCutover) -> switching.Order:
    """What was asked for, or what was rolled back last."""
    if body.again:
        order = switching.Order.again(await verbs.again(operator))
    else:
        with refusals():
            order = switching.Order(read_plan(body.plan, body.name))
    if body.percent is not None or body.pilots:
        order = replace(order, share=share_of(body.percent, body.pilots))
    if body.guard is not None:
        guard = body.guard
        armed = Guard(guard.limit_percent, guard.min, probes=guard.probe)
        order = replace(order, guard=armed, guard_for=guard.seconds)
    within = None if body.confirm_within is None else body.confirm_within * 60
    return replace(order, confirm_within=within, facts=facts_of(body.facts))


def share_of(percent: int | None, named: list[str] | None) -> Share:
    """The users that are switched; all when nothing is said."""
    pilots: frozenset[str] = frozenset()
    if named:
        with refusals():
            pilots = parse_pilots("\n".join(named), "pilots")
    if percent is None:
        return Share(0, pilots) if pilots else Share()
    return Share(percent, pilots)


def facts_of(text: str | None) -> Facts | None:
    """A file of Get-WaypostFacts.ps1; raises ControlError."""
    return None if text is None else facts_verbs.parse_facts(text)


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
