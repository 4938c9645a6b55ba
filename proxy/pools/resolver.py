"""Asks DNS for pools and keeps them resolved, in the background.

The asyncio shell around pure modules: `srv.py` knows what to ask and what it means,
`answers.py` how long an answer holds, `refresh.py` when a name is due,
`description.py` how to show it; `dns_client.py` asks one question.  Nothing here raises
for what DNS does: a failed look-up is a Resolution with ``error`` and ``reason``.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from typing import Any, Final, Literal, TypeVar

from proxy import clock as proxy_clock
from proxy.pools import srv
from proxy.pools.answers import Answer, DnsLimits, Question, RecordType, lifetime
from proxy.pools.description import PoolDescription, describe
from proxy.pools.dns_client import DnsClient, is_dns_name
from proxy.pools.front_end import Lookup, Resolution
from proxy.pools.health import HealthBook
from proxy.pools.name_servers import RESOLV_CONF
from proxy.pools.refresh import ResolutionCache
from proxy.sip.flow import Transport

Family = Literal[4, 6]
ADDRESS_TYPE: Final[dict[Family, RecordType]] = {4: "A", 6: "AAAA"}

# The parts of the budget after which a round of questions must have ended: a server
# that swallows NAPTR or SRV questions must leave time for the addresses.
SERVICE_ROUND: Final = 0.5
NAPTR_ROUND: Final = 0.7
# Seconds between two looks at the system's list of name servers.
LOOK: Final = 2.0
# Look-ups under way at once; beyond it a stranger is feeding us names.
MAX_LOOKUPS: Final = 512

T = TypeVar("T")
Ask = Callable[[Iterable[Question], float], Coroutine[Any, Any, list[Answer]]]


class Resolver:
    """The proxy's own view of DNS.

    ``nameservers`` are ``host:port`` (port 53 when absent), None means the system's.
    ``transports`` and ``families`` are what we have listeners for: nothing else is
    asked for.  ``on_change`` is called with each Resolution that says something else
    than the one before it (or that went stale).  Raises ValueError for a name server
    that is not an address.

    The system's servers are those of ``resolv_conf`` as it is now, not as it was:
    ``on_servers`` hears of others.  With ``hears_strangers`` names that are not pinned
    may come from strangers, and less of what their zones list is looked at.
    """

    def __init__(
        self,
        nameservers: Sequence[str] | None,
        transports: Collection[Transport],
        families: Collection[Family] = (4, 6),
        *,
        clock: Callable[[], float] = proxy_clock.monotonic,
        on_change: Callable[[Resolution], None] | None = None,
        limits: DnsLimits | None = None,
        rng: random.Random | None = None,
        resolv_conf: str = RESOLV_CONF,
        hears_strangers: bool = False,
    ) -> None:
        self._hears_strangers = hears_strangers
        self.transports = frozenset(transports)
        self.families = tuple(sorted(families))
        self.limits = limits or DnsLimits()
        self.on_change = on_change
        self.on_servers: Callable[[list[str]], None] | None = None
        self.dns = DnsClient(nameservers, self.limits, clock, resolv_conf)
        self._clock = clock
        self._cache = ResolutionCache(self.limits, rng or random.Random())
        self._lookups: dict[Lookup, asyncio.Task[Resolution]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._is_running = False
        self._is_closed = False

    # -- asking ---------------------------------------------------------------

    def cached(self, lookup: Lookup, now: float) -> Resolution | None:
        """What is known, at once; stale is better than nothing.  Counts as a use."""
        return self._cache.get(lookup, now)

    async def resolve(self, lookup: Lookup) -> Resolution:
        """The Resolution, asking DNS when there is none that still holds.

        All callers that need one name at a time wait for one look-up.  Never raises for
        a failure; cancelling one caller leaves the look-up to the others.
        """
        now = self._clock()
        known = self._cache.get(lookup, now)
        if known is not None and now < known.expires:
            return known
        numeric = srv.numeric_resolution(lookup, self.transports)
        if numeric is not None:
            return numeric
        task = self._look_up_soon(lookup)
        if task is None:
            return known or self._refused(lookup)
        await asyncio.wait({task})
        if task.cancelled():
            return known or self._refused(lookup)
        return task.result()

    # -- keeping names fresh --------------------------------------------------

    def start(self) -> None:
        """Begin to refresh names in the background (of the running loop)."""
        self._is_running = True
        self._arm()
        self._look()

    def _look(self) -> None:
        self.look_again()
        self._watch = asyncio.get_running_loop().call_later(LOOK, self._look)

    def look_again(self) -> None:
        """Ask the servers that the system's file names by now."""
        if self.dns.look_again():
            self._ask_others()

    def use(self, nameservers: Sequence[str] | None) -> None:
        """Ask these servers from now on; raises ValueError for one that is none."""
        if self.dns.use(nameservers):
            self._ask_others()

    def _ask_others(self) -> None:
        self._cache.ask_again(self._clock())
        self._arm()
        if self.on_servers is not None:
            self.on_servers(self.dns.nameservers)

    def pin(self, lookups: Iterable[Lookup]) -> None:
        """Keep these names resolved from now on: the pools of the endpoint table.

        Replaces what was pinned before; needs a running loop.
        """
        for lookup in self._cache.pin(lookups):
            if not srv.is_numeric(lookup.host.strip("[]")):
                self._look_up_soon(lookup)

    def is_pinned(self, lookup: Lookup) -> bool:
        """True for a name that is kept resolved."""
        return self._cache.is_pinned(lookup)

    async def close(self) -> None:
        """Stop asking; every waiting caller gets a failure."""
        self._is_closed = True
        self._is_running = False
        for handle in (self._timer, self._watch):
            if handle is not None:
                handle.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- showing --------------------------------------------------------------

    def lookups(self) -> list[Lookup]:
        """Every cached name."""
        return self._cache.lookups()

    def describe(
        self,
        lookup: Lookup,
        *,
        health: HealthBook | None = None,
        preference: Sequence[Transport] = (),
    ) -> PoolDescription | None:
        """The records, front ends, ages and health of a name; None when not cached."""
        entry = self._cache.entry(lookup)
        if entry is None:
            return None
        return describe(
            lookup,
            entry.resolution,
            entry.answers,
            self._clock(),
            health=health,
            preference=preference,
        )

    # -- the schedule ---------------------------------------------------------

    def _arm(self) -> None:
        """Let the one timer ring when the next name is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._cache.next_due() if self._is_running else None
        if due is not None:
            delay = max(0.0, due - self._clock())
            self._timer = asyncio.get_running_loop().call_later(delay, self._refresh)

    def _refresh(self) -> None:
        self._timer = None
        try:
            for lookup in self._cache.take_due(self._clock()):
                if self._look_up_soon(lookup, early=True) is None:
                    self._store(self._refused(lookup), ())
        finally:
            self._arm()

    def _look_up_soon(
        self, lookup: Lookup, *, early: bool = False
    ) -> asyncio.Task[Resolution] | None:
        """The look-up of this name that is under way, begun if there is none."""
        task = self._lookups.get(lookup)
        if task is None and not self._is_closed and len(self._lookups) < MAX_LOOKUPS:
            task = self._lookups[lookup] = self._spawn(self._look_up(lookup, early))
            task.add_done_callback(lambda _: self._lookups.pop(lookup, None))
        return task

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- one look-up ----------------------------------------------------------

    def _bounds(self, lookup: Lookup) -> srv.Bounds:
        """How much of what the zone of a name lists is looked at."""
        is_known = not self._hears_strangers or self._cache.is_of_pool(lookup.host)
        return srv.OF_POOLS if is_known else srv.OF_OTHERS

    async def _look_up(self, lookup: Lookup, early: bool) -> Resolution:
        answers: list[Answer] = []
        try:
            resolution = await self._rounds(lookup, answers, early)
        except Exception as problem:
            # A fault of ours must not take a name out of the refresh for ever.
            reason = f"look-up of {lookup.host} broke: {problem!r}"
            resolution = self._failed(lookup, reason)
        return self._store(resolution, answers)

    def _store(self, resolution: Resolution, answers: Iterable[Answer]) -> Resolution:
        if self._cache.is_pinned(resolution.lookup):
            for answer in answers:
                answer.is_of_pool = True
        valid, is_news = self._cache.put(resolution, answers, self._clock())
        self._arm()
        if is_news and self.on_change is not None:
            self.on_change(valid)
        return valid

    async def _rounds(
        self, lookup: Lookup, answers: list[Answer], early: bool
    ) -> Resolution:
        """RFC 3263: services, their targets, the targets' addresses."""
        started = self._clock()
        if not srv.wanted(lookup, self.transports):
            return srv.no_transport(lookup, now=started)
        if not is_dns_name(lookup.host):
            return srv.failure(
                lookup,
                "address",
                f"{lookup.host!r} is not a DNS name",
                now=started,
                expires=started + self.limits.negative,
            )

        async def ask(questions: Iterable[Question], until: float) -> list[Answer]:
            seconds = started + self.limits.budget * until - self._clock()
            found = await asyncio.gather(
                *(self.dns.ask(q, max(seconds, 0.0), early=early) for q in questions)
            )
            answers.extend(found)
            return found

        naptr_order, offers = await self._offers(lookup, ask)
        bounds = self._bounds(lookup)
        names = srv.targets(offers, bounds)
        questions = [
            Question(name, ADDRESS_TYPE[family])
            for name in names
            for family in self.families
        ]
        addresses: dict[str, list[str]] = {name: [] for name in names}
        for answer in await ask(questions, 1.0):
            addresses[answer.question.name] += answer.addresses()
        return self._built(lookup, offers, addresses, naptr_order, answers)

    async def _offers(
        self, lookup: Lookup, ask: Ask
    ) -> tuple[tuple[Transport, ...], list[srv.Offer]]:
        """What the name offers, by NAPTR, else by SRV, else by its own address.

        NAPTR and SRV are asked at the same time: hardly any pool has NAPTR, and its
        absence should cost no round trip.  Its own address is for a name that is known
        to have no SRV records (RFC 3263 section 4.2).  A server that fails to answer
        has not said so, and the machine of that name may be quite another service.
        """
        asked = srv.services(lookup, self.transports)
        questions = [Question(service.name, "SRV") for service in asked]
        if srv.asks_naptr(lookup):
            questions.append(Question(lookup.host, "NAPTR"))
        first = await ask(questions, SERVICE_ROUND) if questions else []
        records = {a.question.name: a.srv() for a in first if a.question.type == "SRV"}
        naptr = [record for answer in first for record in answer.naptr()]
        failed = [a for a in first if a.problem and not a.records]
        if naptr:
            bounds = self._bounds(lookup)
            pointed = srv.naptr_services(lookup, naptr, self.transports, bounds)
            unknown = dict.fromkeys(s.name for s in pointed if s.name not in records)
            for answer in await ask((Question(n, "SRV") for n in unknown), NAPTR_ROUND):
                records[answer.question.name] = answer.srv()
                if answer.problem and not answer.records:
                    failed.append(answer)
            offers = srv.srv_offers(pointed, records)
            if offers:
                return srv.transport_order(pointed), offers
        offers = srv.srv_offers(asked, records)
        if not offers and any(map(_may_hide_services, failed)):
            return (), []
        return (), offers or srv.host_offers(lookup, self.transports)

    def _built(
        self,
        lookup: Lookup,
        offers: list[srv.Offer],
        addresses: dict[str, list[str]],
        naptr_order: tuple[Transport, ...],
        answers: list[Answer],
    ) -> Resolution:
        now = self._clock()
        is_complete = all(addresses.values())
        counted = [answer for answer in answers if not _is_moot(answer, addresses)]
        expires = lifetime(counted, now, self.limits, complete=is_complete)
        resolution = srv.build(
            lookup,
            offers,
            addresses,
            now=now,
            expires=expires,
            naptr_order=naptr_order,
            bounds=self._bounds(lookup),
        )
        problems = [answer for answer in counted if answer.problem]
        if not offers:
            hidden = [a for a in answers if a.problem and not a.records]
            problems = sorted(hidden, key=lambda a: a.question.type != "SRV")
        if problems:
            question, problem = problems[0].question, problems[0].problem
            reason = f"DNS failed for {question.name} {question.type}: {problem}"
            if resolution.error is not None:
                return self._failed(lookup, reason)
            resolution.reason = reason
        resolution.stale_since = min(
            (a.failing_since or now for a in problems if a.records), default=None
        )
        return resolution

    def _failed(self, lookup: Lookup, reason: str) -> Resolution:
        """A failure that says nothing about the name; held just long enough."""
        now = self._clock()
        expires = now + self.limits.ttl_floor
        return srv.failure(lookup, "timeout", reason, now=now, expires=expires)

    def _refused(self, lookup: Lookup) -> Resolution:
        if self._is_closed:
            return self._failed(lookup, "the resolver is closed")
        return self._failed(lookup, f"{MAX_LOOKUPS} look-ups are under way already")


def _may_hide_services(failed: Answer) -> bool:
    """True when a question without an answer leaves open what the name offers.

    Some servers and firewalls know nothing of NAPTR: they swallow the question, or
    say that it is none.  That must not stop a pool whose SRV questions are answered.
    """
    if failed.question.type == "SRV":
        return True
    return "SERVFAIL" in failed.problem or "REFUSED" in failed.problem


def _is_moot(answer: Answer, addresses: dict[str, list[str]]) -> bool:
    """True for a failed question that nothing depends on.

    Some servers never answer NAPTR, and some appliances fail AAAA for names that have
    an A record: neither may keep a healthy pool in the state of retrying.
    """
    if not answer.problem or answer.records:
        return False
    return answer.question.type == "NAPTR" or bool(addresses.get(answer.question.name))
