"""Migration: the runbook as a checklist, facts, and the users who arrive."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from proxy.admin import facts as facts_verbs
from proxy.admin.control import ControlError, Operator
from proxy.admin.doctor.verdicts import summary, worst
from proxy.admin.runbook import runbook
from proxy.admin.runbook.memory import recall
from proxy.console.api.routing import Conf, Op, Reader
from proxy.console.pages.now import cutover_part
from proxy.console.pages.plans import PlanTable, pools_of, table_of
from proxy.console.pages.routing import Pages, form_of
from proxy.console.pages.site import page, site_of
from proxy.console.pages.streams import stream
from proxy.console.pages.weekend import Dropped, weekend_of
from proxy.console.problems import Problem
from proxy.endpoints.address import Refused
from proxy.endpoints.plan import Plan, read_plan
from proxy.endpoints.usage import OTHERS, Usage
from proxy.facts.model import Finding

pages = Pages()

LOOK = {"HX-Trigger": "look"}
"""Tells the page that the checklist may say something else now."""
SHOWN = 20
"""Users who arrived, the latest first."""


@pages.get("/migration", is_whole=True)
async def migration_page(request: Request, operator: Reader, config: Conf) -> Response:
    """The whole page but the checklist, which comes later: it looks at everything."""
    table, text = await kept_plan(operator)
    shown = await _live(request, operator)
    facts = await facts_part(request, operator, config)
    endpoints = (await operator.store.load_table()).endpoints.values()
    known = {pool for each in endpoints for pool in each.pools}
    dropped = weekend_of(request).dropped
    if dropped is not None:
        known |= set(pools_of(dropped.facts))
    return page(
        *(request, "migration.html"),
        **{**shown, **facts, "plan": table, "is_kept": bool(text)},
        pool_names=sorted(known),
    )


async def kept_plan(operator: Operator) -> tuple[PlanTable, str]:
    """The plan of the runbook as a table, and its text; both blank without one."""
    memory = await recall(operator)
    if not memory.plan_text:
        return PlanTable(), ""
    try:
        return table_of(read_plan(memory.plan_text, memory.plan_name)), memory.plan_text
    except Refused:
        return PlanTable(memory.plan_name), memory.plan_text


# -- live ----------------------------------------------------------------------------


@pages.get("/migration/events", is_whole=True)
async def migration_events(request: Request, operator: Reader) -> Response:
    """The cutover and the users who arrive, as they change."""
    site = site_of(request)

    async def parts() -> dict[str, str]:
        shown = await _live(request, None)
        made = {
            "cutover": site.html(request, "now/cutover.html", **shown),
            "users": site.html(request, "migration/users.html", **shown),
        }
        return made | {"state": shown["standing"]}

    return stream(request, parts, is_whole=True, pause=0.5)


async def _live(request: Request, operator: Operator | None) -> dict[str, Any]:
    shown = await cutover_part(request, operator)
    view, found = shown["cutover"], shown["operator"]
    users: list[Usage] = []
    if view is not None and view.cutover.state in ("applied", "confirmed"):
        keys = {each.after.key for each in view.cutover.switches}
        users = [
            row
            for row in await found.store.usage()
            if row.endpoint_key in keys and row.last_at >= view.cutover.applied_at
        ]
        users.sort(key=lambda row: -row.last_at)
    distinct = {row.aor for row in users if row.aor != OTHERS}
    last = None if view is None else view.cutover
    return {
        **shown,
        "users": users[:SHOWN],
        "user_count": len(distinct),
        "standing": f"{last.number} {last.state}" if last else "none",
    }


# -- facts ---------------------------------------------------------------------------


@pages.post("/migration/facts", is_whole=True)
async def take_facts(request: Request, operator: Op, config: Conf) -> Response:
    """A file of Get-WaypostFacts.ps1 that was dropped onto the page."""
    form = await form_of(request)
    facts = facts_verbs.parse_facts(form.get("text", ""))
    name, access = form.get("name", "")[:200], request.state.caller.access
    weekend_of(request).dropped = Dropped(facts, name, access.name, operator.clock())
    shown = await facts_part(request, operator, config)
    return page(request, "migration/facts.html", 200, LOOK, **shown)


async def facts_part(
    request: Request, operator: Operator, config: Any
) -> dict[str, Any]:
    """The newest facts, and what they say of our endpoints and the plan."""
    dropped = weekend_of(request).dropped
    findings: list[Finding] = []
    doubt = ""
    if dropped is not None:
        try:
            plan = await _parsed(operator)
            facts = dropped.facts
            findings = await facts_verbs.examine(operator, config, facts, plan)
        except ControlError as error:
            doubt = str(error)  # the facts are read; what to compare them with is not
    order = ("failed", "unknown", "warning", "ok")
    return {
        "dropped": dropped,
        "findings": sorted(findings, key=lambda each: order.index(each.verdict)),
        "facts_summary": summary(findings),
        "facts_verdict": worst(findings) if findings else "",
        "facts_doubt": doubt,
    }


async def _parsed(operator: Operator) -> Plan | None:
    memory = await recall(operator)
    if not memory.plan_text:
        return None
    try:
        return read_plan(memory.plan_text, memory.plan_name)
    except Refused as refusal:
        raise ControlError(str(refusal)) from None


# -- the checklist -------------------------------------------------------------------


@pages.get("/migration/checklist", is_whole=True)
async def checklist(request: Request, operator: Reader, config: Conf) -> Response:
    """Every step, looked at just now."""
    _, text = await kept_plan(operator)
    items, doubt = None, ""
    if text:
        try:
            facts = weekend_of(request).facts
            items = await runbook.walk(operator, config, facts=facts)
        except ControlError as error:
            # The plan that is kept cannot be read, or the facts are of other servers.
            doubt = str(error)
    counts = runbook.summary(items or ())
    return page(
        *(request, "migration/checklist.html"), items=items, counts=counts, doubt=doubt
    )


@pages.post("/migration/steps/{step}", is_whole=True)
async def tick(request: Request, step: str, operator: Op, config: Conf) -> Response:
    """Tick a step off, with what to remember; or take the tick back."""
    form = await form_of(request)
    if form.get("done") == "yes":
        await runbook.tick(operator, step, form.get("note", "")[:1024])
    elif form.get("done") == "no":
        await runbook.untick(operator, step)
    else:
        raise Problem(422, "say whether the step is done: yes or no")
    return await checklist(request, operator, config)


@pages.get("/migration/report", is_whole=True)
async def report(request: Request, operator: Reader, config: Conf) -> Response:
    """What was done, on one page to print."""
    found = await runbook.report(operator, config, weekend_of(request).facts)
    return page(request, "migration/report.html", report=found)
