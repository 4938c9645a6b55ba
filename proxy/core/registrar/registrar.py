"""The registrar (RFC 3261 section 10.3): REGISTER in, bindings and an answer out.

A 200 is a promise, so it leaves only when the shell says that the bindings are in the
store; until then the request is parked.  REGISTERs for one AOR are taken one after the
other, each seeing what the one before has done.  Reading contacts is
``registration.py``, who may register ``credentials.py``.
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
"""Option tags that a REGISTER may require of us.  No gruu: an instance is kept and
echoed, but no GRUU is made of it, and nobody shall believe that (RFC 5627)."""

RETRY_AFTER: Final = b"Retry-After: 10"


class Registrar:
    """Counters are plain integers that telemetry reads."""

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
        """Take one REGISTER for a domain of ours, and see to its answer."""
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
        flow.is_proven = True  # its answer to our nonce has come from there
        # Section 10.3: in the order in which they came, each as a whole.  Those that
        # come while the store is at work wait their turn.
        waiting = self._busy.get(aor.key)
        if waiting is None:
            self._update(registration, now)
        else:
            waiting.append(registration)

    def handle(self, event: events.RegistrarEvent, now: float) -> None:
        """What the shell tells about the store."""
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
                    # Counts of nonces are not kept over a restart.
                    self.gate.nonces.begin(now + self.location.wall_offset)
                    self._is_loaded = True

    def _use(self, users: Users) -> None:
        self.gate.users = users
        self.router.users = frozenset(map(self.gate.aor_of, users))

    def clock_set(self, by: float, now: float) -> list[BindingChange]:
        """The wall clock was set by that many seconds; the contacts that now end at
        another instant, for the store."""
        self.gate.nonces.clock_set(by, now + self.location.wall_offset + by)
        return self.location.clock_set(by, now, float(self.settings.max_expires))

    def is_settled(self, binding: Binding) -> bool:
        """True when the store may be told of this binding: nothing newer is coming."""
        return binding.aor not in self._busy and self.location.holds(binding)

    def _saved(self, tickets: Sequence[object], now: float) -> None:
        """The store has them: bind, answer, and go on with whoever waited."""
        for ticket in tickets:
            assert isinstance(ticket, Registration)
            try:
                # Another node may have saved the same contact since, and be known.
                self.location.take_over(ticket.changes)
                self._accept(ticket, now)
            except Exception as error:
                self._failed(ticket, error, now)
            self._next(ticket.aor, now)

    def _not_saved(self, tickets: Sequence[object], now: float) -> None:
        """The store failed: nothing has been promised, nothing is bound."""
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
        """These, and whoever waits behind them, meet a bug of ours."""
        for ticket in tickets:
            assert isinstance(ticket, Registration)
            self._failed(ticket, error, now)
            for waiting in self._busy.pop(ticket.aor, ()):
                self._failed(waiting, error, now)

    def _failed(self, registration: Registration, error: Exception, now: float) -> None:
        """A bug of ours, or a header field that was read too late: this one ends."""
        request, server = registration.request, registration.server
        self.guard.request(request, registration.flow, server, error, now)

    # -- the steps of section 10.3 -----------------------------------------------

    def named(self, request: Request) -> SipUri:
        """Item 5: who is being registered."""
        aor = parse_uri(parse_name_addr(request.required("to")).uri)
        if aor.user is None or aor.host not in self.router.identity.domains:
            raise MalformedMessage("Not Found", 404)
        return aor

    def _check(
        self, request: Request, flow: Flow, aor: SipUri, now: float
    ) -> Refusal | None:
        """Items 2 to 4: extensions, and who is asking."""
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
            # Read before the commit what the answer needs: a 400 must not bind.
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
            # Item 7: older than what is bound, so it has been overtaken on its way.
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
        """Add the change for one contact, and make it in ``bound``."""
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
        """The address is an endpoint's: who registers it has not been switched off."""
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
        """Item 8: every current binding, one to a line."""
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
            # Refreshes come every few minutes from everybody: no line for them.
            self._log(registration, 200, now)

    def _refuse(self, registration: Registration, refusal: Refusal, now: float) -> None:
        cause = refusal.cause
        self.challenges += cause == CHALLENGE
        self.refusals += cause != CHALLENGE
        server, status = registration.server, refusal.status
        data = refuse(registration.request, refusal, self.source)
        if cause == HELD_BACK:  # told once for each source, and counted
            self._later.respond(server, status, data, now)
            return
        server.respond(status, data, now)
        if self.log_access and cause != CHALLENGE:  # a question is nobody's mistake
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
