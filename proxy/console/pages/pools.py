"""Pools: their front ends as the running service and DNS see them."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from proxy.admin import control, draining
from proxy.admin.control import Operator
from proxy.admin.pool_show import ask_service, resolve_pool, with_health
from proxy.console.api.routing import Op, Reader, TheDesk
from proxy.console.desk import Desk
from proxy.console.pages.routing import Pages, form_of
from proxy.console.pages.site import page
from proxy.pools.description import FrontEndRow

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


@pages.post("/pools/drain", is_whole=True)
async def drain(request: Request, operator: Op, desk: TheDesk) -> Response:
    """Send no new dialogs to a front end of this pool."""
    return await _drained(request, operator, desk, draining.drain)


@pages.post("/pools/undrain", is_whole=True)
async def undrain(request: Request, operator: Op, desk: TheDesk) -> Response:
    """Send new dialogs to it again."""
    return await _drained(request, operator, desk, draining.undrain)


async def _drained(
    request: Request, operator: Operator, desk: Desk, verb: Callable[..., Any]
) -> Response:
    form = await form_of(request)
    name, pool = form.get("front_end", "")[:300], form.get("fqdn", "")[:1024]
    await verb(operator, desk.config, name, pool=pool)
    seen = await _seen(pool, operator, desk)
    return page(request, "pools/front_ends.html", **seen)


async def _asked(request: Request, operator: Operator, desk: Desk) -> dict[str, Any]:
    name = request.query_params.get("fqdn", "")[:1024]
    return await _seen(name, operator, desk)


async def _seen(name: str, operator: Operator, desk: Desk) -> dict[str, Any]:
    (view,) = await control.get_pools(operator, name)
    asked, servers = await resolve_pool(desk.config, view)
    service = await desk.in_thread(ask_service, desk.config, view.pool.fqdn)
    return {
        "view": view,
        "dns": with_health(asked, service),
        "servers": servers,
        "service": asdict(service),
        "is_drained": await _out(operator, view.pool.fqdn),
    }


async def _out(operator: Operator, fqdn: str) -> Callable[[FrontEndRow], bool]:
    """Tells of a front end of a pool whether it gets no new dialogs."""
    table, now = await operator.store.load_table(), operator.clock()
    drains = [each for each in table.drains if not each.has_ended(now)]

    def is_drained(end: FrontEndRow) -> bool:
        pool = fqdn.lower()
        return any(x.covers(end.name, end.host, end.port, pool) for x in drains)

    return is_drained
