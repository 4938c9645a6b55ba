"""Endpoints: what ``waypost endpoint`` does."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import Body, Path, Query, Request
from starlette.responses import Response

from proxy.admin import control, exchange, history, usage
from proxy.admin.as_json import (
    endpoint_view_to_json,
    history_line_to_json,
    outcome_to_json,
    warnings,
)
from proxy.admin.control import Operator, Outcome
from proxy.config import Config
from proxy.console.api.routing import (
    Answer,
    Api,
    Conf,
    Force,
    Limit,
    Op,
    Reader,
    WhatIf,
)
from proxy.console.desk import row_tag, table_tag
from proxy.console.doubts import doubts_of
from proxy.console.jobs import EVENT_STREAM, Tell, answer_job
from proxy.console.schemas.table import (
    EndpointPatch,
    EndpointView,
    HistoryView,
    ImportView,
    NewEndpoint,
    OutcomeView,
    Retirement,
)
from proxy.endpoints.changes import EndpointFields

api = Api("endpoints")

Identity = Annotated[
    str, Path(description="SIP address or display name.", min_length=1, max_length=1024)
]


@api.get("/endpoints", list[EndpointView])
async def get_endpoints(
    operator: Reader,
    pool_fqdn: Annotated[str | None, Query(max_length=1024)] = None,
    filter: Annotated[
        str | None,
        Query(max_length=1024, description="{DisplayName -like '*chat*'} and so on."),
    ] = None,
    limit: Annotated[int | None, Query(ge=0, le=100_000)] = None,
) -> Response:
    """Some endpoints, or all, by address."""
    views = await control.get_endpoints(
        operator, None, pool_fqdn=pool_fqdn, filter_text=filter, limit=limit
    )
    tag = table_tag(await operator.store.load_table())
    return Answer([endpoint_view_to_json(x) for x in views], headers={"ETag": tag})


@api.get("/endpoints/{identity}", EndpointView)
async def get_endpoint(identity: Identity, operator: Reader) -> Response:
    """One endpoint; its ETag is good for If-Match."""
    (view,) = await control.get_endpoints(operator, identity)
    tag = row_tag(view.endpoint)
    return Answer(endpoint_view_to_json(view), headers={"ETag": tag})


@api.post("/endpoints", OutcomeView, also={201: OutcomeView})
async def new_endpoint(
    body: NewEndpoint,
    operator: Op,
    config: Conf,
    what_if: WhatIf = False,
    force: Force = False,
) -> Response:
    """Create an endpoint; 201, and 200 with what_if."""
    fields = _fields(body)
    outcome = await control.new_endpoint(
        operator, body.sip_address, fields, what_if=what_if, force=force
    )
    return await answer_change(operator, config, outcome, 200 if what_if else 201)


@api.patch("/endpoints/{identity}", OutcomeView)
async def set_endpoint(
    identity: Identity,
    body: EndpointPatch,
    operator: Op,
    config: Conf,
    what_if: WhatIf = False,
) -> Response:
    """Change an endpoint, all at once; never its address."""
    fields = _fields(body)
    outcome = await control.set_endpoint(operator, identity, fields, what_if=what_if)
    return await answer_change(operator, config, outcome)


def _fields(body: NewEndpoint | EndpointPatch) -> EndpointFields:
    return EndpointFields(
        body.pool_fqdn, body.display_name, body.request_uri, body.service_uris
    )


@api.delete("/endpoints/{identity}", OutcomeView)
async def remove_endpoint(
    identity: Identity, operator: Op, config: Conf, what_if: WhatIf = False
) -> Response:
    """Remove an endpoint and what was learned through it."""
    outcome = await control.remove_endpoint(operator, identity, what_if=what_if)
    return await answer_change(operator, config, outcome)


@api.post("/endpoints/{identity}/retire", OutcomeView)
async def retire_endpoint(
    identity: Identity,
    body: Retirement,
    operator: Op,
    config: Conf,
    what_if: WhatIf = False,
) -> Response:
    """Answer 410 with a text, and go on counting who asks."""
    outcome = await usage.retire(operator, identity, body.text, what_if=what_if)
    return await answer_change(operator, config, outcome)


@api.post("/endpoints/{identity}/activate", OutcomeView)
async def activate_endpoint(
    identity: Identity, operator: Op, config: Conf, what_if: WhatIf = False
) -> Response:
    """Take a retirement back: whoever dials it reaches the pool again."""
    outcome = await usage.activate(operator, identity, what_if=what_if)
    return await answer_change(operator, config, outcome)


@api.get("/endpoints/{identity}/history", list[HistoryView])
async def endpoint_history(
    identity: Identity, operator: Reader, limit: Limit = 100
) -> Response:
    """What was changed about one endpoint, also a removed one; the newest first."""
    lines = await history.history(operator, identity, limit)
    return Answer([history_line_to_json(line) for line in lines])


@api.get("/history", list[HistoryView])
async def all_history(operator: Reader, limit: Limit = 100) -> Response:
    """Every change: who, when, from where, what. The newest first."""
    lines = await history.history(operator, None, limit)
    return Answer([history_line_to_json(line) for line in lines])


@api.post("/history/{number}/undo", OutcomeView)
async def undo_change(
    number: Annotated[int, Path(ge=1, le=2**53)],
    operator: Op,
    config: Conf,
    what_if: WhatIf = False,
    force: Force = False,
    batch: Annotated[
        bool, Query(description="All that was changed with it: a whole import.")
    ] = False,
) -> Response:
    """Take one change back. That is a change too, and can be undone."""
    undo = history.undo_batch if batch else history.undo
    outcome = await undo(operator, number, what_if=what_if, force=force)
    return await answer_change(operator, config, outcome)


@api.post("/import", ImportView, media=(EVENT_STREAM,))
async def import_endpoints(
    request: Request,
    body: Annotated[bytes, Body(media_type="application/octet-stream")],
    operator: Op,
    pool_fqdn: Annotated[str | None, Query(max_length=1024)] = None,
    what_if: WhatIf = False,
    skip_refused: Annotated[
        bool, Query(description="Import the rows that are right.")
    ] = False,
    force: Force = False,
) -> Response:
    """Take endpoints from what the cmdlets export, CSV or JSON, all or none."""

    async def job(tell: Tell) -> object:
        report = await exchange.import_endpoints(
            operator,
            body,
            default_pool=pool_fqdn,
            what_if=what_if,
            skip_refused=skip_refused,
            force=force,
        )
        rows = [asdict(line) for line in report.lines]
        for row in rows:
            tell("step", row)
        about = {"rows": rows, "number": report.number}
        return {**outcome_to_json(report.outcome), **about}

    return await answer_job(request, job)


@api.get("/export", Any, media=("text/csv",))
async def export_endpoints(
    operator: Reader, format: Literal["csv", "json"] = "csv"
) -> Response:
    """Every endpoint, as PowerShell and import read it."""
    text = await exchange.export_endpoints(operator, format)
    if format == "json":
        return Response(text, media_type="application/json")
    return Response(text.encode("utf-8-sig"), media_type="text/csv")


async def answer_change(
    operator: Operator, config: Config, outcome: Outcome, status: int = 200
) -> Response:
    """What was changed, warnings about its pools, and the ETag of what is there now."""
    doubts = await doubts_of(operator, config, outcome)
    value = {**outcome_to_json(outcome), **warnings(doubts)}
    headers = {}
    if len(outcome.changes) == 1 and not outcome.what_if:
        headers["ETag"] = row_tag(outcome.changes[0].after)
    return Answer(value, status, headers)
