"""Carries every message into the core, and the core's commands out again.

mypyc compiles it together with the core; ``runtime.py`` does what happens rarely.
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
"""Seconds between two looks at the timers; a retransmission may be late by so much."""

_monotonic: Final = time.monotonic  # the event loop's own clock


class Carrier:
    """Carries messages in and commands out.

    ``rare`` carries out every command that is neither a message, a binding to save nor
    an access record.  ``arm`` sets the alarm for the timers, and ``armed_for`` is the
    deadline that it is set for.  ``undone`` gets a command that could not be carried
    out, because a request may wait for its result.  ``tape`` is that of the flight
    recorder, if there is one.
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
        """Take a UDP datagram, or one framed message of a stream."""
        core, tape = self._core, self.tape
        now = _monotonic()
        if tape is not None:
            tape.heard(now, flow, data)
        ignored = core.ignored
        core.receive(flow, data, now)
        if core.ignored != ignored and tape is not None:
            tape.unheard()  # a flood of these would drive out what is worth keeping
        self.carry_out(core.take_commands())

    def event(self, event: events.Event) -> None:
        """Take any other event."""
        now = _monotonic()
        if self.tape is not None:
            self.tape.woke(now)
        self.carry_out(self._core.handle(event, now))
        self.batch_ended()

    def expire(self) -> None:
        """The alarm rings: fire the timers that are due."""
        self.armed_for = NEVER
        now = _monotonic()
        if self.tape is not None:
            self.tape.woke(now)
        self.carry_out(self._core.expire(now))
        self.batch_ended()

    def batch_ended(self) -> None:
        """Set the one alarm of the core to an earlier deadline if there is one."""
        deadline = self._core.deadline()
        if deadline is not None and deadline < self.armed_for:
            self.armed_for = deadline
            self.arm(max(deadline, _monotonic() + TIMER_GRAIN))

    def carry_out(self, out: Iterable[commands.Command]) -> None:
        """Carry out commands in their order; when one fails, the others go on."""
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
