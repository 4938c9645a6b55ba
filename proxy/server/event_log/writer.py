"""Stands between the shell and the core while a run is recorded.

It takes the place of the carrier (``server/carrier.py``): the shell calls it with
messages, events and the time.  So a process that records nothing pays nothing.  The
answers to what the core asks meanwhile (the resolver's memory, which addresses are
friends) are inputs too, and are recorded.
"""

import random
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from proxy import __version__, clock
from proxy.core import commands, events
from proxy.core.proxy import ProxyCore
from proxy.core.routing.next_hops import Cached
from proxy.core.settings import CoreSettings
from proxy.endpoints.table import EndpointTable
from proxy.pools.front_end import Lookup, Resolution
from proxy.server.carrier import NEVER, Carrier
from proxy.server.event_log.codec import Codec
from proxy.server.event_log.file import FORMAT, LIMIT, EventLogFile
from proxy.server.event_log.flow_watch import FlowWatch, describe
from proxy.server.event_log.hash_seed import PROBE, known_seed
from proxy.sip.flow import Flow, FlowTable

log = structlog.get_logger()

_SEED_BITS: Final = 256


class EventLog:
    """A file, and a writer for each core that is started with it.

    Raises EventLogError when the file cannot be made.
    """

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self._file = EventLogFile(path, limit)
        log.warning(
            "event_log.started",
            file=str(path),
            limit=limit,
            advice="it holds keys, passwords' hashes and whole messages: keep it as "
            "you keep the store, and remove it when it has served",
        )

    def begin(
        self, settings: CoreSettings, flows: FlowTable, table: EndpointTable
    ) -> "LogWriter":
        """Begin the file with all that a core is made of."""
        self._file.restart()
        return LogWriter(self._file, settings, flows, table)

    def close(self) -> None:
        """Close the file at the end of the service."""
        self._file.close()


class LogWriter:
    """Writes each turn of one core: before the turn its input, after it the commands.

    So when the last line of a file is an event, that event ended or hung the process.
    """

    def __init__(
        self,
        file: EventLogFile,
        settings: CoreSettings,
        flows: FlowTable,
        table: EndpointTable,
    ) -> None:
        self._file = file
        self._flows = flows
        self._codec = Codec(flows.listeners)
        self._watch = FlowWatch(flows, self._codec)
        self._step = 0
        self._asked: dict[str, list[Any]] = {}
        self._resolutions: dict[Lookup, tuple[Resolution | None, str]] = {}
        self._friends: dict[str, bool] = {}
        seed = secrets.randbits(_SEED_BITS)
        self.rng = random.Random(seed)
        self._core: ProxyCore
        self._carrier: Carrier
        write = self._codec.write
        file.write(
            {
                "format": FORMAT,
                "version": __version__,
                "python": ".".join(map(str, sys.version_info[:2])),
                "seed": f"{seed:x}",
                "hash_seed": known_seed(),
                "hash": hash(PROBE),
                "settings": write(settings),
                "listeners": [
                    [x.transport, x.host, x.port, x.sent_host, x.first_hop]
                    for x in flows.listeners
                ],
                "origin": flows.origin,
                "max_udp": flows.max_udp,
                "table": write(table),
            }
        )

    # -- what the core asks ----------------------------------------------------------

    def cached(self, cached: Cached) -> Cached:
        """``cached``, with a note in the file of each new answer."""

        def noted(lookup: Lookup, now: float) -> Resolution | None:
            found = cached(lookup, now)
            said = found, "" if found is None else found.reason
            if self._resolutions.get(lookup, (None, "")) != said:
                self._resolutions[lookup] = said
                self._note("cached", lookup, found)
            return found

        return noted

    def friends(self, is_friend: Callable[[str], bool]) -> Callable[[str], bool]:
        """``is_friend``, with a note in the file of each new answer."""

        def noted(host: str) -> bool:
            found = is_friend(host)
            if self._friends.get(host, False) != found:
                self._friends[host] = found
                self._note("friends", host, found)
            return found

        return noted

    def _note(self, question: str, about: Any, answer: Any) -> None:
        if self._file.is_open:
            rows = self._asked.setdefault(question, [])
            rows.append([self._codec.write(about), self._codec.write(answer)])

    # -- the carrier's place -----------------------------------------------------------

    def around(self, core: ProxyCore, carrier: Carrier) -> None:
        """Take the core that is recorded, and the code that carries out its
        commands."""
        self._core, self._carrier = core, carrier
        assert self._flows.is_friend is not None
        self._flows.is_friend = self.friends(self._flows.is_friend)

    def message(self, flow: Flow, data: bytes) -> None:
        """See Carrier."""
        now = self._began(events.MessageReceived(flow, data))
        if self._carrier.tape is not None:
            self._carrier.tape.heard(now, flow, data)
        self._core.receive(flow, data, now)
        self._ended(self._core.take_commands())

    def event(self, event: events.Event) -> None:
        """See Carrier."""
        now = self._began(event)
        if self._carrier.tape is not None:
            self._carrier.tape.woke(now)
        self._ended(self._core.handle(event, now))
        self._carrier.batch_ended()

    def expire(self) -> None:
        """See Carrier."""
        self._carrier.armed_for = NEVER
        now = self._began(None)
        if self._carrier.tape is not None:
            self._carrier.tape.woke(now)
        self._ended(self._core.expire(now))
        self._carrier.batch_ended()

    def _began(self, event: events.Event | None) -> float:
        now = clock.monotonic()
        if self._file.is_open:
            self._step += 1
            # Include the questions for friends that the network asked since the last
            # turn.
            line: dict[str, Any] = {"step": self._step, "at": now}
            before, self._asked = self._asked, {}
            line |= {**before, **self._seen(event), **self._watch.look()}
            if event is not None:
                line["event"] = self._codec.write(event)
            self._file.write(line)
        elif self._step:
            # The file is closed: drop the references to all numbered flows.
            self._step = 0
            self._codec = Codec(self._flows.listeners)
            self._watch = FlowWatch(self._flows, self._codec)
        return now

    def _seen(self, event: events.Event | None) -> dict[str, Any]:
        """The flow of an event, if the file does not know it yet."""
        flow: Flow | None = getattr(event, "flow", None)
        if flow is None or (flow.reliable and flow.is_open):
            return {}  # the watch reports open connections
        is_known = flow in self._codec.flows
        number = self._codec.flows.of(flow)
        self._watch.watch(number, flow)
        return {} if is_known else {"flow": describe(number, flow)}

    def _ended(self, out: list[commands.Command]) -> None:
        if self._file.is_open:
            did = [self._codec.write(command) for command in out]
            asked, self._asked = self._asked, {}
            self._file.write({"step": self._step, **asked, "did": did})
        self._carrier.carry_out(out)
