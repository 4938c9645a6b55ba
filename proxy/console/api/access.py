"""Tokens, people, and signing in: what ``waypost token`` and ``waypost person`` do."""

from typing import Annotated, Any

from fastapi import Path, Request
from starlette.responses import Response

from proxy.admin.access import people, tokens
from proxy.admin.as_json import access_to_json
from proxy.console.api.routing import (
    OPEN,
    Answer,
    Api,
    Op,
    Reader,
    TheCaller,
    TheDesk,
    WhatIf,
)
from proxy.console.desk import Caller, cookie_of
from proxy.console.problems import Problem
from proxy.console.schemas.people import (
    AccessView,
    MadeToken,
    NewPerson,
    NewToken,
    PersonPatch,
    Signed,
    SignIn,
)
from proxy.console.sessions import COOKIE

api = Api("access")

NamePath = Annotated[str, Path(min_length=1, max_length=64)]


@api.get("/tokens", list[AccessView], role="admin")
async def get_tokens(operator: Reader) -> Response:
    """Every token: role, scope, end, last use; never the token itself."""
    found = await tokens.list_access(operator, "token")
    return Answer([access_to_json(each) for each in found])


@api.post("/tokens", AccessView, also={201: MadeToken}, role="admin")
async def new_token(body: NewToken, operator: Op, what_if: WhatIf = False) -> Response:
    """Make a token; this answer is the only time that it is shown."""
    made = await tokens.new_token(
        *(operator, body.name, body.role),
        domains=body.domains,
        endpoints=body.endpoints,
        days=body.days,
        what_if=what_if,
    )
    about = access_to_json(made.access)
    return Answer(about) if what_if else Answer({"token": made.token, **about}, 201)


@api.delete("/tokens/{name}", AccessView, role="admin")
async def revoke_token(
    name: NamePath, operator: Op, what_if: WhatIf = False
) -> Response:
    """End a token at once."""
    gone = await tokens.revoke_token(operator, name, what_if=what_if)
    return Answer(access_to_json(gone))


@api.get("/people", list[AccessView], role="admin")
async def get_people(operator: Reader) -> Response:
    """Everybody who may sign in."""
    found = await tokens.list_access(operator, "person")
    return Answer([access_to_json(each) for each in found])


@api.post("/people", AccessView, also={201: AccessView}, role="admin")
async def new_person(
    body: NewPerson, operator: Op, what_if: WhatIf = False
) -> Response:
    """Let somebody sign in with a name and a password."""
    made = await people.new_person(
        *(operator, body.name, body.role, body.password),
        domains=body.domains,
        endpoints=body.endpoints,
        days=body.days,
        what_if=what_if,
    )
    return Answer(access_to_json(made), 200 if what_if else 201)


@api.patch("/people/{name}", AccessView, role="admin")
async def set_person(
    name: NamePath, body: PersonPatch, operator: Op, what_if: WhatIf = False
) -> Response:
    """Give somebody another role or another password."""
    made = await people.set_person(
        *(operator, name),
        password=body.password,
        role=body.role or "",
        what_if=what_if,
    )
    return Answer(access_to_json(made))


@api.delete("/people/{name}", AccessView, role="admin")
async def remove_person(
    name: NamePath, operator: Op, what_if: WhatIf = False
) -> Response:
    """Let somebody sign in no more; open sessions end at once."""
    gone = await people.remove_person(operator, name, what_if=what_if)
    return Answer(access_to_json(gone))


# -- signing in ----------------------------------------------------------------------


@api.get("/session", Signed)
async def get_session(caller: TheCaller) -> Response:
    """Who I am, and what I may do."""
    return Answer(_signed(caller))


@api.post("/session", Signed, role=OPEN)
async def sign_in(body: SignIn, request: Request, desk: TheDesk) -> Response:
    """Sign in with name and password, or a token; sets the cookie of the session."""
    desk.check_origin(request)
    source = desk.source_of(request)
    if body.token:
        access = await desk.token_access(body.token, source)
    else:
        access = await desk.sign_in(body.name, body.password, source)
    cookie = desk.sessions.begin(access.kind, access.name, access.proof, desk.clock())
    session = desk.sessions.find(cookie, desk.clock())
    answer = Answer(_signed(Caller(access, source, session)))
    set_cookie(answer, request, cookie)
    return answer


@api.delete("/session", Signed, role="viewer")
async def sign_out(request: Request, caller: TheCaller, desk: TheDesk) -> Response:
    """Sign out."""
    if caller.session is None:
        raise Problem(409, "a token has no session to end", "conflict")
    desk.sessions.end(cookie_of(request))
    answer = Answer(_signed(Caller(caller.access, caller.source)))
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


def _signed(caller: Caller) -> dict[str, Any]:
    access = caller.access
    csrf = caller.session.csrf if caller.session else None
    return {"kind": access.kind, "csrf": csrf, **access_to_json(access)}


def set_cookie(answer: Response, request: Request, cookie: str) -> None:
    """Hand the cookie of a session to a browser."""
    # Always Secure but for plain HTTP over loopback, where no browser would keep it.
    host = request.client.host if request.client else ""
    desk_is_plain = request.url.scheme == "http" and host in ("127.0.0.1", "::1")
    is_proxied = "x-forwarded-for" in request.headers
    answer.set_cookie(
        COOKIE,
        cookie,
        path="/",
        httponly=True,
        samesite="strict",
        secure=is_proxied or not desk_is_plain,
    )
