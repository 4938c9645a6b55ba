"""Every message's way through the shell: into the core, and its commands out again.

Compiled together with the core; what happens rarely is ``runtime.py``.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from proxy.core import commands
from proxy.core.proxy import ProxyCore
from proxy.net.stream_flow import Sender
from proxy.sip.flow import Flow

log = structlog.get_logger()

NEVER: Final = float("inf")
TIMER_GRAIN: Final = 0.02
"""Seconds between two looks at the timers: retransmissions may be this much late."""

_monotonic: Final = time.monotonic  # the event loop's own clock


class Carrier:
    """Carries messages in and commands out.

    ``rare`` carries out what is neither a message, a binding to save nor an access
    record; ``arm`` asks for a look at the timers at an instant, and ``armed_for`` is
    the deadline that was the reason.  ``errors`` counts messages and events that met
    a bug of ours.
    """

    __slots__ = (
        "_core",
        "_sender",
        "add_access",
        "arm",
        "armed_for",
        "errors",
        "on_save",
        "rare",
    )

    def __init__(
        self,
        core: ProxyCore,
        sender: Sender,
        add_access: Callable[[commands.LogAccess, float], None],
        rare: Callable[[commands.Command], None],
        arm: Callable[[float], None],
    ) -> None:
        self._core = core
        self._sender = sender
        self.add_access = add_access
        self.rare = rare
        self.arm = arm
        self.armed_for = NEVER
        self.on_save: Callable[[commands.SaveBindings], None] | None = None
        self.errors = 0

    def message(self, flow: Flow, data: bytes) -> None:
        """A UDP datagram, or one framed message of a stream."""
        core = self._core
        try:
            core.receive(flow, data, _monotonic())
        except Exception:
            self.failed("message.failed", flow)
        self.carry_out(core.take_commands())

    def batch_ended(self) -> None:
        """One armed timer for the whole core; it is never taken back, only moved."""
        deadline = self._core.deadline()
        if deadline is not None and deadline < self.armed_for:
            self.armed_for = deadline
            self.arm(max(deadline, _monotonic() + TIMER_GRAIN))

    def failed(self, event: str, flow: Flow | None) -> None:
        """A bug of ours: one message is lost, the proxy goes on."""
        self.errors += 1
        log.exception(event, flow=repr(flow))

    def carry_out(self, out: Iterable[commands.Command]) -> None:
        """Do what the core said, in that order."""
        for command in out:
            if isinstance(command, commands.Send):
                self._sender.send(command.flow, command.data)
            elif isinstance(command, commands.LogAccess):
                self.add_access(command, _monotonic())
            elif isinstance(command, commands.SaveBindings) and self.on_save:
                self.on_save(command)
            else:
                self.rare(command)
