"""The application: every route behind the gate, and the OpenAPI document of them."""

from functools import cache
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from proxy import __version__
from proxy.console import problems
from proxy.console.api import (
    access,
    cutovers,
    endpoints,
    lines,
    observed,
    pools,
    registrations,
    service,
    weekend,
)
from proxy.console.api.routing import role_of
from proxy.console.desk import Desk
from proxy.console.gate import Gate
from proxy.console.pages import installed
from proxy.console.schemas.common import ProblemDocument

ROOT: Final = "/api/v1"
APIS: Final = tuple(
    each.api
    for each in (
        *(endpoints, pools, cutovers, weekend, registrations, service),
        *(observed, access, lines),
    )
)
"""Each noun of the API; a new one is a module and a word here."""


def build(desk: Desk, *, is_tls: bool) -> Gate:
    """The application of a console."""
    app = _with_routes()
    app.state.desk = desk
    problems.install(app)
    document = openapi()

    async def get_openapi_document(request: Request) -> Response:
        return JSONResponse(document)

    app.add_route(f"{ROOT}/openapi.json", get_openapi_document, methods=["GET"])
    installed.install(app)
    return Gate(app, desk.hosts, is_tls=is_tls)


def _with_routes() -> FastAPI:
    app = FastAPI(
        openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    for each in APIS:
        app.include_router(each.router, prefix=ROOT)
    return app


@cache
def openapi() -> dict[str, Any]:
    """The OpenAPI 3.1 document; made once, because no configuration changes it."""
    document = get_openapi(
        title="Waypost",
        version=__version__,
        openapi_version="3.1.0",
        description="What the command waypost does, over HTTPS. Names are those of "
        "its --json.",
        routes=_with_routes().routes,
        license_info={"name": "MIT", "identifier": "MIT"},
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
    document["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"}
    }
    roles = {
        (path, method.lower()): role_of(route)
        for route, path in _api_routes()
        for method in route.methods or ()
    }
    for path, item in document["paths"].items():
        for method, operation in item.items():
            role = roles.get((path, method), "viewer")
            operation["x-waypost-role"] = role
            operation["security"] = [] if role == "open" else [{"token": []}]
    return document


def _api_routes() -> list[tuple[Any, str]]:
    return [
        (route, f"{ROOT}{route.path}")
        for each in APIS
        for route in each.router.routes
        if isinstance(route, APIRoute)
    ]
