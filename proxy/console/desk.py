"""What all routes share: configuration, store, sessions, and who is asking.

``admit`` decides whether a caller may use a route at all; ``operator`` hands out the
store as far as that caller may use it.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address, ip_network
from typing import Any, Final

from starlette.requests import Request

from proxy import clock
from proxy.admin.access.guarded_store import (
    GuardedStore,
    allow,
    require,
    require_unscoped,
)
from proxy.admin.access.people import check_password
from proxy.admin.access.tokens import token_holder
from proxy.admin.control import ControlError, Operator, rules_of
from proxy.admin.cutover import roll_back_overdue
from proxy.admin.observed.explaining import Here
from proxy.config import Config
from proxy.console.hosts import OwnHosts, is_same_origin
from proxy.console.limiter import Limiter
from proxy.console.once import ONCE, Links
from proxy.console.problems import Problem
from proxy.console.pulse import Pulse
from proxy.console.sessions import COOKIE, CSRF_HEADER, Session, Sessions, is_csrf
from proxy.console.watchers import Watchers
from proxy.endpoints.address import Refused
from proxy.endpoints.changes import RowChange
from proxy.endpoints.codec import Row, row_to_json
from proxy.endpoints.table import EndpointTable
from proxy.store import Actor, Store, StoreError
from proxy.store.access import Access, Role

NOTE_USE_EVERY: Final = 60.0
"""Seconds between two writes of a last use."""
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})

RunLine = Callable[..., None]
"""Runs a line of the command: config, operate, tell, admit, stay, what was typed."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, from where; ``session`` where somebody has signed in on a page."""

    access: Access
    source: str
    session: Session | None = None


