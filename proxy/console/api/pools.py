"""Pools: what ``waypost pool`` does."""

from dataclasses import asdict
from typing import Annotated

from fastapi import Path
from starlette.responses import Response

from proxy.admin import control
from proxy.admin.as_json import pool_view_to_json
from proxy.admin.pool_show import ask_service, resolve_pool, with_health
from proxy.console.api.endpoints import answer_change
from proxy.console.api.routing import Answer, Api, Conf, Op, Reader, TheDesk, WhatIf
from proxy.console.desk import row_tag
from proxy.console.schemas.table import OutcomeView, PoolPatch, PoolSeen, PoolView

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
