"""What every route of the API is made of: role, caller, operator, answer.

A route is a function and a line: ``@api.get("/pools", list[PoolView])``.  Who may ask
follows from the method (GET: a viewer, everything else: an operator) unless the line
says otherwise, and is decided before anything of the request is read.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from proxy.admin.as_json import timed
from proxy.admin.control import Operator
from proxy.config import Config
from proxy.console.desk import SAFE, Caller, Desk
from proxy.console.problems import MEDIA_TYPE
from proxy.store.access import Role

F = TypeVar("F", bound=Callable[..., Any])
OPEN: Final = "open"
"""In place of a role: anybody may ask."""
_ROLE: Final = "x-waypost-role"
_WHOLE: Final = "x-waypost-unscoped"


def role_of(route: APIRoute) -> str:
    """Who may ask for a route: a role, or ``open``."""
    named = (route.openapi_extra or {}).get(_ROLE)
    if named is not None:
        return str(named)
    return "viewer" if set(route.methods or ()) <= SAFE else "operator"


class GuardedRoute(APIRoute):
    """Checks the caller before anything else of the request is looked at."""

    def get_route_handler(self) -> Any:
        """See APIRoute."""
        answer, role = super().get_route_handler(), role_of(self)
        is_whole = _WHOLE in (self.openapi_extra or {})

        async def admit_and_answer(request: Request) -> Response:
            if role != OPEN:
                desk: Desk = request.app.state.desk
                await desk.admit(request, role, is_whole=is_whole)  # type: ignore[arg-type]
            # Read here, because FastAPI would answer 400 to a body that the gate finds
            # too large (413) or too slow (408).
            await request.body()
            response: Response = await answer(request)
            return response

        return admit_and_answer


def desk_of(request: Request) -> Desk:
    """The console."""
    desk: Desk = request.app.state.desk
    return desk


def caller_of(request: Request) -> Caller:
    """Who was admitted."""
    caller: Caller = request.state.caller
    return caller


async def _operator(
    request: Request,
    if_match: Annotated[
        str,
        Header(
            description="The ETag of what was seen: changed meanwhile, it is not "
            "changed again (412).",
            max_length=1000,
        ),
    ] = "",
) -> Operator:
    return await desk_of(request).operator(caller_of(request), if_match)


async def _reader(request: Request) -> Operator:
    return await desk_of(request).operator(caller_of(request))


def _config(request: Request) -> Config:
    return desk_of(request).config


Op = Annotated[Operator, Depends(_operator)]
"""The store as the caller may change it."""
Reader = Annotated[Operator, Depends(_reader)]
"""The store as the caller may look at it."""
Conf = Annotated[Config, Depends(_config)]
TheDesk = Annotated[Desk, Depends(desk_of)]
TheCaller = Annotated[Caller, Depends(caller_of)]
WhatIf = Annotated[bool, Query(description="Only say what would happen.")]
Limit = Annotated[int, Query(ge=1, le=10_000, description="At most so many.")]
Force = Annotated[bool, Query(description="In spite of what stands against it.")]


class Api:
    """A router whose lines are short."""

    def __init__(self, tag: str) -> None:
        self.router = APIRouter(route_class=GuardedRoute, tags=[tag])

    def get(self, path: str, model: Any, **more: Any) -> Callable[[F], F]:
        """A look."""
        return self._add("GET", path, model, **more)

    def post(self, path: str, model: Any, **more: Any) -> Callable[[F], F]:
        """A change, or a job."""
        return self._add("POST", path, model, **more)

    def put(self, path: str, model: Any, **more: Any) -> Callable[[F], F]:
        """A change that writes something whole."""
        return self._add("PUT", path, model, **more)

    def patch(self, path: str, model: Any, **more: Any) -> Callable[[F], F]:
        """A change of a part."""
        return self._add("PATCH", path, model, **more)

    def delete(self, path: str, model: Any, **more: Any) -> Callable[[F], F]:
        """A removal."""
        return self._add("DELETE", path, model, **more)

    def _add(
        self,
        method: str,
        path: str,
        model: Any,
        *,
        role: Role | str | None = None,
        also: Mapping[int, Any] | None = None,
        media: Sequence[str] = (),
        is_whole: bool = False,
    ) -> Callable[[F], F]:
        """``also`` are other statuses with their models, ``media`` other types of the
        answer than JSON.  ``is_whole``: not divided by addresses, so not for a scope.
        """

        def add(function: F) -> F:
            extra: dict[str, Any] = {} if role is None else {_ROLE: role}
            if is_whole:
                extra[_WHOLE] = True
            answers: dict[int | str, dict[str, Any]] = {
                "4XX": _PROBLEM,
                503: {**_PROBLEM, "description": "The store does not work just now."},
                200: {"model": model, "description": "Done."},
            }
            if media:
                answers[200]["content"] = {
                    each: _MEDIA.get(each, _TEXT) for each in media
                }
            for status, each in (also or {}).items():
                answers[status] = {"model": each, "description": "Done."}
            self.router.add_api_route(
                path,
                function,
                methods=[method],
                response_model=None,
                response_class=Answer,
                responses=answers,
                openapi_extra=extra or None,
                operation_id=function.__name__,
                summary=(function.__doc__ or "").strip().split("\n")[0],
            )
            return function

        return add


_TEXT: Final = {"schema": {"type": "string"}}
_EVENT: Final = {name: {"type": "string"} for name in ("event", "data")}
_MEDIA: Final = {
    "text/event-stream": {"schema": {"type": "object", "properties": _EVENT}}
}
_PROBLEM: Final[dict[str, Any]] = {
    "description": "Refused: a sentence that says what to do.",
    "content": {
        MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    },
}


class Answer(JSONResponse):
    """A JSON document whose instants are texts, as with ``--json``."""

    def __init__(
        self,
        value: Any = None,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(value, status_code, headers, **more)

    def render(self, content: Any) -> bytes:
        """See Response."""
        text = json.dumps(timed(content), ensure_ascii=False, indent=2)
        # A name that a stranger chose may hold a lone surrogate, which is no UTF-8.
        return text.encode("utf-8", "backslashreplace") + b"\n"
