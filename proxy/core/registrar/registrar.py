"""The registrar (RFC 3261 section 10.3): REGISTER in, bindings and an answer out.

A 200 is a promise, so it leaves only when the shell says that the bindings are in the
store; until then the request waits.  REGISTERs for one AOR are taken one after the
other, so that each sees what the one before has done.  ``register_request.py`` reads
the contacts, and ``credentials.py`` decides who may register.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Final

from proxy.core import commands, events
from proxy.core.answers.replies import refuse, reply
from proxy.core.first_hop.first_hop import KEEP_ALIVE, asks_for_keep_alive
from proxy.core.guard import Guard
from proxy.core.registrar.credentials import CHALLENGE, HELD_BACK, Gate, Users
from proxy.core.registrar.extensions import extension_lines
from proxy.core.registrar.register_request import (
    MAX_VALUE,
    Contact,
    comes_from,
    epid_of,
    find_bound,
    is_refreshed,
    read_contacts,
    read_path,
)
from proxy.core.registrar.under_way import LEGACY_LINES, Registration
from proxy.core.validation import Refusal, unsupported
from proxy.endpoints.model import Endpoint
from proxy.location.binding import Binding, BindingChange
from proxy.sip.digest import NonceBox
from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import parse_name_addr, parse_tokens
from proxy.sip.flow import Flow
from proxy.sip.host import host_port
from proxy.sip.uri import SipUri, parse_uri

if TYPE_CHECKING:
    from proxy.core.answers.refusals import Refusals
    from proxy.core.routing.router import Router
    from proxy.core.settings import CoreSettings, RegistrarSettings
    from proxy.sip.message import Request
    from proxy.transaction.server import ServerTransaction

SUPPORTED: Final = frozenset({"path", "outbound", "ms-benotify"})
"""Option tags that a REGISTER may require of us.  "gruu" (RFC 5627) is not among them:
we keep and echo an instance, but make no GRUU of it."""

RETRY_AFTER: Final = b"Retry-After: 10"


class Registrar:
    """Takes REGISTERs; telemetry reads the counters, which are plain integers."""

    def __init__(
        self,
        settings: CoreSettings,
        router: Router,
        guard: Guard,
        out: list[commands.Command],
        refusals: Refusals,
    ) -> None:
        assert settings.registrar is not None
        self.guard = guard
        self.settings: RegistrarSettings = settings.registrar
        self.log_access = settings.log_access
        self.source = settings.source
        self.router = router
        self.location = router.location
        nonces = NonceBox(settings.keys[0], maker=router.tokens.maker)
        self.gate = Gate(self.settings, nonces, refusals.suspects)
        self._later = refusals.later
        self.out = out
        self.registrations = 0
        self.refusals = self.challenges = 0
        self.conflicts = 0
        self._busy: dict[str, deque[Registration]] = {}
        self._date = (-1, b"")
        self._is_loaded = False

    @property
    def waiting(self) -> int:
        """How many AORs have a REGISTER that waits for the store."""
        return len(self._busy)

    def register(
        self, request: Request, flow: Flow, server: ServerTransaction, now: float
    ) -> None:
        """Take one REGISTER for a domain of ours; its answer follows now or later."""
        registration = Registration(request, flow, server, "", now)
        try:
            aor = self.named(request)
            registration.aor = aor.key
            refusal = self._check(request, flow, aor, now)
        except MalformedMessage as error:
            refusal = Refusal(error.status, error.reason)
        if refusal is not None:
            self._refuse(registration, refusal, now)
            return
        flow.is_proven = True  # the answer to our nonce came from this address
        # Section 10.3: in the order in which they came, each as a whole.  Those that
        # come while the store works wait for their turn.
        waiting = self._busy.get(aor.key)
        if waiting is None:
            self._update(registration, now)
        else:
            waiting.append(registration)

    def handle(self, event: events.RegistrarEvent, now: float) -> None:
        """Take one of the events about the store."""
        match event:
            case events.BindingsSaved():
                self._saved(event.tickets, now)
            case events.BindingsNotSaved():
                self._not_saved(event.tickets, now)
            case events.BindingsChanged():
                self.location.take_over(event.changes)
            case events.UsersChanged():
                self._use(event.users)
            case events.LocationLoaded():
                self.location.load(event.bindings)
                self._use(event.users)
                if not self._is_loaded:
                    # A restart forgets the counts of nonces, so old ones are stale.
                    self.gate.nonces.begin(now + self.location.wall_offset)
                    self._is_loaded = True

    def _use(self, users: Users) -> None:
        self.gate.users = users
        self.router.users = frozenset(map(self.gate.aor_of, users))

    def clock_set(self, by: float, now: float) -> list[BindingChange]:
        """The wall clock was set by ``by`` seconds; returns the bindings whose ends
        have moved, for the store."""
        self.gate.nonces.clock_set(by, now + self.location.wall_offset + by)
        return self.location.clock_set(by, now, float(self.settings.max_expires))

    def is_settled(self, binding: Binding) -> bool:
        """True when no newer change of this binding is under way."""
        return binding.aor not in self._busy and self.location.holds(binding)

    def _saved(self, tickets: Sequence[object], now: float) -> None:
        """The store has them: bind, answer, and take the next REGISTER of each AOR."""
        for ticket in tickets:
            assert isinstance(ticket, Registration)
            try:
                # Not ``apply``: another node's newer change of the same contact may
                # have come here already.
                self.location.take_over(ticket.changes)
                self._accept(ticket, now)
            except Exception as error:
                self._failed(ticket, error, now)
            self._next(ticket.aor, now)

    def _not_saved(self, tickets: Sequence[object], now: float) -> None:
        """The store has failed: bind nothing, and answer 503."""
        for ticket in tickets:
            assert isinstance(ticket, Registration)
            refusal = Refusal(503, "Registration could not be stored", (RETRY_AFTER,))
            try:
                self._refuse(ticket, refusal, now)
            except Exception as error:
                self._failed(ticket, error, now)
            self._next(ticket.aor, now)

    def _next(self, aor: str, now: float) -> None:
        waiting = self._busy.pop(aor, None)
        while waiting:
            registration = waiting.popleft()
            try:
                self._update(registration, now)
            except Exception as error:
                self._failed(registration, error, now)
            if aor in self._busy:
                self._busy[aor] = waiting
                return

    def give_up(self, tickets: Sequence[object], error: Exception, now: float) -> None:
        """A bug of ours ends these, and all that wait behind them."""
        for ticket in tickets:
            assert isinstance(ticket, Registration)
            self._failed(ticket, error, now)
            for waiting in self._busy.pop(ticket.aor, ()):
                self._failed(waiting, error, now)

    def _failed(self, registration: Registration, error: Exception, now: float) -> None:
        """A bug of ours, or a header field that cannot be read, ends this one."""
        request, server = registration.request, registration.server
        self.guard.request(request, registration.flow, server, error, now)

    # -- the steps of section 10.3 -----------------------------------------------

    def named(self, request: Request) -> SipUri:
        """Item 5: the address that is being registered."""
        aor = parse_uri(parse_name_addr(request.required("to")).uri)
        if aor.user is None or aor.host not in self.router.identity.domains:
            raise MalformedMessage("Not Found", 404)
        return aor

    def _check(
        self, request: Request, flow: Flow, aor: SipUri, now: float
    ) -> Refusal | None:
        """Items 2 to 4: extensions, and whether the sender may register."""
        if "require" in request.index:
            refusal = unsupported(request, "require", SUPPORTED)
            if refusal is not None:
                return refusal
        return self.gate.check(request, flow, aor, now + self.location.wall_offset, now)

    def _update(self, registration: Registration, now: float) -> None:
        """Items 6 and 7: work out the changes, all or none, and have them saved."""
        try:
            refusal = self._plan(registration, now)
        except MalformedMessage as error:
            refusal = Refusal(error.status, error.reason)
        if refusal is not None:
            self._refuse(registration, refusal, now)
        elif registration.changes:
            self.out.append(commands.SaveBindings(registration.changes, registration))
            self._busy.setdefault(registration.aor, deque())
        else:
            self._accept(registration, now)

    def _plan(self, registration: Registration, now: float) -> Refusal | None:
        request, aor = registration.request, registration.aor
        contacts = read_contacts(request, self.settings)
        if isinstance(contacts, Refusal):
            return contacts
        if "path" in request.index or any(c.reg_id for c in contacts or ()):
            # Read now what the answer needs: after a 400 nothing must be bound.
            parse_tokens(request.values("supported"))
        live = self.location.live(aor, now)
        bound = {binding.key: binding for binding in live}
        call_id, cseq = request.required("call-id"), request.cseq()[0]
        if len(call_id) > MAX_VALUE:
            raise MalformedMessage("Call-ID too long")
        if contacts is None:
            registration.granted = 0
            touched = live
            registration.is_refresh = False
            registration.changes = [BindingChange(aor, b.key, None) for b in live]
        else:
            if any(contact.expires != 0 for contact in contacts):
                endpoint = self.router.table.endpoints.get(aor)
                if endpoint is not None:
                    return self._conflict(registration, endpoint, contacts[0])
            known = [find_bound(contact, bound) for contact in contacts]
            touched = [binding for binding in known if binding is not None]
            for contact in contacts:
                self._plan_contact(registration, contact, bound, now)
        for binding in touched:
            # Item 7: this REGISTER is older than what is bound; a later one overtook
            # it.
            if binding.call_id == call_id and cseq <= binding.cseq:
                return Refusal(500, "REGISTER out of order")
        if len(bound) > self.settings.max_contacts:
            most = self.settings.max_contacts
            return Refusal(403, f"At most {most} contacts for one address")
        return None

    def _plan_contact(
        self,
        registration: Registration,
        contact: Contact,
        bound: dict[bytes, Binding],
        now: float,
    ) -> None:
        """Add the change for one contact, and carry it out in ``bound``."""
        known = find_bound(contact, bound)
        if known is not None:
            contact.key = known.key
        changes, aor = registration.changes, registration.aor
        if contact.expires == 0:
            registration.granted = registration.granted or 0
            if known is not None:
                registration.is_refresh = False
                changes.append(BindingChange(aor, contact.key, None))
                del bound[contact.key]
            return
        if known is None:
            registration.is_refresh = False
        settings = self.settings
        seconds = contact.expires or settings.default_expires
        seconds = min(seconds, settings.max_expires)
        granted = registration.granted
        registration.granted = min(granted, seconds) if granted else seconds
        binding = self._bind(registration, contact, known, seconds, now)
        bound[contact.key] = binding
        changes.append(BindingChange(aor, contact.key, binding))

    def _bind(
        self,
        registration: Registration,
        contact: Contact,
        known: Binding | None,
        seconds: int,
        now: float,
    ) -> Binding:
        request, flow = registration.request, registration.flow
        wall = now + self.location.wall_offset
        is_refresh = known is not None and is_refreshed(known, contact)
        back = registration.server.flow
        has_way_back = comes_from(contact, request, flow)
        agent = request.value("user-agent") or b""
        return Binding(
            registration.aor,
            contact.key,
            contact.request_uri,
            contact.value,
            contact.q,
            wall + seconds,
            known.registered_at if known is not None and is_refresh else wall,
            request.required("call-id"),
            request.cseq()[0],
            contact.instance,
            contact.reg_id,
            epid_of(request),
            agent[:200].decode("utf-8", "replace"),
            f"{flow.transport}:{host_port(flow.host, flow.port)}",
            read_path(request),
            self.router.tokens.make(back) if has_way_back else b"",
        )

    # -- answers -----------------------------------------------------------------

    def _conflict(
        self, registration: Registration, endpoint: Endpoint, contact: Contact
    ) -> Refusal:
        """The address is an endpoint: most likely the old Lookup service still runs."""
        flow, request = registration.flow, registration.request
        agent = (request.value("user-agent") or b"")[:200].decode("utf-8", "replace")
        source = f"{flow.transport}:{flow.host}"
        uri = contact.uri.raw.decode("utf-8", "replace")
        self.conflicts += 1
        self.out.append(commands.NoteConflict(endpoint.key, source, agent, uri))
        return Refusal(
            403,
            f"{endpoint.sip_address} is an endpoint of {endpoint.pool_fqdn}: the old "
            f"Lookup service at {flow.host} is still alive",
        )

    def _accept(self, registration: Registration, now: float) -> None:
        """Item 8: answer 200 with every current binding, one to a line."""
        self.registrations += 1
        request = registration.request
        wall = now + self.location.wall_offset
        lines = [
            b"Contact: %b;expires=%d" % (b.value, ceil(b.expires_at - wall))
            for b in self.location.live(registration.aor, now)
        ]
        if registration.granted is not None:
            lines.append(b"Expires: %d" % registration.granted)
        lines += LEGACY_LINES
        lines.append(self._date_line(int(wall)))
        lines += extension_lines(request, registration.changes, registration.flow)
        if asks_for_keep_alive(request, registration.flow):
            lines.append(KEEP_ALIVE)
        registration.server.respond(200, reply(request, 200, extra=lines), now)
        if self.log_access and not registration.is_refresh:
            # No line for refreshes, which every client sends every few minutes.
            self._log(registration, 200, now)

    def _refuse(self, registration: Registration, refusal: Refusal, now: float) -> None:
        cause = refusal.cause
        self.challenges += cause == CHALLENGE
        self.refusals += cause != CHALLENGE
        server, status = registration.server, refusal.status
        data = refuse(registration.request, refusal, self.source)
        if cause == HELD_BACK:  # no access line: ``suspects`` reports the source
            self._later.respond(server, status, data, now)
            return
        server.respond(status, data, now)
        if self.log_access and cause != CHALLENGE:  # a challenge is no failure
            self._log(registration, status, now, cause)

    def _log(
        self, registration: Registration, status: int, now: float, cause: str = ""
    ) -> None:
        seconds = now - registration.started
        request, flow = registration.request, registration.flow
        rule = cause or "registrar"
        self.out.append(
            commands.LogAccess(
                request, flow, status, seconds, rule, "", "", (), seconds
            )
        )

    def _date_line(self, second: int) -> bytes:
        if self._date[0] != second:
            instant = datetime.fromtimestamp(second, UTC)
            line = instant.strftime("Date: %a, %d %b %Y %H:%M:%S GMT").encode()
            self._date = (second, line)
        return self._date[1]
