"""The plan on the page: made, edited, looked at and applied."""

from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from proxy.admin import cutover as verbs
from proxy.admin import switching
from proxy.admin.as_json import endpoint_changes
from proxy.admin.control import ControlError, Operator, refusals
from proxy.admin.doctor.verdicts import Step, summary, worst
from proxy.admin.in_force import is_in_force
from proxy.admin.runbook import runbook
from proxy.admin.runbook.memory import keep, recall
from proxy.config import Config
from proxy.console.api.cutovers import share_of
from proxy.console.api.routing import Conf, Op, Reader, TheDesk
from proxy.console.desk import Desk
from proxy.console.pages.diffs import differences
from proxy.console.pages.jobs import Job
from proxy.console.pages.plans import (
    MANY,
    PlanTable,
    of_endpoints,
    of_facts,
    table_of,
    table_of_form,
)
from proxy.console.pages.routing import Pages, fields_of, form_of
from proxy.console.pages.site import page, site_of
from proxy.console.pages.streams import stream
from proxy.console.pages.weekend import weekend_of
from proxy.console.problems import Problem
from proxy.endpoints.changes import RowChange
from proxy.endpoints.guard import parse_limit, parse_span
from proxy.endpoints.model import Guard
from proxy.endpoints.plan import Plan, parse_plan, read_plan

pages = Pages()

FILE = "plan.toml"


# -- making one ----------------------------------------------------------------------


@pages.post("/migration/plan/file", is_whole=True)
async def plan_file(request: Request) -> Response:
    """A plan that was written elsewhere, into the table; nothing is kept yet."""
    form = await form_of(request)
    with refusals():
        plan = parse_plan(form.get("text", ""), form.get("name", FILE)[:200])
    return _table(request, table_of(plan))


@pages.post("/migration/plan/rows", is_whole=True)
async def plan_rows(request: Request, operator: Op) -> Response:
    """The table, with rows for what does not lead to the pool yet, here or in Lync."""
    fields = await fields_of(request)
    found, pool = table_of_form(fields), dict(fields).get("to_pool", "").strip()
    if not pool:
        raise ControlError("name the pool that the endpoints shall lead to")
    table = await operator.store.load_table()
    rows = [*of_endpoints(table.endpoints.values(), pool)]
    facts = weekend_of(request).facts
    if facts is not None:
        served = operator.rules.domains
        rows += [
            row
            for row in of_facts(facts, table.endpoints, pool)
            if row.sip_address.rpartition("@")[2] in served
        ]
    typed = {row.sip_address.lower() for row in found.rows}
    new = [row for row in rows if row.sip_address.lower() not in typed]
    if not new and not found.rows:
        raise ControlError(
            f"no endpoint would be new at {pool}: write a row for each address"
        )
    return _table(request, replace(found, rows=(*found.rows, *new)))


def _table(request: Request, table: PlanTable) -> Response:
    if len(table.rows) > MANY:
        raise Problem(
            413,
            f"the plan has {len(table.rows)} endpoints, and a page shows {MANY}: use "
            '"waypost cutover plan" and "apply"',
        )
    return page(request, "migration/plan_table.html", plan=table)


# -- looking at it -------------------------------------------------------------------


@pages.post("/migration/plan/look", is_whole=True)
async def look(request: Request, operator: Op, config: Conf) -> Response:
    """What the plan would change, and what the doctor says without asking its pools."""
    order = await _order(request, operator)
    outcome, steps = await switching.look(operator, config, order)
    return page(
        *(request, "migration/what_if.html"),
        **_seen(endpoint_changes(outcome), steps),
    )


@pages.post("/migration/plan/keep", is_whole=True)
async def keep_plan(request: Request, operator: Op) -> Response:
    """Keep the plan in the store, for the runbook and for everybody."""
    table = table_of_form(await fields_of(request))
    runbook.checked_plan(operator, table.text(), FILE)
    memory = await recall(operator)
    memory.plan_name, memory.plan_text = table.name or FILE, table.text()
    await keep(operator, memory)
    headers = {"HX-Trigger": '{"look": {}, "kept": {}}'}
    return page(request, "migration/kept.html", 200, headers)


