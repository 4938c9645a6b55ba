"""Tokens, people and sessions, as the API takes and gives them."""

from typing import Annotated

from pydantic import Field

from proxy.console.schemas.common import Given, Instant, Name, RoleName, Taken, Text


class NewToken(Taken):
    """What ``token new`` takes; ``days`` until it ends."""

    name: Name
    role: RoleName
    domains: list[Text] = Field(default=[], max_length=100)
    endpoints: list[Text] = Field(default=[], max_length=1000)
    days: Annotated[float, Field(gt=0, le=3650)] | None = None


class NewPerson(NewToken):
    """What ``person new`` takes."""

    password: Annotated[str, Field(max_length=1024)]


class PersonPatch(Taken):
    """What ``person set`` takes."""

    role: RoleName | None = None
    password: Annotated[str, Field(max_length=1024)] | None = None


class AccessView(Given):
    """A token or a person."""

    name: str
    role: RoleName
    domains: list[str]
    endpoints: list[str]
    created_at: Instant
    created_by: str
    ends_at: Instant
    used_at: Instant
    used_from: str


class MadeToken(AccessView):
    """A token that was made: the only time that it is shown."""

    token: str


class SignIn(Taken):
    """A name and a password, or a token."""

    name: Name = ""
    password: Annotated[str, Field(max_length=1024)] = ""
    token: Annotated[str, Field(max_length=200)] = ""


class Signed(Given):
    """Who has signed in; ``csrf`` goes into a header with every change."""

    name: str
    kind: str
    role: RoleName
    csrf: str | None = None