class Desk:
    """One console."""

    def __init__(
        self,
        config: Config,
        store: Store,
        run_line: RunLine | None = None,
        explain_here: Here | None = None,
    ) -> None:
        self.config = config
        self.store = store
        self.run_line = run_line
        self.explain_here = explain_here
        self._watchers = Watchers(each=2, most=6)
        self.hosts = OwnHosts(config)
        self.pulse = Pulse(config)
        self.sessions = Sessions()
        self.links = Links()
        self.limiter = Limiter()
        self.clock: Callable[[], float] = clock.wall
        self._noted: dict[tuple[str, str], float] = {}
        # Tens of milliseconds of processor each, so one at a time (decision 106).
        self._one_password = asyncio.Semaphore(1)
        self._behind = [ip_network(each) for each in config.console.behind]

    # -- who is asking -----------------------------------------------------------

    async def admit(
        self, request: Request, role: Role, *, is_whole: bool = False
    ) -> Caller:
        """Who asks for something that needs a role; raises Problem, ControlError.

        ``is_whole``: no scope divides it, so who has a scope is refused (decision 123).
        """
        caller = await self._caller(request)
        request.state.caller = caller
        if caller.access.has_ended(self.clock()):
            what = f'the {caller.access.kind} "{caller.access.name}" has ended'
            raise _unknown(f"{what}: ask for another one")
        require(caller.access, role)
        if is_whole or role == "admin":
            require_unscoped(caller.access)
        return caller

    async def _caller(self, request: Request) -> Caller:
        source = self.source_of(request)
        shown = request.headers.get("authorization")
        if shown is not None:
            return await self._bearer(shown, source)
        named = self._signed_in_before(request)
        if named:
            return await self._person(named, source, request)
        cookie = cookie_of(request)
        if cookie:
            return await self._session(cookie, source, request)
        raise _unknown("show a token: Authorization: Bearer waypost_...")

    async def _bearer(self, shown: str, source: str) -> Caller:
        scheme, _, token = shown.partition(" ")
        if scheme.lower() != "bearer":
            raise _unknown("show a token: Authorization: Bearer waypost_...")
        found = token_holder(await self.store.accesses(), token.strip())
        if found is None:
            # Only here: whoever has a right token, which nobody guesses, must not wait
            # for an attacker at the same address (decision 106).
            self.may_try(source)
            self.limiter.failed(source, self.clock())
            raise _unknown("nobody has this token: it was revoked, or never made")
        await self._note_use(found, source)
        return Caller(found, source)

    async def _session(self, cookie: str, source: str, request: Request) -> Caller:
        now = self.clock()
        session = self.sessions.find(cookie, now)
        if session is None:
            raise _unknown("the session is over: sign in again")
        known = {(x.kind, x.name): x for x in await self.store.accesses()}
        access = known.get((session.kind, session.name))
        if access is None or access.proof != session.proof:
            self.sessions.end(cookie)
            raise _unknown("the session is over: sign in again")
        if request.method not in SAFE:
            self._check_csrf(request, session)
        return Caller(access, source, session)

    def _check_csrf(self, request: Request, session: Session) -> None:
        """Refuse a change that no page of ours has sent; raises Problem."""
        if not is_csrf(session, request.headers.get(CSRF_HEADER, "")):
            text = f"a change needs the header {CSRF_HEADER} of this session"
            raise Problem(403, text, "csrf")
        self.check_origin(request)

    def check_origin(self, request: Request) -> None:
        """Refuse what a page of somebody else sends; raises Problem."""
        origin, host = request.headers.get("origin"), request.headers["host"]
        if origin is None:
            return
        scheme = request.url.scheme
        if not is_same_origin(origin, host, scheme, self.hosts.origins):
            raise Problem(403, "this was sent by a page of somebody else", "csrf")

    def _signed_in_before(self, request: Request) -> str:
        """The name of whom a reverse proxy that we trust has signed in; else empty."""
        name = self.config.console.user_header
        return request.headers.get(name, "") if name and self._is_proxy(request) else ""

    async def _person(self, name: str, source: str, request: Request) -> Caller:
        for each in await self.store.accesses():
            if (each.kind, each.name) == ("person", name):
                if request.method not in SAFE:
                    # The browser adds this identity by itself, like a cookie.
                    self.check_origin(request)
                    if CSRF_HEADER.lower() not in request.headers:
                        raise Problem(403, f"a change needs the header {CSRF_HEADER}")
                await self._note_use(each, source)
                return Caller(each, source)
        raise Problem(
            403, f'"{name}" is signed in but nobody here: waypost person new {name}'
        )

    def source_of(self, request: Request) -> str:
        """The address of the caller; what a reverse proxy of ours says it is."""
        if self._is_proxy(request):
            # The last one is the proxy's; any before it may be the caller's invention.
            told = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
            if _address(told):
                return told
        return request.client.host if request.client else ""

    def _is_proxy(self, request: Request) -> bool:
        address = _address(request.client.host if request.client else "")
        return address is not None and any(address in each for each in self._behind)

    def may_try(self, *keys: str) -> None:
        """Refuse whoever has failed too often; raises Problem."""
        now = self.clock()
        wait = max(self.limiter.wait(key, now) for key in keys)
        if wait > 0:
            raise Problem(
                429,
                f"too many failures: try again in {wait:.0f} seconds",
                headers={"Retry-After": str(int(wait) + 1)},
            )

    async def sign_in(self, name: str, password: str, source: str) -> Access:
        """Whose name and password these are; raises Problem."""
        self.may_try(source, f"name {name[:64]}")
        known = await self.store.accesses()
        async with self._one_password:
            # Asked again: others may have failed while this one waited for its turn.
            self.may_try(source, f"name {name[:64]}")
            found = await asyncio.to_thread(check_password, known, name, password)
            if found is None or found.has_ended(self.clock()):
                self.limiter.failed(source, self.clock())
                self.limiter.failed(f"name {name[:64]}", self.clock())
                raise _unknown("nobody has this name and this password")
        self.limiter.succeeded(source)
        self.limiter.succeeded(f"name {name[:64]}")
        await self._note_use(found, source)
        return found

    async def link_for(self, name: str) -> str:
        """A link that signs in once as a person or token; raises ControlError."""
        for each in await self.store.accesses():
            if each.name == name and not each.has_ended(self.clock()):
                each = replace(each, used_at=0.0, used_from="")
                return f"/sign-in#{self.links.make(each, self.clock())}"
        raise ControlError(
            f'nobody is called "{name}": waypost token new {name} --role operator',
            kind="missing",
        )

    async def _linked(self, secret: str, source: str) -> Access:
        """Whom a link of ours signs in; raises Problem."""
        self.may_try(source)
        address = _address(source)
        if address is not None and address.is_loopback:
            found = self.links.use(secret, self.clock())
            if found is not None and found in await self._known():
                return found
        self.limiter.failed(source, self.clock())
        raise _unknown("this link was used, is too old, or of another machine")

    async def _known(self) -> list[Access]:
        """Everybody, without their last use: that ends no link."""
        found = await self.store.accesses()
        return [replace(each, used_at=0.0, used_from="") for each in found]

    async def token_access(self, token: str, source: str) -> Access:
        """Whose token this is, for signing in on a page; raises Problem."""
        if token.startswith(ONCE):
            return await self._linked(token, source)
        access = (await self._bearer(f"Bearer {token}", source)).access
        if access.has_ended(self.clock()):
            raise _unknown(f'the token "{access.name}" has ended')
        return access

    async def _note_use(self, access: Access, source: str) -> None:
        key, now = (access.kind, access.name), self.clock()
        if now - self._noted.get(key, 0.0) < NOTE_USE_EVERY:
            return
        if len(self._noted) > 10_000:
            self._noted.clear()
        self._noted[key] = now
        try:
            await self.store.note_access_use(*key, now, source)
        except StoreError:
            self._noted.pop(key)  # a store that cannot be written still answers looks

    # -- what they may do --------------------------------------------------------

    async def operator(
        self, caller: Caller, if_match: str = "", store: Store | None = None
    ) -> Operator:
        """The store as far as a caller may use it, overdue cutovers rolled back.

        ``store`` is another opening of the same one, for another thread.

        With ``if_match`` (RFC 9110 section 13.1.1) a change is made only of what the
        caller has seen.
        """
        problem, store = "", store or self.store
        try:
            await roll_back_overdue(store, self.clock(), clock.uptime())
        except StoreError as error:
            if error.is_away:
                raise
            problem = str(error)
        access = caller.access
        guarded: Any = GuardedStore(store, access)
        wanted = [each.strip() for each in if_match.split(",") if each.strip()]

        def judge(table: EndpointTable, changes: Sequence[RowChange]) -> None:
            allow(access, changes)
            if wanted and "*" not in wanted:
                _check_match(wanted, table, changes)

        return Operator(
            guarded,
            rules_of(self.config),
            actor_of(caller),
            self.clock,
            rollback_problem=problem,
            allow=judge,
            sees=access.covers,
        )

    @contextmanager
    def following(self, caller: Caller) -> Iterator[None]:
        """Count somebody who follows; raises ControlError when there are too many."""
        self._watchers.begin(caller.access)
        try:
            yield
        finally:
            self._watchers.end(caller.access)

    async def in_thread(self, work: Callable[..., Any], *args: Any) -> Any:
        """Run what asks the running service, because that blocks."""
        return await asyncio.to_thread(work, *args)