@pages.get("/migration/plan/download", is_whole=True)
async def download(request: Request, operator: Reader) -> Response:
    """The plan that is kept, as the file that the command reads."""
    memory = await recall(operator)
    if not memory.plan_text:
        raise Problem(404, "no plan is kept yet")
    headers = {"Content-Disposition": f'attachment; filename="{FILE}"'}
    return Response(memory.plan_text, 200, headers, "application/toml")


def _seen(changes: list[RowChange], steps: list[Step]) -> dict[str, Any]:
    return {
        "changes": [differences(each) for each in changes],
        "steps": steps,
        "verdict": worst(steps) if steps else "",
        "counts": summary(steps),
    }


async def _order(request: Request, operator: Operator) -> switching.Order:
    """What the form asks for, or once more what was rolled back last."""
    fields = await fields_of(request)
    form = dict(fields)
    if form.get("again") == "yes":
        last = switching.Order.again(await verbs.again(operator))
        return replace(last, facts=weekend_of(request).facts)
    plan = _plan(fields)
    order = switching.Order(plan, facts=weekend_of(request).facts)
    percent, pilots = form.get("percent", ""), form.get("pilots", "").split()
    if percent or pilots:
        share = share_of(_whole("percent", percent), pilots)
        order = replace(order, share=share)
    if form.get("guard") == "yes":
        with refusals():
            limit = parse_limit(form.get("limit", "") or "5 %")
            seconds = parse_span(form.get("guard_for", "") or "30m")
        least = _whole("least", form.get("least", "")) or switching.DEFAULT_LEAST
        guard = Guard(limit, least, probes=form.get("probe") == "yes")
        order = replace(order, guard=guard, guard_for=seconds)
    return order


def _plan(fields: list[tuple[str, str]]) -> Plan:
    with refusals():
        return read_plan(table_of_form(fields).text(), FILE)


def _whole(name: str, text: str) -> int | None:
    """A whole number that was typed; None for nothing."""
    if not text.strip():
        return None
    try:
        found = int(text.strip().removesuffix("%"))
    except ValueError:
        found = -1
    if not 0 <= found <= 1_000_000 or (name == "percent" and found > 100):
        raise ControlError(f'{name}: "{text[:40]}" is no number that can be here')
    return found


# -- applying it ---------------------------------------------------------------------


@pages.post("/migration/apply", is_whole=True)
async def apply(
    request: Request, operator: Op, config: Conf, desk: TheDesk
) -> Response:
    """Begin to apply the plan; the doctor's lines come as a stream."""
    order = await _order(request, operator)
    form, access = await form_of(request), request.state.caller.access
    order = replace(order, force=form.get("force") == "yes")

    async def work(job: Job) -> Any:
        return await _switch(operator, config, desk, order, job)

    jobs = weekend_of(request).jobs
    job = jobs.begin((access.kind, access.name), work)
    job.again = "yes" if form.get("again") == "yes" else ""
    return page(request, "migration/applying.html", job=job)


async def _switch(
    operator: Operator, config: Config, desk: Desk, order: switching.Order, job: Job
) -> dict[str, Any]:
    done = await switching.switch(
        operator, config, order, lambda steps, outcome: None, tell=job.steps.append
    )
    found = None
    if done.version:
        found = await desk.in_thread(is_in_force, config, done.version)
    changes = [differences(each) for each in endpoint_changes(done.outcome)]
    return {
        "is_made": bool(done.version),
        "in_force": found,
        "changes": changes,
        "keeper": done.keeper,
    }


@pages.get("/migration/jobs/{number}/events", role="operator", is_whole=True)
async def job_events(request: Request, number: int) -> Response:
    """The lines of a job, then how it ended."""
    access, site = request.state.caller.access, site_of(request)
    job = weekend_of(request).jobs.find(number, (access.kind, access.name))

    async def parts() -> dict[str, str]:
        made = {"lines": site.html(request, "migration/job_lines.html", job=job)}
        if job.is_done:
            made["end"] = site.html(request, "migration/job_end.html", job=job)
            made["done"] = "done"
        return made

    return stream(request, parts, "operator", is_whole=True, pause=0.2)
