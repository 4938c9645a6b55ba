"""Endpoints, pools and cutovers, as the API takes and gives them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from proxy.console.schemas.common import Given, Instant, Taken, Text


class NewEndpoint(Taken):
    """What ``endpoint new`` takes."""

    sip_address: Text
    pool_fqdn: Text
    display_name: Text | None = None
    request_uri: Text | None = None
    service_uris: Annotated[list[Text], Field(max_length=100)] | None = None


class EndpointPatch(Taken):
    """What ``endpoint set`` takes; what is absent or null stays as it is."""

    pool_fqdn: Text | None = None
    display_name: Text | None = None
    request_uri: Text | None = None
    service_uris: Annotated[list[Text], Field(max_length=100)] | None = None


class Retirement(Taken):
    """What ``endpoint retire`` takes."""

    text: Text | None = None


class CanaryView(Given):
    """A part of the users that another pool gets."""

    pool_fqdn: str
    percent: int
    pilots: list[str]


class EndpointRow(Given):
    """An endpoint as it is stored."""

    sip_address: str
    pool_fqdn: str
    display_name: str
    request_uri: str
    service_uris: list[str]
    state: str
    retired_text: str
    canary: CanaryView | None
    created_at: Instant
    changed_at: Instant


class LearnedView(Given):
    """A service URI that a pool has handed out."""

    uri: str
    pool_fqdn: str
    endpoint: str
    learned_at: Instant
    last_used_at: Instant


class EndpointView(EndpointRow):
    """An endpoint with what was learned through it, and who registers for it."""

    learned: list[LearnedView]
    conflicts: list[dict[str, Any]]


class ChangeView(Given):
    """One row, before and after; null is "does not exist"."""

    kind: str
    key: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class OutcomeView(Given):
    """What a change did, or would do."""

    what_if: bool
    changes: list[ChangeView]


class CutoverOutcome(OutcomeView):
    """What a cutover did, or would do."""

    cutover: dict[str, Any] | None


class RowView(Given):
    """One line of a file that was imported."""

    verdict: str
    address: str
    place: str
    text: str


class ImportView(OutcomeView):
    """What became of each line."""

    rows: list[RowView]


class PoolPatch(Taken):
    """What ``pool set`` takes; port 0 is "by SRV records"."""

    transport: Literal["auto", "udp", "tcp", "tls"] | None = None
    port: Annotated[int, Field(ge=0, le=65_535)] | None = None


class PoolView(Given):
    """A pool; null is "as DNS says"."""

    fqdn: str
    transport: str | None
    port: int | None
    endpoints: list[str]


class PoolSeen(PoolView):
    """A pool with what DNS and the running service say about it."""

    dns: dict[str, Any]
    service: dict[str, Any]


class NewCutover(Taken):
    """A plan (TOML), and what ``cutover apply`` takes beside it."""

    plan: Annotated[str, Field(max_length=4 * 1024 * 1024)]
    name: Text = "plan.toml"
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    pilots: Annotated[list[Text], Field(max_length=100_000)] | None = None
    confirm_within: Annotated[float, Field(ge=0, le=525_600)] | None = None


class CutoverView(Given):
    """The newest cutover."""

    cutover: int
    state: str
    plan: str
    applied_at: Instant
    applied_by: str
    confirm_by: Instant
    seconds_left: float | None
    changed_since: list[str]
    rollback_problem: str
    switches: list[dict[str, Any]]


class HistoryView(Given):
    """One change that was made."""

    number: int
    version: int
    at: Instant
    actor: str
    origin: str
    verb: str
    kind: str
    key: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class UsageView(Given):
    """Who still dials an address."""

    sip_address: str
    state: str
    users: int
    requests: int
    recent_users: int
    days: int
    quiet_seconds: float
    is_quiet: bool
    sentence: str
    clients: list[dict[str, Any]]


class UnknownView(Given):
    """What is dialled and nobody serves; ``(others)`` are requests without a name."""

    sip_address: str
    users: int
    requests: int
    first_at: Instant
    last_at: Instant
    last_by: str
    clients: list[dict[str, Any]]
