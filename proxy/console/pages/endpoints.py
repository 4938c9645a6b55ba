"""Endpoints: who is led where; made, changed, retired, undone, imported."""

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from proxy.admin import control, exchange, history, usage
from proxy.admin.control import Operator, Outcome
from proxy.admin.doctor.doctor import Doctor
from proxy.console.api.observed import explained
from proxy.console.api.routing import Conf, Reader, TheDesk, desk_of
from proxy.console.desk import row_tag
from proxy.console.doubts import doubts_of
from proxy.console.pages.diffs import differences
from proxy.console.pages.routing import Pages, form_of
from proxy.console.pages.site import page, site_of
from proxy.console.pages.wording.dialled import dialled
from proxy.console.problems import Problem
from proxy.endpoints.changes import EndpointFields

pages = Pages()

SHOWN: Final = 500
"""Endpoints on one page; who has more looks for some."""
CHANGES: Final = 50
ADDRESS: Final = 1024


@pages.get("/endpoints")
async def endpoints_page(request: Request, operator: Reader) -> Response:
    """Those whose address, name or pool has what is looked for."""
    wanted = request.query_params.get("q", "").strip().lower()[:ADDRESS]
    views = await control.get_endpoints(operator)
    found = [x for x in views if wanted in _searched(x)]
    template = "endpoints.html"
    if "hx-request" in request.headers:
        template = "endpoints/list.html"
    return page(
        request,
        template,
        wanted=wanted,
        count=len(found),
        views=found[:SHOWN],
        shown=SHOWN,
    )


def _searched(view: control.EndpointView) -> str:
    row = view.endpoint
    return f"{row.key} {row.display_name} {' '.join(row.pools)}".lower()


@pages.get("/endpoints/new", role="operator")
async def new_page(request: Request, operator: Reader) -> Response:
    """An empty form."""
    return page(
        request, "endpoints/new.html", form={}, pools=await _pools(operator), made=None
    )


@pages.post("/endpoints/new")
async def new_endpoint(request: Request, config: Conf) -> Response:
    """Create an endpoint; with the first button only say what that would do."""
    form, operator = await _changing(request)
    outcome = await control.new_endpoint(
        operator,
        form.get("sip_address", ""),
        _fields(form),
        what_if=form.get("go") != "yes",
        force=form.get("force") == "yes",
    )
    return await _told(request, operator, config, outcome)


@pages.get("/endpoints/one")
async def one_page(request: Request, operator: Reader, config: Conf) -> Response:
    """Everything about one endpoint."""
    address = request.query_params.get("address", "")[:ADDRESS]
    (view,) = await control.get_endpoints(operator, address)
    lines = await history.history(operator, address, CHANGES)
    (ledger,) = await usage.get_usage(operator, address, is_counted=config.usage.ledger)
    return page(
        request,
        "endpoints/one.html",
        view=view,
        row=view.endpoint,
        seen=row_tag(view.endpoint),
        used=dialled(site_of(request).words_of(request), ledger),
        lines=lines,
        pools=await _pools(operator),
    )


@pages.post("/endpoints/set")
async def set_endpoint(request: Request, config: Conf) -> Response:
    """Change an endpoint, if it is still what the page showed."""
    form, operator = await _changing(request)
    outcome = await control.set_endpoint(
        *(operator, form.get("address", ""), _fields(form)),
        what_if=form.get("go") != "yes",
    )
    return await _told(request, operator, config, outcome)


@pages.post("/endpoints/retire")
async def retire_endpoint(request: Request, config: Conf) -> Response:
    """Answer 410 from now on, and count who asks."""
    form, operator = await _changing(request)
    outcome = await usage.retire(
        *(operator, form.get("address", ""), form.get("text", "").strip() or None),
        what_if=form.get("go") != "yes",
    )
    return await _told(request, operator, config, outcome)


