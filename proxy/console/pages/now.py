"""Now: is it well, is a cutover pending, and what needs somebody."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from proxy import clock
from proxy.admin import cutover as verbs
from proxy.admin.control import Operator, Outcome
from proxy.admin.cutover import CutoverView
from proxy.admin.in_force import is_in_force
from proxy.console.api.routing import Reader, TheDesk, desk_of
from proxy.console.desk import Desk, row_tag
from proxy.console.pages.alerts import alerts_of
from proxy.console.pages.routing import Pages, form_of
from proxy.console.pages.site import page, say, site_of
from proxy.console.pages.streams import stream
from proxy.console.pages.words import N_
from proxy.console.pulse import Pulse

pages = Pages()


@pages.get("/now")
async def now_page(request: Request, operator: Reader) -> Response:
    """The whole page."""
    return page(request, "now.html", **await _seen(request, operator))


@pages.get("/now/events")
async def now_events(request: Request, operator: Reader) -> Response:
    """The same, part by part, as it changes."""
    site = site_of(request)

    async def parts() -> dict[str, str]:
        seen = await _seen(request, await _again(request))
        names = ("alerts", "cutover", "service", "nodes", "pools")
        made = {each: site.html(request, f"now/{each}.html", **seen) for each in names}
        return made | {"hour": seen["hour"]}

    return stream(request, parts)


async def _again(request: Request) -> Operator:
    """The store for one more look; each rolls back an overdue cutover first."""
    return await desk_of(request).operator(request.state.caller)


@pages.post("/now/confirm")
async def confirm(request: Request, desk: TheDesk) -> Response:
    """Keep the pending cutover."""
    operator = await _as_seen(request, desk)
    outcome = await verbs.confirm(operator)
    return await _settled(request, operator, outcome, N_("The cutover is confirmed"))


@pages.post("/now/rollback")
async def roll_back(request: Request, desk: TheDesk) -> Response:
    """Put every endpoint of the newest cutover back."""
    operator = await _as_seen(request, desk)
    force = (await form_of(request)).get("force") == "yes"
    outcome = await verbs.roll_back(operator, force=force)
    return await _settled(request, operator, outcome, N_("The cutover is rolled back"))


async def _as_seen(request: Request, desk: Desk) -> Operator:
    """The store, for a change of the cutover that the page shows and of no other."""
    seen = (await form_of(request)).get("seen", "")
    # A page that shows none matches none: an empty tag would let any change pass.
    return await desk.operator(request.state.caller, seen or '"nothing"')


async def _settled(
    request: Request, operator: Operator, outcome: Outcome, text: str
) -> Response:
    """The part about the cutover as it is now, and whether the service routes by it."""
    desk = desk_of(request)
    version = await operator.store.table_version()
    found = await desk.in_thread(is_in_force, desk.config, version)
    how = {
        True: N_("in force: the running proxy routes by it"),
        False: N_("NOT in force yet: look at the service and its log"),
        None: N_("no proxy answers here; a running one takes it over within a second"),
    }[found]
    told = f"{say(request, text)} – {say(request, how)}"
    seen = await _seen(request, operator)
    headers = {"HX-Trigger": json.dumps({"told": {"text": told}})}
    return page(request, "now/cutover.html", 200, headers, **seen)


async def cutover_part(request: Request, operator: Operator | None) -> dict[str, Any]:
    """What the part about the newest cutover shows; with the operator that looked."""
    if operator is None:
        operator = await _again(request)
    view = await verbs.status(operator)
    return {
        "operator": operator,
        "cutover": view,
        "seen": "" if view is None else row_tag(view.cutover),
        "deadline": _deadline(view),
        "now": clock.wall(),
    }


async def _seen(request: Request, operator: Operator) -> dict[str, Any]:
    """Everything that the page shows."""
    pulse = desk_of(request).pulse
    status = await pulse.look()
    pools = await _pools_of(request, operator)
    return {
        **await cutover_part(request, operator),
        "service": status,
        "alerts": alerts_of(status, pulse.problem, pools, pulse.nodes),
        "nodes": pulse.nodes,
        "newest": max((x["table_version"] or 0 for x in pulse.nodes), default=0),
        "pools": _seen_pools(status, pools),
        "hour": _hour(pulse),
    }


async def _pools_of(request: Request, operator: Operator) -> frozenset[str] | None:
    """The pools that this caller may see; None for all."""
    if not request.state.caller.access.is_scoped:
        return None
    table = await operator.store.load_table()
    return frozenset(x for each in table.endpoints.values() for x in each.pools)


def _seen_pools(
    status: dict[str, Any] | None, pools: frozenset[str] | None
) -> dict[str, Any]:
    found = (status or {}).get("pools") or {}
    return {k: v for k, v in found.items() if pools is None or k.lower() in pools}


def _deadline(view: CutoverView | None) -> int | None:
    """When it is rolled back by itself, the same second at every look."""
    if view is None or view.seconds_left is None or view.cutover.state != "applied":
        return None
    then, by = clock.wall() + view.seconds_left, view.cutover.confirm_by or 0.0
    # When the clock was set, the time since boot decides (decision 45), and changes a
    # little from look to look: rounded, it stays the same text.
    return round(by) if abs(then - by) < 3 else round(then / 5) * 5


def _hour(pulse: Pulse) -> str:
    """The chart's figures."""
    minutes = pulse.hour.minutes(clock.wall())
    return json.dumps([[each.began, each.calls, each.failed] for each in minutes])
