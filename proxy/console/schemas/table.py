"""Endpoints, pools and cutovers, as the API takes and gives them."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from proxy.admin.switching import DEFAULT_GUARD_SECONDS, DEFAULT_LEAST
from proxy.console.schemas.common import Given, Instant, Taken, Text, Verdict
from proxy.endpoints.guard import LONGEST


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
    """What became of each line; ``number`` is that of one change in the history."""

    rows: list[RowView]
    number: int | None


class PoolPatch(Taken):
    """What ``pool set`` takes; port 0 is "by SRV records"."""

    transport: Literal["auto", "udp", "tcp", "tls"] | None = None
    port: Annotated[int, Field(ge=0, le=65_535)] | None = None


class NewDrain(Taken):
    """What ``pool drain`` takes; without ``seconds`` it lasts until ``undrain``."""

    pool: Text | None = None
    seconds: Annotated[float, Field(gt=0, le=31_622_400)] | None = None
    reason: Annotated[str, Field(max_length=256)] = ""


class DrainView(Given):
    """A front end that gets no new dialogs; ``pool`` is empty for all of them."""

    front_end: str
    port: int | None
    pool: str
    reason: str
    drained_by: str
    drained_at: Instant
    ends_at: Instant | None


class PoolView(Given):
    """A pool; null is "as DNS says".

    ``pending_cutover`` is the number of the cutover whose rollback would lead back to
    the pool.
    """

    fqdn: str
    transport: str | None
    port: int | None
    endpoints: list[str]
    pending_cutover: int | None


class PoolSeen(PoolView):
    """A pool with what DNS and the running service say about it."""

    dns: dict[str, Any]
    service: dict[str, Any]


class PoolCount(Given):
    """What one pool made of the calls of an endpoint; the times are those until the
    first answer, the first response other than 100."""

    pool_fqdn: str
    calls: int
    failed: int
    journeys: int
    p50_seconds: float | None
    p99_seconds: float | None


class ComparedView(Given):
    """The old and the new pool of an endpoint side by side."""

    sip_address: str
    old: PoolCount
    new: PoolCount
    note: str
    verdict: str
    sentence: str
    test: str


class UsersOfDay(Given):
    """How many users a pool had on a day."""

    day: str
    pool_fqdn: str
    users: int


class GuardOrder(Taken):
    """The guard of a cutover: it is rolled back when more of the calls fail."""

    limit_percent: Annotated[float, Field(ge=0, lt=100)]
    min: Annotated[int, Field(ge=1, le=1_000_000)] = DEFAULT_LEAST
    seconds: Annotated[float, Field(gt=0, le=LONGEST)] = DEFAULT_GUARD_SECONDS
    probe: bool = False


class NewCutover(Taken):
    """A plan (TOML), and what ``cutover apply`` takes beside it.

    ``again`` in place of a plan is the one that was rolled back last; ``facts`` is a
    file of Get-WaypostFacts.ps1 as text, ``confirm_within`` is in minutes.
    """

    plan: Annotated[str, Field(max_length=4 * 1024 * 1024)] = ""
    name: Text = "plan.toml"
    again: bool = False
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    pilots: Annotated[list[Text], Field(max_length=100_000)] | None = None
    confirm_within: Annotated[float, Field(ge=0, le=525_600)] | None = None
    guard: GuardOrder | None = None
    facts: Annotated[str, Field(max_length=8 * 1024 * 1024)] | None = None

    @model_validator(mode="after")
    def _one_plan(self) -> Self:
        if bool(self.plan) == self.again:
            raise ValueError(
                "write the plan, or again = true for the one that was rolled back last"
            )
        return self


class CutoverLook(CutoverOutcome):
    """What a cutover would do, and what the doctor says before."""

    verdict: Verdict
    summary: dict[str, int]
    steps: list[dict[str, Any]]


class GuardSeen(Given):
    """What a guard was told, and what it has counted."""

    state: str
    limit_percent: float
    min: int
    probe: bool
    seconds_left: float
    calls: int
    served: int
    failed: int
    bad_percent: float
    causes: dict[str, int]


class CutoverRow(Given):
    """A cutover that there was."""

    cutover: int
    state: str
    plan: str
    applied_at: Instant
    applied_by: str
    confirm_by: Instant
    share: str
    forced: bool
    settled_at: Instant
    settled_by: str
    machine: str
    uptime_by: float
    guard: dict[str, Any] | None
    reason: str
    plan_text: str
    switches: list[dict[str, Any]]


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
    guard: GuardSeen | None
    comparison: list[ComparedView]


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
    is_counted: bool
    sentence: str
    counted: str
    pools: list[PoolCount]
    comparison: list[ComparedView]
    users_by_day: list[UsersOfDay]
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
