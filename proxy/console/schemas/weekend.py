"""The doctor, facts and the runbook, as the API takes and gives them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from proxy.console.schemas.common import Given, Instant, Taken, Text, Verdict


class StepView(Given):
    """One thing that the doctor, or a check, looked at.

    ``of`` is an address, a pool or this service; ``fix`` is what to do about it.
    """

    of: str
    name: str
    verdict: Verdict
    text: str
    fix: str
    ms: float | None = None


class DoctorOrder(Taken):
    """What the doctor shall look at: one endpoint, a plan (TOML), or all."""

    identity: Text | None = None
    plan: Annotated[str, Field(max_length=4 * 1024 * 1024)] | None = None
    journey: bool = False
    facts: Annotated[str, Field(max_length=8 * 1024 * 1024)] | None = None


class DoctorView(Given):
    """What the doctor found."""

    verdict: Verdict
    summary: dict[str, int]
    steps: list[StepView]


class Forgotten(Given):
    """How many rows of the ledger went."""

    rows: int


class FactsOrder(Taken):
    """A file of Get-WaypostFacts.ps1 as text, and what to compare it with."""

    facts: Annotated[str, Field(max_length=8 * 1024 * 1024)]
    plan: Annotated[str, Field(max_length=4 * 1024 * 1024)] | None = None
    topology: Literal["a", "b", "c"] | None = None


class FactsFile(Taken):
    """A file of Get-WaypostFacts.ps1 as text."""

    facts: Annotated[str, Field(max_length=8 * 1024 * 1024)]


class FactsView(Given):
    """What was read."""

    script: str
    at: Instant
    forest: str
    computer: str
    aliases: list[str]
    waypost_fqdn: str
    absent: list[str]
    sections: dict[str, Any]


class Judgement(DoctorView):
    """Whether Lync leads every endpoint here."""


class RunbookPlan(Taken):
    """The plan of the cutover (TOML), kept from then on."""

    plan: Annotated[str, Field(max_length=4 * 1024 * 1024)]
    name: Text = "plan.toml"


class Tick(Taken):
    """What to remember about a step that is done."""

    note: Text = ""


class ItemView(Given):
    """One step of the runbook."""

    number: int
    name: str
    title: str
    state: str
    text: str
    command: str
    back: str
    at: Instant
    by: str
    topic: str


class ReportView(Given):
    """What to hand over."""

    plan: str
    at: Instant
    steps: list[ItemView]
    cutover: dict[str, Any] | None
    users: list[dict[str, Any]]


class Ticked(Given):
    """A step that was ticked off, or is open again."""

    name: str
    state: str


class Draining(Given):
    """How many transactions have yet to end."""

    phase: str
    open: int


class StatusView(Given):
    """The running service."""

    version: str
    phase: str
    up_seconds: float
    listeners: list[dict[str, Any]]
    store: str
    endpoints: int
    bindings: int
    conflicts: int
    pools: dict[str, dict[str, Any]]
    guard: dict[str, Any] | None


class CheckStep(Given):
    """One thing that ``config check`` looked at."""

    name: str
    ok: bool
    text: str
    doubt: bool
    verdict: Verdict


class NodeView(Given):
    """A node of this store; ``problem`` is why it does not answer."""

    node: str
    answers: bool
    problem: str
    phase: str
    version: str
    up_seconds: float | None
    table_version: int | None
    open_transactions: int | None


class NodesView(Given):
    """Every node of this store, where the one that was asked is silent."""

    nodes: list[NodeView]
