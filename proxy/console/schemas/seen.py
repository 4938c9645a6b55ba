"""What a command gives with ``--json``: calls, traces, explanations.

The API gives lines of calls in the same form.
"""

from typing import Any

from pydantic import Field

from proxy.console.schemas.common import Given, Instant
from proxy.console.schemas.table import CutoverOutcome, OutcomeView
from proxy.console.schemas.weekend import CheckStep, DoctorView, StepView


class Refusal(Given):
    """Why not, on standard error; ``problems`` where a configuration is wrong."""

    error: str
    exit_code: int
    problems: list[dict[str, Any]] = Field(default=[])


class Begun(Given):
    """What ``init`` wrote, whether it works, and what to type next."""

    ok: bool
    config: str
    store: str
    account: str
    written: list[str]
    kept: list[str]
    notes: list[str]
    checks: list[CheckStep]
    next: list[str]


class Changed(OutcomeView):
    """What a change did; ``warnings`` only where there are any."""

    warnings: list[str] = Field(default=[])


class Planned(CutoverOutcome, DoctorView):
    """What a plan would change, and what was looked at."""

    warnings: list[str] = Field(default=[])


class Applied(CutoverOutcome):
    """What a cutover did; ``in_force`` is null when no service has said so."""

    doctor: list[StepView]
    in_force: bool | None
    rollback: dict[str, Any]
    warnings: list[str] = Field(default=[])


class Settled(CutoverOutcome):
    """A cutover that was confirmed or rolled back."""

    in_force: bool | None


class Attempt(Given):
    """One front end that was tried."""

    front_end: str
    outcome: str
    seconds: float


class DialogFailure(Given):
    """A request inside the dialog that was answered 400 or more."""

    at: Instant
    status: int
    method: str
    reason: str


class CallLine(Given):
    """One request outside a dialog, and what became of it; ``node`` is the admin
    listener of the node that says so, where several are asked."""

    at: Instant
    method: str
    sender: str = Field(alias="from")
    request_uri: str
    source: str
    status: int
    seconds: float
    rule: str
    endpoint: str
    pool: str
    attempts: list[Attempt]
    reason: str
    ended: str
    ended_at: Instant
    failures: list[DialogFailure]
    is_failed: bool
    call_id: str
    node: str = Field(default="")


class TracedMessage(Given):
    """One message as it was, masked."""

    at: Instant
    serial: int
    direction: str
    transport: str
    connection: int
    local: str
    peer: str
    data: str
    body_bytes: int


class TracedCall(Given):
    """One call of the flight recorder; ``node`` as in a call's line."""

    call_id: str
    why: list[str]
    sender: str = Field(alias="from")
    facts: list[dict[str, Any]]
    names: dict[str, str]
    messages: list[TracedMessage]
    node: str = Field(default="")


class LiveTrace(Given):
    """A live trace that was begun."""

    name: str
    until_at: Instant


class RuleSaid(Given):
    """One rule of routing: no, or decides, and why."""

    rule: str
    says: str
    why: str


class NodeSaid(Given):
    """A node that was asked too, and what it says otherwise."""

    node: str
    problem: str
    differs: list[str]


class Explained(Given):
    """What would become of a request; ``answer`` null when somebody else answers."""

    rules: list[RuleSaid]
    decided_by: str
    answer: dict[str, Any] | None
    canary: dict[str, Any] | None
    ways: list[dict[str, Any]]
    needs: list[str]
    uri: str
    method: str
    sender: str = Field(alias="from")
    source: str
    listener: str
    store: str
    health_known: bool
    budget: dict[str, Any]
    service: str
    nodes: list[NodeSaid] = Field(default=[])


class ExplainedTwice(Given):
    """The same before and after a plan."""

    before: Explained
    after: Explained


class Forgotten(Given):
    """Whom the ledger has forgotten."""

    user: str
    rows: int


class NewestChange(Given):
    """The newest change in a store's history; number 0 when there is none."""

    number: int
    at: Instant
    actor: str
    verb: str


class BackupView(Given):
    """What a backup holds; ``made_at`` is null for a plain copy of a store's file."""

    file: str
    bytes: int
    made_at: Instant
    made_by: str
    origin: str
    schema_version: int
    table_version: int
    newest_change: NewestChange
    rows: dict[str, int]


class BackedUp(BackupView):
    """A backup that was written; ``removed`` are those that ``--keep`` took away."""

    removed: list[str]


class RestoredView(BackupView):
    """What was restored, what it lacked, and where the store of before is kept.

    ``in_use_by`` is the process that has the store open, so that it must stop first; a
    restore that was made has none.
    """

    what_if: bool
    lost: list[str]
    kept: str | None
    in_use_by: str | None


class Moved(Given):
    """One section of a store that was copied."""

    section: str
    rows: int
    written: int


class Phase(Given):
    """Whether the service takes requests."""

    phase: str


class LabStep(Given):
    """One step of the journey through the lab."""

    step: str
    ok: bool
    status: int | None
    ms: float
    detail: str
    hops: str
    front_end: str | None
    request_uri: str | None


class LabView(Given):
    """The journey, and the lab's configuration."""

    ok: bool
    config: str
    steps: list[LabStep]


class MigrationPart(Given):
    """One part of the lab's weekend: what was typed, and where a client arrived."""

    title: str
    typed: list[str]
    ok: bool
    detail: str
    front_end: str | None
    ms: float


class MigrationView(Given):
    """The lab's weekend (`--migration`), and the lab's configuration."""

    ok: bool
    config: str
    parts: list[MigrationPart]
