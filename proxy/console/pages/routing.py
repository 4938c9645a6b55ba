"""What every route of the pages is made of: role, refusals as pages, forms.

As in the API a line says what a function answers; who may ask follows from the method
unless the line says otherwise.  A refusal is a page, or a remark on the page when htmx
asked.  A caller who is not signed in is led to the form for that.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, quote

import structlog
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from proxy.console.api.routing import OPEN, desk_of, role_of
from proxy.console.pages.sections import inside
from proxy.console.pages.site import page
from proxy.console.problems import Problem, problem_of

log = structlog.get_logger()

F = TypeVar("F", bound=Callable[..., Any])
_ROLE: Final = "x-waypost-role"
_WHOLE: Final = "x-waypost-unscoped"
FIELDS: Final = 20_000
"""Fields that a form may have: a plan has a few for each of its endpoints."""


class PageRoute(APIRoute):
    """Checks the caller first, and answers refusals as pages."""

    def get_route_handler(self) -> Any:
        """See APIRoute."""
        answer, role = super().get_route_handler(), role_of(self)
        is_whole = _WHOLE in (self.openapi_extra or {})

        async def admit_and_answer(request: Request) -> Response:
            try:
                if role != OPEN:
                    desk = desk_of(request)
                    await desk.admit(request, role, is_whole=is_whole)  # type: ignore[arg-type]
                await request.body()
                response: Response = await answer(request)
            except Exception as error:
                return refused(request, error)
            return response

        return admit_and_answer


class Pages:
    """A router whose lines are short."""

    def __init__(self) -> None:
        self.router = APIRouter(route_class=PageRoute, include_in_schema=False)

    def get(self, path: str, **more: Any) -> Callable[[F], F]:
        """A look."""
        return self._add("GET", path, **more)

    def post(self, path: str, **more: Any) -> Callable[[F], F]:
        """A change."""
        return self._add("POST", path, **more)

    def _add(
        self, method: str, path: str, *, role: str | None = None, is_whole: bool = False
    ) -> Callable[[F], F]:
        def add(function: F) -> F:
            extra: dict[str, Any] = {} if role is None else {_ROLE: role}
            if is_whole:
                extra[_WHOLE] = True
            self.router.add_api_route(
                path,
                function,
                methods=[method],
                response_model=None,
                openapi_extra=extra or None,
            )
            return function

        return add


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; where a name stands twice, the last one counts."""
    return dict(await fields_of(request))


async def fields_of(request: Request) -> list[tuple[str, str]]:
    """Every field of a form, in its order; raises Problem."""
    body = (await request.body()).decode("utf-8", "replace")
    try:
        return parse_qsl(body, keep_blank_values=True, max_num_fields=FIELDS)
    except ValueError:
        raise Problem(413, f"the form has more than {FIELDS} fields") from None


def is_htmx(request: Request) -> bool:
    """Whether a script of ours asks for a part of a page."""
    return request.headers.get("hx-request") == "true"


def refused(request: Request, error: Exception) -> Response:
    """The answer to an error for somebody who looks at a page."""
    problem = problem_of(error)
    if problem is None:
        log.error("console.failed", path=request.url.path, exc_info=error)
        problem = Problem(500, "a fault of ours; it is in the console's log")
    if problem.status == 401:
        return _to_sign_in(request)
    headers = {k: v for k, v in problem.headers.items() if k == "Retry-After"}
    if is_htmx(request):
        headers |= {"HX-Retarget": "#said", "HX-Reswap": "innerHTML"}
        if problem.status == 412:
            headers["HX-Trigger-After-Swap"] = "changed"  # the page shows it as it is
        return page(
            request, "parts/refused.html", problem.status, headers, problem=problem
        )
    return page(request, "error.html", problem.status, headers, problem=problem)


def _to_sign_in(request: Request) -> Response:
    if is_htmx(request):
        return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
    if request.method == "GET":
        where = inside(request.url.path)
        return RedirectResponse(f"/sign-in?next={quote(where)}", 303)
    return RedirectResponse("/sign-in", 303)
