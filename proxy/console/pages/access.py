"""Access: tokens, people, and who changed what."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from proxy.admin import history
from proxy.admin.access import people, tokens
from proxy.admin.control import Operator
from proxy.console.api.routing import Op, Reader
from proxy.console.pages.routing import Pages, form_of
from proxy.console.pages.site import page
from proxy.console.problems import Problem
from proxy.store.access import ROLES

pages = Pages()

AUDIT: Final = 200


@pages.get("/access", role="admin", is_whole=True)
async def access_page(request: Request, operator: Reader) -> Response:
    """Everybody and everything that may sign in, and the newest changes."""
    return page(request, "access.html", made=None, **await _seen(operator))


@pages.post("/access/token", role="admin", is_whole=True)
async def new_token(request: Request, operator: Op) -> Response:
    """Make a token; this answer is the only one that shows it."""
    form = await form_of(request)
    made = await tokens.new_token(
        *(operator, form.get("name", "").strip(), _role(form)), **_scope(form)
    )
    headers = {"Cache-Control": "no-store"}
    seen = await _seen(operator)
    return page(request, "access/lists.html", 200, headers, made=made, **seen)


@pages.post("/access/person", role="admin", is_whole=True)
async def new_person(request: Request, operator: Op) -> Response:
    """Let somebody sign in with a name and a password."""
    form = await form_of(request)
    await people.new_person(
        operator,
        form.get("name", "").strip(),
        _role(form),
        form.get("password", ""),
        **_scope(form),
    )
    return page(request, "access/lists.html", made=None, **await _seen(operator))


@pages.post("/access/remove", role="admin", is_whole=True)
async def remove(request: Request, operator: Op) -> Response:
    """End a token, or somebody's access, at once."""
    form = await form_of(request)
    name = form.get("name", "")
    if form.get("kind") == "token":
        await tokens.revoke_token(operator, name)
    else:
        await people.remove_person(operator, name)
    return page(request, "access/lists.html", made=None, **await _seen(operator))


def _role(form: dict[str, str]) -> Any:
    role = form.get("role", "")
    if role not in ROLES:
        raise Problem(422, f"a role is one of {', '.join(ROLES)}")
    return role


def _scope(form: dict[str, str]) -> dict[str, Any]:
    days = form.get("days", "").strip()
    if days and not (days.isdecimal() and len(days) < 6):
        raise Problem(422, "days is a number, or nothing for one that does not end")
    return {
        "domains": form.get("domains", "").split(),
        "endpoints": form.get("endpoints", "").split(),
        "days": int(days) if days else None,
    }


async def _seen(operator: Operator) -> dict[str, Any]:
    return {
        "tokens": await tokens.list_access(operator, "token"),
        "people": await tokens.list_access(operator, "person"),
        "lines": await history.history(operator, None, AUDIT),
        "roles": ROLES,
        "now": operator.clock(),
    }