def actor_of(caller: Caller) -> Actor:
    """Whom the audit names for the changes of a caller."""
    return Actor(caller.access.name, f"{caller.access.kind} from {caller.source}")


def _unknown(text: str) -> Problem:
    return Problem(401, text, headers={"WWW-Authenticate": "Bearer"})


def _address(text: str) -> Any:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def cookie_of(request: Request) -> str:
    """The value of our cookie; empty without one."""
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


# -- what a caller has seen ----------------------------------------------------------


def row_tag(row: Row | None) -> str:
    """The ETag of a row: another one as soon as anything of it was changed."""
    body = json.dumps(row_to_json(row), sort_keys=True).encode()
    return f'"{hashlib.sha256(body).hexdigest()[:20]}"'


def table_tag(table: EndpointTable) -> str:
    """The ETag of the whole table."""
    return f'"table-{table.version}"'


def _check_match(
    wanted: Iterable[str], table: EndpointTable, changes: Sequence[RowChange]
) -> None:
    wanted = set(wanted)
    if table_tag(table) in wanted:
        return
    for change in changes:
        if row_tag(change.before) not in wanted:
            raise Refused(
                f"{change.kind} {change.key} is not what you have seen: somebody has "
                "changed it meanwhile; look again, then decide",
                "outdated",
            )
