"""Pools: their front ends as the running service and DNS see them."""

from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from proxy.admin import control
from proxy.admin.control import Operator
from proxy.admin.pool_show import ask_service, resolve_pool, with_health
from proxy.console.api.routing import Reader, TheDesk
from proxy.console.desk import Desk
from proxy.console.pages.routing import Pages
from proxy.console.pages.site import page

pages = Pages()


@pages.get("/pools")
async def pools_page(request: Request, operator: Reader) -> Response:
    """Every pool that an endpoint or a setting names."""
    return page(request, "pools.html", views=await control.get_pools(operator))


@pages.get("/pools/one")
async def pool_page(request: Request, operator: Reader, desk: TheDesk) -> Response:
    """One pool, asked for just now."""
    return page(request, "pools/one.html", **await _asked(request, operator, desk))


@pages.get("/pools/front-ends")
async def front_ends(request: Request, operator: Reader, desk: TheDesk) -> Response:
    """Its front ends alone, for the page of all pools."""
    seen = await _asked(request, operator, desk)
    return page(request, "pools/front_ends.html", **seen)


async def _asked(request: Request, operator: Operator, desk: Desk) -> dict[str, Any]:
    name = request.query_params.get("fqdn", "")[:1024]
    (view,) = await control.get_pools(operator, name)
    asked, servers = await resolve_pool(desk.config, view)
    service = await desk.in_thread(ask_service, desk.config, view.pool.fqdn)
    return {
        "view": view,
        "dns": with_health(asked, service),
        "servers": servers,
        "service": asdict(service),
    }
