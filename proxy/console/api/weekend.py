"""The weekend around a cutover: doctor, facts, usage and the runbook."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Path, Query, Request
from starlette.responses import PlainTextResponse, Response

from proxy.admin import facts as facts_verbs
from proxy.admin import unknown, usage
from proxy.admin.as_json import (
    facts_to_json,
    report_to_json,
    steps_to_json,
    unknown_to_json,
    usage_view_to_json,
)
from proxy.admin.control import ControlError, refusals
from proxy.admin.doctor import listeners
from proxy.admin.doctor.before_switch import as_steps
from proxy.admin.doctor.doctor import Doctor
from proxy.admin.doctor.journeys import Journeys
from proxy.admin.doctor.serving import service_step
from proxy.admin.doctor.verdicts import Step
from proxy.admin.in_force import is_in_force
from proxy.admin.runbook import runbook
from proxy.admin.runbook.memory import forget
from proxy.console.api.endpoints import Identity
from proxy.console.api.routing import Answer, Api, Conf, Op, Reader, TheDesk, WhatIf
from proxy.console.jobs import EVENT_STREAM, Tell, answer_job
from proxy.console.schemas.table import UnknownView, UsageView
from proxy.console.schemas.weekend import (
    DoctorOrder,
    DoctorView,
    FactsFile,
    FactsOrder,
    FactsView,
    Forgotten,
    ItemView,
    Judgement,
    ReportView,
    RunbookPlan,
    Tick,
    Ticked,
)
from proxy.endpoints.plan import Plan, parse_plan

api = Api("weekend")

Days = Annotated[int, Query(ge=1, le=36_500, description="Without a user: quiet.")]
StepName = Annotated[str, Path(min_length=1, max_length=64)]


@api.get("/usage", list[UsageView])
async def get_usage(
    operator: Reader, config: Conf, days: Days = usage.QUIET_DAYS
) -> Response:
    """Who still dials a legacy address, for every endpoint."""
    is_counted = config.usage.ledger
    views = await usage.get_usage(operator, None, days, is_counted=is_counted)
    return Answer([usage_view_to_json(view) for view in views])


@api.get("/usage/unknown", list[UnknownView])
async def get_unknown(operator: Reader) -> Response:
    """What is dialled in our domains and nobody serves."""
    views = await unknown.get_unknown(operator)
    return Answer([unknown_to_json(view) for view in views])


@api.get("/usage/{identity}", UsageView)
async def get_usage_of(
    identity: Identity, operator: Reader, config: Conf, days: Days = usage.QUIET_DAYS
) -> Response:
    """Who still dials one legacy address."""
    is_counted = config.usage.ledger
    (view,) = await usage.get_usage(operator, identity, days, is_counted=is_counted)
    return Answer(usage_view_to_json(view))


@api.delete("/usage/users/{user}", Forgotten, role="admin")
async def forget_user(
    user: Annotated[str, Path(min_length=3, max_length=1024)], operator: Op
) -> Response:
    """Forget a user everywhere in the ledger, for good; the history says how many."""
    return Answer({"rows": await usage.forget_user(operator, user)})


@api.post("/doctor", DoctorView, media=(EVENT_STREAM,))
async def ask_doctor(
    request: Request, body: DoctorOrder, operator: Op, config: Conf, desk: TheDesk
) -> Response:
    """Examine one endpoint, all, or those of a plan: domain, DNS, TCP, TLS, OPTIONS."""
    if body.plan is not None and body.identity is not None:
        raise ControlError("examine an endpoint or a plan, not both at once")
    plan = _plan(body.plan)
    facts = None if body.facts is None else facts_verbs.parse_facts(body.facts)

    async def job(tell: Tell) -> Any:
        steps: list[Step] = []

        def found(step: Step) -> None:
            steps.append(step)
            tell("step", asdict(step))

        version = await operator.store.table_version()
        await desk.in_thread(is_in_force, config, version)
        found(await desk.in_thread(service_step, config, version))
        ours = await listeners.look(config)
        address = await facts_verbs.address_of(operator, body.identity)
        said = await facts_verbs.findings_of(operator, config, facts, plan)
        said = facts_verbs.about(said, address)
        for step in [*listeners.steps_of(ours), *as_steps(said)]:
            found(step)
        journeys = Journeys(config, ours, plan is not None) if body.journey else None
        examiner = Doctor(operator, config, said)
        async for step in examiner.all(body.identity, plan, journeys):
            found(step)
        return steps_to_json(steps)

    return await answer_job(request, job)


def _plan(text: str | None, name: str = "plan.toml") -> Plan | None:
    if text is None:
        return None
    with refusals():
        return parse_plan(text, name)


# -- facts ---------------------------------------------------------------------------


@api.get("/facts/script", str, media=("text/plain",))
async def facts_script() -> Response:
    """The read-only PowerShell script for Lync's side."""
    return PlainTextResponse(facts_verbs.script_text())


@api.post("/facts/show", FactsView)
async def show_facts(body: FactsFile) -> Response:
    """What was read, section by section, and what could not be."""
    return Answer(facts_to_json(facts_verbs.parse_facts(body.facts)))


@api.post("/facts/check", Judgement)
async def check_facts(body: FactsOrder, operator: Op, config: Conf) -> Response:
    """Whether Lync leads every endpoint here: a step for each rule."""
    facts, plan = facts_verbs.parse_facts(body.facts), _plan(body.plan)
    findings = await facts_verbs.examine(operator, config, facts, plan, body.topology)
    return Answer(steps_to_json(findings))


# -- runbook -------------------------------------------------------------------------


@api.get("/runbook", list[ItemView], is_whole=True)
async def get_runbook(operator: Reader, config: Conf) -> Response:
    """The migration as a checklist, looked at just now."""
    items = await runbook.walk(operator, config)
    return Answer([asdict(item) for item in items])


@api.put("/runbook", list[ItemView], is_whole=True)
async def begin_runbook(
    body: RunbookPlan, operator: Op, config: Conf, what_if: WhatIf = False
) -> Response:
    """Name the plan of the cutover; it is kept from then on."""
    _plan(body.plan, body.name)
    if what_if:
        return Answer([])
    items = await runbook.walk(operator, config, (body.name, body.plan))
    return Answer([asdict(item) for item in items])


@api.delete("/runbook", list[ItemView], is_whole=True)
async def reset_runbook(operator: Op, what_if: WhatIf = False) -> Response:
    """Begin anew."""
    if not what_if:
        await forget(operator)
    return Answer([])


@api.get("/runbook/report", ReportView, is_whole=True)
async def runbook_report(operator: Reader, config: Conf) -> Response:
    """What was done, to hand over."""
    return Answer(report_to_json(await runbook.report(operator, config)))


@api.put("/runbook/steps/{step}", Ticked, is_whole=True)
async def tick_step(
    step: StepName, body: Tick, operator: Op, what_if: WhatIf = False
) -> Response:
    """Tick a step off."""
    name = await runbook.tick(operator, step, body.note, what_if=what_if)
    return Answer({"name": name, "state": "done"})


@api.delete("/runbook/steps/{step}", Ticked, is_whole=True)
async def untick_step(
    step: StepName, operator: Op, what_if: WhatIf = False
) -> Response:
    """Take a tick back."""
    name = await runbook.untick(operator, step, what_if=what_if)
    return Answer({"name": name, "state": "open"})
