"""Every message's way through the shell: into the core, and its commands out again.

Compiled together with the core; what happens rarely is ``runtime.py``.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

from proxy.core import commands, events
from proxy.core.proxy import ProxyCore
from proxy.net.stream_flow import Sender
from proxy.recorder.tape import Tape
from proxy.server.faults import FaultLog
from proxy.sip.flow import Flow

NEVER: Final = float("inf")
TIMER_GRAIN: Final = 0.02
"""Seconds between two looks at the timers: retransmissions may be this much late."""

_monotonic: Final = time.monotonic  # the event loop's own clock


class Carrier:
    """Carries messages in and commands out.

    ``rare`` carries out what is neither a message, a binding to save nor an access
    record; ``arm`` asks for a look at the timers at an instant, and ``armed_for`` is
    the deadline that was the reason.  ``undone`` gets a command that could not be
    carried out, because a request may wait for its result.  ``tape`` remembers
    messages, where there is one.
    """

    __slots__ = (
        "_core",
        "_sender",
        "add_access",
        "arm",
        "armed_for",
        "faults",
        "on_save",
        "rare",
        "tape",
        "undone",
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
        self.undone: Callable[[commands.Command], None] = lambda _: None
        self.faults = FaultLog()
        self.tape: Tape | None = None

    def message(self, flow: Flow, data: bytes) -> None:
        """A UDP datagram, or one framed message of a stream."""
        core, tape = self._core, self.tape
        now = _monotonic()
        if tape is not None:
            tape.heard(now, flow, data)
        core.receive(flow, data, now)
        self.carry_out(core.take_commands())

    def event(self, event: events.Event) -> None:
        """Anything else that happened."""
        now = _monotonic()
        if self.tape is not None:
            self.tape.woke(now)
        self.carry_out(self._core.handle(event, now))
        self.batch_ended()

    def expire(self) -> None:
        """The instant that ``arm`` was asked for has come."""
        self.armed_for = NEVER
        now = _monotonic()
        if self.tape is not None:
            self.tape.woke(now)
        self.carry_out(self._core.expire(now))
        self.batch_ended()

    def batch_ended(self) -> None:
        """One armed timer for the whole core; it is never taken back, only moved."""
        deadline = self._core.deadline()
        if deadline is not None and deadline < self.armed_for:
            self.armed_for = deadline
            self.arm(max(deadline, _monotonic() + TIMER_GRAIN))

    def carry_out(self, out: Iterable[commands.Command]) -> None:
        """Do what the core said, in that order; one that fails stops no other."""
        tape = self.tape
        for command in out:
            try:
                if isinstance(command, commands.Send):
                    if tape is not None:
                        tape.sent(command.flow, command.data)
                    self._sender.send(command.flow, command.data)
                elif isinstance(command, commands.LogAccess):
                    self.add_access(command, _monotonic())
                elif isinstance(command, commands.SaveBindings) and self.on_save:
                    self.on_save(command)
                elif isinstance(command, commands.NoteFault):
                    self.faults.note(
                        command.what, command.error, command.head, command.flow
                    )
                else:
                    self.rare(command)
            except Exception as error:
                self.faults.note("command.failed", error, repr(command).encode())
                self.undone(command)
