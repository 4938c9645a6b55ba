"""Refusals as problem details (RFC 9457), with the sentences of the command line."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from proxy.admin.control import ControlError
from proxy.admin.listener.client import AdminError
from proxy.config import ConfigError
from proxy.store import StoreError

log = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"
STATUS: Final = {
    "refused": 422,
    "missing": 404,
    "conflict": 409,
    "forbidden": 403,
    "outdated": 412,
}
"""What each kind of refusal is in HTTP."""
SERVICE_AWAY: Final = 424
"""The proxy itself does not answer: what was asked depends on it (RFC 4918)."""


class Problem(Exception):
    """An answer that is a refusal."""

    def __init__(
        self,
        status: int,
        detail: str,
        kind: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind or HTTPStatus(status).phrase.lower().replace(" ", "-")
        self.headers = dict(headers or {})
        self.more = more

    def as_json(self) -> dict[str, Any]:
        """The document."""
        return {
            "type": f"urn:waypost:problem:{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": str(self),
            **self.more,
        }

    def response(self) -> Response:
        """The answer."""
        body = json.dumps(self.as_json(), ensure_ascii=False).encode()
        return Response(body, self.status, self.headers, MEDIA_TYPE)


def problem_of(error: Exception) -> Problem | None:
    """What an expected error is in HTTP; None for a fault of ours."""
    match error:
        case Problem():
            return error
        case ControlError():
            status = STATUS[error.kind]
            return Problem(status, str(error), error.kind, exit_code=error.exit_code)
        case AdminError():
            return Problem(SERVICE_AWAY, str(error), "service-away", exit_code=1)
        case StoreError():
            return Problem(
                503, str(error), "store", headers={"Retry-After": "2"}, exit_code=3
            )
        case ConfigError():
            return Problem(503, str(error), "configuration", exit_code=3)
        case RequestValidationError():
            rows = [_mistake(each) for each in error.errors()]
            text = "; ".join(f"{row['at']}: {row['text']}" for row in rows)
            return Problem(422, text, "invalid", errors=rows)
        case HTTPException():
            return Problem(error.status_code, error.detail, headers=error.headers)
    return None


def _mistake(error: Any) -> dict[str, str]:
    """One part of a request that is not what it should be; never its value."""
    place = ".".join(str(each) for each in error["loc"])
    return {"at": place, "text": str(error["msg"])}


def install(app: FastAPI) -> None:
    """Answer every error of a route as a problem."""

    async def answer(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        return _fault() if problem is None else problem.response()

    for kind in (
        *(Problem, ControlError, AdminError, StoreError, ConfigError),
        *(RequestValidationError, HTTPException),
    ):
        app.add_exception_handler(kind, answer)

    async def fail(request: Request, error: Exception) -> Response:
        log.error("console.failed", path=request.url.path, exc_info=error)
        return _fault()

    app.add_exception_handler(Exception, fail)


def _fault() -> Response:
    return Problem(500, "a fault of ours; it is in the console's log").response()
