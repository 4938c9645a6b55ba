"""One REGISTER under way, and what every 200 says beside the contacts.

What is decided about it is ``registrar.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from proxy.location.binding import BindingChange
    from proxy.sip.flow import Flow
    from proxy.sip.message import Request
    from proxy.transaction.server import ServerTransaction

# What a legacy client looks for in the 200: without the first, word for word on a line
# of its own, it never starts Group Chat; the list must have no blanks.
LEGACY_LINES: Final = (
    b"Supported: msrtc-event-categories",
    b"Allow-Events: vnd-microsoft-provisioning-v2",
)


class Registration:
    """One REGISTER under way: what is needed to answer it."""

    __slots__ = (
        "aor",
        "changes",
        "flow",
        "granted",
        "is_refresh",
        "request",
        "server",
        "started",
    )

    def __init__(
        self,
        request: Request,
        flow: Flow,
        server: ServerTransaction,
        aor: str,
        now: float,
    ) -> None:
        self.request = request
        self.flow = flow
        self.server = server
        self.aor = aor
        self.started = now
        self.changes: list[BindingChange] = []
        self.granted: int | None = None
        self.is_refresh = True

    def __repr__(self) -> str:
        return f"<Registration {self.aor}>"
