"""Puts the pages into the application: routes, assets, error pages."""

from typing import Any, Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from proxy.console.pages import (
    access,
    assets,
    calls,
    cutting_over,
    endpoints,
    migration,
    now,
    pools,
    sign,
    usage,
)
from proxy.console.pages.routing import refused
from proxy.console.pages.sections import HOME
from proxy.console.pages.site import the_site
from proxy.console.pages.streams import Followed
from proxy.console.pages.weekend import Weekend
from proxy.console.problems import problem_of

API: Final = "/api/"
PAGES: Final = tuple(
    each.pages
    for each in (
        sign,
        now,
        migration,
        cutting_over,
        endpoints,
        pools,
        usage,
        calls,
        access,
    )
)
"""Each section; a new one is a module, a word here and a line in ``sections``."""


def install(app: FastAPI) -> None:
    """Add every page."""
    app.state.site = the_site()
    app.state.weekend = Weekend()
    app.state.followed = Followed()
    for each in PAGES:
        app.include_router(each.router)

    async def home(request: Request) -> Response:
        return RedirectResponse(HOME, 303)

    app.add_route("/", home, methods=["GET"])
    found = app.state.site.assets
    app.add_route(f"{assets.ROOT}/{{path:path}}", found.answer, methods=["GET"])

    async def answer(request: Request, error: Any) -> Response:
        """No such page, for a browser; a problem document for everybody else."""
        problem = problem_of(error)
        assert problem is not None
        is_api = request.url.path.startswith(API)
        if is_api or "text/html" not in request.headers.get("accept", ""):
            return problem.response()
        return refused(request, error)

    app.add_exception_handler(HTTPException, answer)
