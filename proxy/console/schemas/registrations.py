"""Bindings and users, as the API takes and gives them."""

from typing import Annotated

from pydantic import Field

from proxy.console.schemas.common import Given, Instant, Taken, Text


class BindingView(Given):
    """Who is registered."""

    aor: str
    contact: str
    q: float
    instance: str
    reg_id: int | None
    epid: str
    path: list[str]
    source: str
    user_agent: str
    registered_at: Instant
    expires_at: Instant


class Password(Taken):
    """A password, which is never given back."""

    password: Annotated[str, Field(max_length=1024)]


class NewUser(Password):
    """What ``user new`` takes."""

    name: Text


class UserView(Given):
    """Who may register with a password."""

    name: str
    realm: str
    algorithms: list[str]
    changed_at: Instant
