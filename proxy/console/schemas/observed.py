"""Calls, traces and explanations, where the API gives them in another form than the
command (``seen.py``)."""

from typing import Annotated, Any

from pydantic import Field

from proxy.console.schemas.common import Given, Instant, Taken, Text
from proxy.console.schemas.seen import Attempt


class PeerView(Given):
    """Somebody who said or heard something in a call."""

    name: str
    transport: str
    address: str


class LadderStep(Given):
    """An arrow between us and a peer, or (peer -1) words of ours."""

    at: Instant
    peer: int
    is_in: bool
    label: str
    transport: str
    times: int
    reason: str


class FactView(Given):
    """What became of one request of a call."""

    at: Instant
    method: str
    request_uri: str
    status: int
    attempts: list[Attempt]


class TraceView(Given):
    """A call: who took part, what was said; ``messages`` is null unless asked for."""

    call_id: str
    why: list[str]
    facts: list[FactView]
    peers: list[PeerView]
    steps: list[LadderStep]
    messages: list[dict[str, Any]] | None


class Followed(Given):
    """A live trace that has ended."""

    name: str
    messages: int


class BodiesOf(Taken):
    """The call whose bodies are read; the history notes who did."""

    call_id: Annotated[str, Field(min_length=1, max_length=1024)]


class ExplainedView(Given):
    """What would become of a request; ``service`` says why the running service did
    not say it, empty when it did."""

    service: str


class Question(Taken):
    """A request, and the plan (TOML) after which it is asked again."""

    uri: Annotated[str, Field(min_length=1, max_length=1024)]
    from_: Annotated[str, Field(max_length=1024, alias="from")] = ""
    method: Annotated[str, Field(max_length=40)] = "INVITE"
    source: Annotated[str, Field(max_length=80)] = ""
    listener: Annotated[str, Field(max_length=80)] = ""
    plan: Annotated[str, Field(max_length=4 * 1024 * 1024)]
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    pilots: Annotated[list[Text], Field(max_length=100_000)] | None = None


class BothExplained(Given):
    """Before a plan, and after it."""

    before: ExplainedView
    after: ExplainedView
