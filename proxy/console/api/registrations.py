"""Who is registered, and who may be: ``waypost binding`` and ``waypost user``."""

from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from proxy.admin import registrar
from proxy.admin.as_json import binding_to_json, user_to_json
from proxy.console.api.routing import Answer, Api, Conf, Op, Reader, WhatIf
from proxy.console.schemas.registrations import (
    BindingView,
    NewUser,
    Password,
    UserView,
)

api = Api("registrations")

Aor = Annotated[str, Path(description="sip:user@domain", max_length=1024)]
UserName = Annotated[str, Path(min_length=1, max_length=1024)]


@api.get("/bindings", list[BindingView])
async def get_bindings(
    operator: Reader, aor: Annotated[str | None, Query(max_length=1024)] = None
) -> Response:
    """Who is registered: contact, from where, since when, until when."""
    found = await registrar.get_bindings(operator, aor)
    return Answer([binding_to_json(each) for each in found])


@api.delete("/bindings/{aor}", list[BindingView])
async def remove_bindings(aor: Aor, operator: Op, what_if: WhatIf = False) -> Response:
    """Take every binding of an address away; its client may register again."""
    gone = await registrar.remove_bindings(operator, aor, what_if=what_if)
    return Answer([binding_to_json(each) for each in gone])


@api.get("/users", list[UserView])
async def get_users(operator: Reader) -> Response:
    """Every user; never a password or its hash."""
    return Answer([user_to_json(user) for user in await operator.store.users()])


@api.post("/users", UserView, also={201: UserView})
async def new_user(
    body: NewUser, operator: Op, config: Conf, what_if: WhatIf = False
) -> Response:
    """Let somebody register with a password."""
    user = await registrar.new_user(
        operator, config, body.name, body.password, what_if=what_if
    )
    return Answer(user_to_json(user), 200 if what_if else 201)


@api.put("/users/{name}", UserView)
async def set_user(
    name: UserName, body: Password, operator: Op, config: Conf, what_if: WhatIf = False
) -> Response:
    """Give a user another password."""
    user = await registrar.set_user(
        operator, config, name, body.password, what_if=what_if
    )
    return Answer(user_to_json(user))


@api.delete("/users/{name}", UserView)
async def remove_user(
    name: UserName, operator: Op, what_if: WhatIf = False
) -> Response:
    """Remove a user. What it has registered stays until it expires."""
    user = await registrar.remove_user(operator, name, what_if=what_if)
    return Answer(user_to_json(user))
