"""Replays an event log into a fresh core, and compares what the core does.

Time, randomness, flows and answers all come from the file.  The first command that
differs ends the replay, because everything after it may differ as a consequence.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from proxy.core import commands, events
from proxy.core.proxy import ProxyCore
from proxy.pools.front_end import Lookup, Resolution
from proxy.server.event_log.codec import Codec
from proxy.server.event_log.file import EventLogError
from proxy.server.event_log.flow_watch import STATE
from proxy.server.event_log.hash_seed import PROBE, VARIABLE
from proxy.sip.flow import Flow, FlowTable, Listener

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the core; ``event`` is None when only time had passed.

    ``recorded`` is None when the event log ends in the middle of it.  Both lists are
    in the form of the file.
    """

    step: int
    at: float
    event: events.Event | None
    did: list[Any]
    recorded: list[Any] | None

    @property
    def agrees(self) -> bool:
        """Whether the core does what it did then."""
        return self.recorded is None or self.did == self.recorded


class Replay:
    """The replay of one event log; ``core`` is there for a debugger."""

    def __init__(self, lines: Iterable[Line]) -> None:
        """Raises EventLogError."""
        self._lines = iter(lines)
        try:
            self._begin(next(self._lines))
        except (StopIteration, KeyError, TypeError, ValueError) as error:
            raise EventLogError(f"the event log has no beginning: {error!r}") from None

    def _begin(self, head: Line) -> None:
        if head["hash"] != hash(PROBE):
            raise EventLogError(
                f"start Python {head['python']} with {VARIABLE}={head['hash_seed']}: "
                "the event log was made by a process whose hashes are others"
            )
        listeners = [
            _listener(index, *row) for index, row in enumerate(head["listeners"])
        ]
        self.flows = FlowTable(listeners, head["max_udp"])
        self.flows.origin = head["origin"]
        self._codec = Codec(listeners)
        self._friends: dict[str, bool] = {}
        self._known: dict[Lookup, Resolution | None] = {}
        self.flows.is_friend = lambda host: self._friends.get(host, False)
        self.core = ProxyCore(
            self._codec.read(head["settings"]),
            self.flows,
            lambda lookup, now: self._known.get(lookup),
            self._codec.read(head["table"]),
            random.Random(int(head["seed"], 16)),
        )

    def turns(self, before: Callable[[int], None] | None = None) -> Iterator[Turn]:
        """Replay every turn up to the first that differs; ``before`` is called with the
        step of each.

        Raises EventLogError for a line that makes no sense.
        """
        lines = list(self._lines)
        for at, line in enumerate(lines):
            if "at" not in line:
                continue
            after = lines[at + 1] if at + 1 < len(lines) else None
            try:
                turn = self._turn(line, after, before)
            except (KeyError, TypeError, ValueError, IndexError) as error:
                raise EventLogError(f"step {line['step']}: {error!r}") from error
            yield turn
            if not turn.agrees:
                return

    def _turn(
        self, line: Line, after: Line | None, before: Callable[[int], None] | None
    ) -> Turn:
        now: float = line["at"]
        self._hear(line)
        self._network(line)
        written = line.get("event")
        event = None if written is None else self._codec.read(written)
        if after is not None:
            self._hear(after)
        if before is not None:
            before(line["step"])
        out = self._run(event, now)
        did = [self._codec.write(command) for command in out]
        recorded = None if after is None else after["did"]
        return Turn(line["step"], now, event, did, recorded)

    def _run(self, event: events.Event | None, now: float) -> list[commands.Command]:
        core = self.core
        if event is None:
            return core.expire(now)
        if isinstance(event, events.MessageReceived):
            core.receive(event.flow, event.data, now)
            return core.take_commands()
        return core.handle(event, now)

    # -- what the shell had around it ------------------------------------------------

    def _hear(self, line: Line) -> None:
        """Take the answers that the core got from here on."""
        for lookup, found in line.get("cached", ()):
            self._known[self._codec.read(lookup)] = self._codec.read(found)
        self._friends.update(line.get("friends", ()))

    def _network(self, line: Line) -> None:
        """Do to the flow table what the network did."""
        numbers, flows = self._codec.flows, self.flows
        for index, port in line.get("listeners", ()):
            flows.listeners[index].bound_to(port)
        for number in line.get("gone", ()):
            flows.remove_stream(numbers.thing(number))
        for number, index, host, port, connection in line.get("streams", ()):
            flow = Flow(flows.listeners[index], host, port, connection)
            numbers.note(number, flow)
            flows.add_stream(flow)
        if "flow" in line:
            number, index, host, port, connection = line["flow"]
            listener = flows.listeners[index]
            if connection:
                numbers.note(number, Flow(listener, host, port, connection))
                numbers.thing(number).is_open = False
            else:
                numbers.note(number, flows.udp(listener, host, port))
        for number, *state in line.get("flows", ()):
            flow = numbers.thing(number)
            for name, value in zip(STATE, state, strict=True):
                setattr(flow, name, self._codec.read(value))


def _listener(
    index: int, transport: Any, host: str, port: int, sent_host: str, first_hop: bool
) -> Listener:
    return Listener(
        transport,
        host,
        port,
        index=index,
        advertised_host=sent_host,
        first_hop=first_hop,
    )
