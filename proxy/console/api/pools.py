"""Pools: what ``waypost pool`` does."""

from dataclasses import asdict
from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from proxy.admin import control, draining
from proxy.admin.as_json import pool_view_to_json
from proxy.admin.pool_show import ask_service, resolve_pool, with_health
from proxy.console.api.endpoints import answer_change
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
from proxy.console.desk import row_tag
from proxy.console.schemas.table import (
    DrainView,
    NewDrain,
    OutcomeView,
    PoolPatch,
    PoolSeen,
    PoolView,
)
from proxy.endpoints.codec import drain_to_json

api = Api("pools")

Fqdn = Annotated[str, Path(description="The pool's full name.", max_length=1024)]


@api.get("/pools", list[PoolView])
async def get_pools(operator: Reader) -> Response:
    """Every pool that an endpoint or a pool setting names."""
    views = await control.get_pools(operator)
    return Answer([pool_view_to_json(view) for view in views])


@api.get("/pools/{fqdn}", PoolSeen)
async def get_pool(
    fqdn: Fqdn, operator: Reader, config: Conf, desk: TheDesk
) -> Response:
    """A pool as DNS and the running service see it."""
    (view,) = await control.get_pools(operator, fqdn)
    asked, servers = await resolve_pool(config, view)
    service = await desk.in_thread(ask_service, config, view.pool.fqdn)
    description = with_health(asked, service)
    dns = {**asdict(description), "nameservers": servers}
    found = {**pool_view_to_json(view), "dns": dns, "service": asdict(service)}
    return Answer(found, headers={"ETag": row_tag(view.pool)})


@api.patch("/pools/{fqdn}", OutcomeView)
async def set_pool(
    fqdn: Fqdn, body: PoolPatch, operator: Op, config: Conf, what_if: WhatIf = False
) -> Response:
    """Fix the transport or the port of a pool; port 0 is "by SRV records"."""
    outcome = await control.set_pool(
        operator, fqdn, transport=body.transport, port=body.port, what_if=what_if
    )
    return await answer_change(operator, config, outcome)


FrontEnd = Annotated[
    str, Path(description="Name or address, with :port if need be.", max_length=300)
]


@api.get("/drains", list[DrainView])
async def get_drains(operator: Reader) -> Response:
    """Front ends that get no new dialogs."""
    table, now = await operator.store.load_table(), operator.clock()
    return Answer([drain_to_json(x) for x in table.drains if not x.has_ended(now)])


@api.put("/drains/{front_end}", OutcomeView)
async def drain_front_end(
    front_end: FrontEnd,
    body: NewDrain,
    operator: Op,
    config: Conf,
    what_if: WhatIf = False,
    force: Force = False,
) -> Response:
    """Send no new dialogs to a front end; those in progress stay there."""
    outcome = await draining.drain(
        operator,
        config,
        front_end,
        pool=body.pool,
        seconds=body.seconds,
        reason=body.reason,
        force=force,
        what_if=what_if,
    )
    return await answer_change(operator, config, outcome)


@api.delete("/drains/{front_end}", OutcomeView)
async def undrain_front_end(
    front_end: FrontEnd,
    operator: Op,
    config: Conf,
    pool: Annotated[str | None, Query(max_length=1024)] = None,
    what_if: WhatIf = False,
) -> Response:
    """Send new dialogs to a front end again."""
    outcome = await draining.undrain(
        operator, config, front_end, pool=pool, what_if=what_if
    )
    return await answer_change(operator, config, outcome)
