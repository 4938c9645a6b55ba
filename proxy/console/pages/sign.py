"""Signing in and out, and how somebody wants to see the pages."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from proxy.console.api.access import set_cookie
from proxy.console.api.routing import OPEN, TheCaller, TheDesk
from proxy.console.desk import cookie_of
from proxy.console.pages import words
from proxy.console.pages.routing import Pages, form_of
from proxy.console.pages.sections import inside
from proxy.console.pages.site import THEME_COOKIE, THEMES, page, site_of
from proxy.console.problems import Problem
from proxy.console.sessions import COOKIE

pages = Pages()

YEAR: Final = 365 * 86_400


@pages.get("/sign-in", role=OPEN)
async def sign_in_page(request: Request) -> Response:
    """The form."""
    where = inside(request.query_params.get("next", ""))
    return page(request, "sign_in.html", next=where, problem=None, name="")


@pages.post("/sign-in", role=OPEN)
async def sign_in(request: Request, desk: TheDesk) -> Response:
    """Name and password, or a token."""
    desk.check_origin(request)
    form = await form_of(request)
    where, source = inside(form.get("next", "")), desk.source_of(request)
    name, token = form.get("name", "").strip(), form.get("token", "").strip()
    try:
        if token:
            access = await desk.token_access(token, source)
        else:
            access = await desk.sign_in(name, form.get("password", ""), source)
    except Problem as problem:
        kept = {k: v for k, v in problem.headers.items() if k == "Retry-After"}
        return page(
            *(request, "sign_in.html", problem.status, kept),
            next=where,
            problem=problem,
            name=name,
        )
    cookie = desk.sessions.begin(access.kind, access.name, access.proof, desk.clock())
    answer = RedirectResponse(where, 303)
    set_cookie(answer, request, cookie)
    return answer


@pages.post("/sign-out", role="viewer")
async def sign_out(request: Request, caller: TheCaller, desk: TheDesk) -> Response:
    """End the session."""
    desk.sessions.end(cookie_of(request))
    answer = Response(status_code=200, headers={"HX-Redirect": "/sign-in"})
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


@pages.post("/look", role=OPEN)
async def change_look(request: Request, desk: TheDesk) -> Response:
    """Another language, or another theme; the browser keeps it."""
    desk.check_origin(request)
    form = await form_of(request)
    back = form.get("back", "")
    answer = RedirectResponse("/sign-in" if back == "/sign-in" else inside(back), 303)
    if form.get("language") in site_of(request).languages:
        _remember(answer, words.COOKIE, form["language"])
    if form.get("theme") in THEMES:
        _remember(answer, THEME_COOKIE, form["theme"])
    return answer


def _remember(answer: Response, name: str, value: str) -> None:
    more: dict[str, Any] = {"path": "/", "samesite": "strict", "httponly": True}
    answer.set_cookie(name, value, max_age=YEAR, **more)
