"""What telemetry is told of one request that has ended."""

from collections.abc import Sequence
from typing import Protocol

from proxy.sip.flow import Flow
from proxy.sip.message import Request


class AccessRecord(Protocol):
    """What the core tells of one request; ``core.commands.LogAccess``."""

    request: Request
    source: Flow
    status: int
    seconds: float
    rule: str
    endpoint: str
    pool: str
    attempts: Sequence[tuple[str, str, float]]
    answered: float
