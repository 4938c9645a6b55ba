"""The runtime: carries events into the core and its commands out to the network.

This is the only place where the core meets sockets, clock and store.  It runs on one
event loop, and makes no task, no future and no log call for a message.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from proxy.core import commands, events
from proxy.core.proxy import ProxyCore
from proxy.core.routing.lookup import lookup_of
from proxy.core.settings import CoreSettings
from proxy.core.siblings.directory import Siblings
from proxy.endpoints.table import EndpointTable
from proxy.location.binding import BindingChanges
from proxy.net.event_loop import Alarm
from proxy.net.network import ListenOptions, Network
from proxy.net.settings import AdmissionSettings, StreamSettings
from proxy.net.tls import TlsEnd
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.pools.resolver import Resolver
from proxy.pools.srv import numeric_resolution
from proxy.recorder.recorder import LOOK, Recorder
from proxy.server.carrier import Carrier
from proxy.server.certificates import Certificates
from proxy.server.dns_news import DnsNews
from proxy.server.faults import tell_suspect
from proxy.server.hep_sender import HepSender
from proxy.server.links import Links
from proxy.server.store_side.asking import Asking
from proxy.server.store_side.store_writes import StoreWrites
from proxy.server.tasks import Tasks
from proxy.server.wall_clock import WallClock
from proxy.sip.flow import Flow, FlowTable
from proxy.sip.uri import parse_uri
from proxy.telemetry.access import AccessLog

if TYPE_CHECKING:
    from proxy.config.model import Config
    from proxy.server.event_log.writer import EventLog

log = structlog.get_logger()

_OVERLOAD: Final = (
    "new dialogs and registrations wait behind what goes on, and get 503 after 15 s; "
    "if this lasts, use more workers or another node: docs/scaling.md"
)

Told = commands.LearnUri | commands.RefuseUri
_LONG: Final = 0.002
"""When writing and looking at records takes more seconds than this, the next time comes
sooner, so that it has less to do ..."""
_OFTEN: Final = LOOK / 16
"""... but not sooner than this."""
_BUG: Final = "internal error, see the log"
NEWS_GRACE = 0.005
"""Seconds after which news that siblings have sent already is certainly read."""
CLOCK_GRAIN = 0.001
"""Seconds by which the wall clock may drift before the core gets the new offset."""


class Ways(Protocol):
    """The ways into the core: the carrier itself, or an event log around it."""

    def message(self, flow: Flow, data: bytes) -> None: ...
    def event(self, event: events.Event) -> None: ...
    def expire(self) -> None: ...


class Runtime:
    """One proxy on one event loop; the ``Sink`` of the network.

    ``config`` is the configuration in force: a reload replaces it, so read it where it
    is used, and keep nothing of it.  ``writes`` tells whether the store takes changes.
    ``links`` lead to the other workers, where there are any.
    """

    config: Config
    recorder: Recorder | None = None
    hep: HepSender | None = None

    def __init__(
        self,
        settings: CoreSettings,
        flows: FlowTable,
        resolver: Resolver,
        table: EndpointTable,
        access: AccessLog,
        *,
        options: dict[int, ListenOptions] | None = None,
        client_tls: TlsEnd | None = None,
        pool_tls: Mapping[str, TlsEnd] | None = None,
        streams: StreamSettings | None = None,
        admission: AdmissionSettings | None = None,
        siblings: Siblings | None = None,
        event_log: EventLog | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.tasks = Tasks()
        self.resolver = resolver
        self.access = access
        self.certificates = Certificates()
        self.writes = StoreWrites()
        writer = event_log.begin(settings, flows, table) if event_log else None
        cached = writer.cached(resolver.cached) if writer else resolver.cached
        rng = writer.rng if writer else random.SystemRandom()
        self.core = ProxyCore(settings, flows, cached, table, rng, siblings)
        self.network = Network(
            flows,
            self,
            options=options,
            client_tls=client_tls,
            pool_tls=pool_tls,
            streams=streams or StreamSettings(),
            admission=admission or AdmissionSettings(),
        )
        self.links: Links | None = None
        self._alarm = Alarm(self.loop, self._expire)
        self.carrier = self._new_carrier()
        self.network.outbox.batch_ended = self.carrier.batch_ended
        self._ways: Ways = self.carrier
        if writer is not None:
            writer.around(self.core, self.carrier)
            self._ways = writer
        self.datagram = self.message = self._ways.message  # every message's way in
        self.on_learned: Callable[[Told], None] = lambda _: None
        self.on_look_up: Callable[[commands.LookUp], None] = lambda _: None
        self.on_conflict: Callable[[commands.NoteConflict], None] = lambda _: None
        self.asking = Asking()
        self.look_ups = {"found": 0, "unknown": 0, "failed": 0}
        self.probes = {"ok": 0, "failed": 0}
        self.used_uris: set[str] = set()
        self.wall = WallClock(self.loop.time())
        self._told_offset = self.wall.offset
        self.on_clock_set: Callable[[BindingChanges], None] = lambda _: None
        self._flusher: asyncio.TimerHandle | None = None
        self._pause = LOOK
        self.dns_news = DnsNews()
        resolver.on_change = self._resolution_changed
        resolver.on_servers = self.dns_news.servers
        self.step(events.ClockRead(self.wall.offset))

    def _new_carrier(self) -> Carrier:
        send, arm = self.network.sender, self._alarm.set
        carrier = Carrier(self.core, send, self._add_access, self._carry_out_rare, arm)
        carrier.undone = self._undone
        return carrier

    # -- life --------------------------------------------------------------------

    async def open(self) -> None:
        """Bind every listener and begin; raises NetError."""
        await self.network.open()
        self.resolver.start()
        self.pin_pools()
        self._flush_access()

    async def close(self) -> None:
        """Stop at once: close sockets, end tasks, write the last access records."""
        self._alarm.cancel()
        if self._flusher is not None:
            self._flusher.cancel()
        await self.network.close()
        await self.resolver.close()
        await self.tasks.close()
        self.access.flush()

    def record(self, recorder: Recorder) -> None:
        """Use this flight recorder from now on."""
        self.recorder = recorder
        self.carrier.tape = recorder.tape
        recorder.tape.filled = self._look_soon
        self.access.recorder = recorder

    def swap_table(self, table: EndpointTable) -> None:
        """Route by this table from the next message on."""
        self.step(events.TableChanged(table))
        self.pin_pools()

    def pin_pools(self) -> None:
        """Keep every pool of the table, and the default route, resolved."""
        lookups = self.lookups()
        self.resolver.pin(lookups)
        self.dns_news.keep(lookups)
        # For a name that is cached there will be no news, but the core may not have
        # seen it yet.
        now = self.loop.time()
        for lookup in lookups:
            known = self.resolver.cached(lookup, now)
            if known is not None:
                self.step(events.Resolved(lookup, known))
        self.note_friends()

    def note_friends(self) -> None:
        """Tell the network the addresses of pools, of the default route and of other
        nodes: limits for strangers do not count for them."""
        now, transports = self.loop.time(), self.resolver.transports
        nodes = [
            lookup_of(parse_uri(x.encode())) for x in self.core.router.nodes.uris()
        ]
        found: set[str] = set()
        for lookup in (*self.lookups(), *nodes):
            known = numeric_resolution(lookup, transports)
            known = known or self.resolver.cached(lookup, now)
            if known is not None:
                found.update(each.host for each in known.front_ends())
        self.network.know(frozenset(found))

    def lookups(self) -> list[Lookup]:
        """The questions to DNS for all pools and the default route."""
        lookups = list(self.pool_lookups().values())
        default = self.core.settings.default_route
        if default:
            lookups.append(lookup_of(parse_uri(default)))
        return lookups

    def pool_lookups(self) -> dict[str, Lookup]:
        """The question to DNS for each pool of the table, by FQDN."""
        pools = self.core.router.table.pools
        return {
            fqdn: Lookup(pool.fqdn.lower(), pool.port, pool.transport)
            for fqdn, pool in pools.items()
        }

    # -- Sink: what happens on the network ---------------------------------------

    def datagram_refused(self, flow: Flow, data: bytes, reason: str) -> None:
        """ICMP, or the kernel, gave a datagram of ours back."""
        self.step(events.DatagramRefused(flow, data, reason))

    def flow_opened(self, front_end: FrontEnd, flow: Flow) -> None:
        """A connection that the core asked for exists."""
        self.step(events.FlowOpened(front_end, flow))

    def connect_failed(self, front_end: FrontEnd, reason: str, detail: str) -> None:
        """A connection that the core asked for could not be opened."""
        self.step(events.ConnectFailed(front_end, reason, detail))

    def flow_closed(self, flow: Flow, reason: str) -> None:
        """A stream ended."""
        if self.links is not None:
            self.links.flow_closed(flow)
        self.step(events.FlowClosed(flow, reason))

    def framing_failed(self, flow: Flow, data: bytes, status: int, reason: str) -> None:
        """A stream sent bytes that cannot be framed."""
        self.step(events.FramingFailed(flow, data, status, reason))

    def overloaded(self, is_overloaded: bool) -> None:
        """More comes in than we can serve, or no longer."""
        if is_overloaded:
            log.warning("overload.began", action=_OVERLOAD)
        else:
            log.warning(
                "overload.ended",
                postponed=self.core.overload.postponed,
                refused=self.core.overload.refused,
            )
        self.step(events.Overload(is_overloaded))

    # -- the core's turn ---------------------------------------------------------

    def step(self, event: events.Event) -> None:
        """Give one event to the core, and carry out its commands."""
        self._ways.event(event)

    @property
    def errors(self) -> int:
        """Messages and events that met a bug of ours."""
        return self.carrier.faults.count

    def _add_access(self, record: commands.LogAccess, at: float) -> None:
        self.access.add(record, at + self.wall.offset)

    def _carry_out_rare(self, command: commands.Command) -> None:
        match command:
            case commands.Connect():
                self.network.connect(
                    command.front_end, command.listener, command.timeout
                )
            case commands.Resolve():
                self.tasks.start(self._resolve(command.lookup), "resolve")
            case commands.Close():
                self.network.close_flow(command.flow, command.reason)
            case commands.LearnUri() | commands.RefuseUri():
                self.on_learned(command)
            case commands.LookUp():
                self.on_look_up(command)
            case commands.NoteConflict():
                self.on_conflict(command)
            case commands.NoteSuspect():
                tell_suspect(command)
            case commands.NotePoolFailure():
                self.access.pool_failed(command, self.loop.time() + self.wall.offset)
            case commands.UseLearnedUri():
                self.used_uris.add(command.key)
            case commands.MoveBindings():
                self.on_clock_set(command.changes)
            case commands.TellEjection():
                if self.links is not None:
                    self.links.tell_ejection(command.ejection)
            case commands.HandOver():
                self._hand_over(command)

    def _hand_over(self, command: commands.HandOver) -> None:
        assert self.links is not None, "only workers know of others"
        if command.worker != self.links.siblings.index:
            self.links.hand_over(
                command.worker, command.flow, command.data, command.reason
            )
            return
        self.loop.call_later(
            NEWS_GRACE,
            self.network.outbox.report,
            self.datagram,
            command.flow,
            command.data,
        )

    def _undone(self, command: commands.Command) -> None:
        """A bug of ours kept a command from being carried out.  In the next turn of the
        loop the core gets the event that says so."""
        event: events.Event
        match command:
            case commands.Connect():
                event = events.ConnectFailed(command.front_end, "unreachable", _BUG)
            case commands.Resolve():
                event = events.Resolved(command.lookup, _unresolved(command.lookup))
            case commands.LookUp():
                event = events.LookedUp(command.aor)
            case commands.SaveBindings():
                event = events.BindingsNotSaved([command.ticket], _BUG)
            case _:
                return
        self.loop.call_soon(self.step, event)

    async def _resolve(self, lookup: Lookup) -> None:
        try:
            resolution = await self.resolver.resolve(lookup)
        except Exception as error:
            self.carrier.faults.note("resolution.failed", error, repr(lookup).encode())
            resolution = _unresolved(lookup)
        self.step(events.Resolved(lookup, resolution))

    def _resolution_changed(self, resolution: Resolution) -> None:
        self.note_friends()
        if self.resolver.is_pinned(resolution.lookup):
            self.dns_news.tell(resolution)
        self.step(events.Resolved(resolution.lookup, resolution))

    # -- time --------------------------------------------------------------------

    def _expire(self) -> None:
        self._ways.expire()

    def _flush_access(self) -> None:
        # Set the timer first: if this batch raises, there still is a next one.
        self._flusher = self.loop.call_later(self._pause, self._flush_access)
        began = self.loop.time()
        self._look_at_clock()
        self.access.flush()
        if self.recorder is not None:
            self.recorder.look(self.loop.time())
        # No message comes in meanwhile, so do little and often when there is much.
        took = self.loop.time() - began
        if took > _LONG:
            self._pause = max(self._pause / 2, _OFTEN)
        elif took < _LONG / 4:
            self._pause = min(self._pause * 2, LOOK)

    def _look_soon(self) -> None:
        """Much has come in since the last look, so look now."""
        if self._flusher is not None:
            self._flusher.cancel()
            self._flusher = self.loop.call_later(0, self._flush_access)

    def _look_at_clock(self) -> None:
        """Read the wall clock, and tell the core when it was set or has drifted."""
        by = self.wall.look(self.loop.time())
        if by:
            log.warning("clock.set", seconds=round(by, 1))
        if by or abs(self.wall.offset - self._told_offset) > CLOCK_GRAIN:
            self._told_offset = self.wall.offset
            self.step(events.ClockRead(self.wall.offset, by))


def _unresolved(lookup: Lookup) -> Resolution:
    return Resolution(lookup, {}, expires=0.0, error="timeout", reason=_BUG)