@pages.post("/endpoints/activate")
async def activate_endpoint(request: Request, config: Conf) -> Response:
    """Take a retirement back."""
    form, operator = await _changing(request)
    outcome = await usage.activate(
        operator, form.get("address", ""), what_if=form.get("go") != "yes"
    )
    return await _told(request, operator, config, outcome)


@pages.post("/endpoints/remove")
async def remove_endpoint(request: Request, config: Conf) -> Response:
    """Remove an endpoint."""
    form, operator = await _changing(request)
    what_if = form.get("go") != "yes"
    outcome = await control.remove_endpoint(
        operator, form.get("address", ""), what_if=what_if
    )
    # Nothing is left of the endpoint that the page could show anew.
    gone = {} if what_if else {"HX-Retarget": "#one", "HX-Reswap": "innerHTML"}
    return await _told(request, operator, config, outcome, gone)


@pages.post("/endpoints/undo")
async def undo_change(request: Request, config: Conf) -> Response:
    """Take one change back."""
    form, operator = await _changing(request)
    number = form.get("number", "")
    if not number.isdecimal() or len(number) > 15:
        raise Problem(422, "say which change: its number in the history")
    outcome = await history.undo(operator, int(number))
    return await _told(request, operator, config, outcome)


@pages.post("/endpoints/import")
async def import_file(request: Request, config: Conf) -> Response:
    """Say what each line of a file would do; with the button that this shows, do it."""
    form, operator = await _changing(request)
    text, pool = form.get("text", ""), form.get("pool_fqdn", "").strip()
    what_if = form.get("go") != "yes"
    report = await exchange.import_endpoints(
        *(operator, text.encode()), default_pool=pool or None, what_if=what_if
    )
    doubts = await doubts_of(operator, config, report.outcome)
    return page(
        request,
        "endpoints/imported.html",
        report=report,
        doubts=doubts,
        what_if=what_if,
        text=text,
        pool=pool,
    )


@pages.get("/endpoints/doctor", role="operator")
async def ask_doctor(request: Request, operator: Reader, config: Conf) -> Response:
    """What the doctor says of one endpoint."""
    address = request.query_params.get("address", "")[:ADDRESS]
    steps = [x async for x in Doctor(operator, config).all(address, None, None)]
    return page(request, "endpoints/doctor.html", steps=steps)


@pages.get("/endpoints/explain", role="operator", is_whole=True)
async def explain(request: Request, desk: TheDesk) -> Response:
    """What would become of a request to an address; sends none."""
    names = ("uri", "from", "method")
    words = {x: request.query_params.get(x, "").strip()[:ADDRESS] for x in names}
    words["method"] = words["method"] or "INVITE"
    found = await explained(desk, desk.config, words)
    return page(request, "endpoints/explained.html", found=found)


async def _changing(request: Request) -> tuple[dict[str, str], Operator]:
    """The form, and a store that takes a change only of what was seen."""
    form, desk = await form_of(request), desk_of(request)
    return form, await desk.operator(request.state.caller, form.get("seen", ""))


def _fields(form: dict[str, str]) -> EndpointFields:
    patterns = form.get("service_uris", "").split()
    return EndpointFields(
        form.get("pool_fqdn", "").strip() or None,
        form.get("display_name", "").strip(),
        form.get("request_uri", "").strip() or None,
        tuple(patterns),
    )


async def _pools(operator: Operator) -> list[str]:
    return [each.pool.fqdn for each in await control.get_pools(operator)]


async def _told(
    request: Request,
    operator: Operator,
    config: Conf,
    outcome: Outcome,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """What was changed, or would be, and the warnings about its pools.

    The page then asks anew for what it shows, unless ``headers`` lead it elsewhere.
    """
    if headers is None or not headers:
        headers = {} if outcome.what_if else {"HX-Trigger-After-Swap": "changed"}
    return page(
        *(request, "endpoints/told.html", 200, headers),
        what_if=outcome.what_if,
        changes=[differences(each) for each in outcome.changes],
        doubts=await doubts_of(operator, config, outcome),
    )
