"""One REGISTER under way, and the lines that every 200 has besides the contacts.

``registrar.py`` decides about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from proxy.location.binding import BindingChange
    from proxy.sip.flow import Flow
    from proxy.sip.message import Request
    from proxy.transaction.server import ServerTransaction

# A legacy client looks for these in the 200.  Without the first one, word for word on a
# line of its own, it never starts Group Chat.  The lists must have no blanks.
LEGACY_LINES: Final = (
    b"Supported: msrtc-event-categories",
    b"Allow-Events: vnd-microsoft-provisioning-v2",
)


class Registration:
    """What is needed to answer one REGISTER.

    ``granted`` is the Expires of the answer, None for no such line.  ``is_refresh`` is
    True while all it does is to prolong bindings.
    """

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
