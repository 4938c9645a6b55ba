"""Probes suspect front ends in the background, as `pools/probe_schedule.py` says.

It runs once per node; the siblings are told of what it changes as of other ejections.
It tries every way that a call could take: from each address that we send from, and
under each name that a certificate must cover.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from proxy.core import events
from proxy.pools.front_end import FrontEnd
from proxy.pools.health import Key, Suspect
from proxy.pools.probe_schedule import Outcome, Probing, best_of, outcome_of
from proxy.pools.prober import probe
from proxy.pools.srv import numeric_resolution
from proxy.server.runtime import Runtime
from proxy.sip.host import host_port

log = structlog.get_logger()

TIMEOUT: Final = 2.0
"""Seconds for each of connection, TLS and OPTIONS; more when calls may wait longer for
a connection."""
_STEPS: Final = 3
_WILDCARDS: Final = ("0.0.0.0", "::")


class _ToldBook:
    """The core's book of health: reads go to it directly, changes become events."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @property
    def suspects(self) -> Mapping[Key, Suspect]:
        """See HealthBook, as for all that follows."""
        return self._runtime.core.health.suspects

    def is_ejected(self, key: Key, now: float) -> bool:
        return self._runtime.core.health.is_ejected(key, now)

    def record_failure(self, key: Key, reason: str, now: float) -> None:
        self._runtime.step(events.ProbeFailed(key, reason))

    def prolong(self, key: Key, reason: str, until: float, now: float) -> None:
        self._runtime.step(events.EjectionProlonged(key, reason, until))

    def end_ejection(self, key: Key, reason: str, now: float) -> None:
        self._runtime.step(events.EjectionEnded(key, reason))


class FrontEndProber:
    """Looks for suspects every second or so, and probes them."""

    def __init__(self, runtime: Runtime, interval: float) -> None:
        self._runtime = runtime
        self._probing = Probing(_ToldBook(runtime), interval)
        self._tick = min(1.0, interval / 5)
        self._said: dict[Key, tuple[str, str, str]] = {}

    def next_probe(self, front_end: FrontEnd) -> float | None:
        """Seconds until this front end is probed; None when it is not to be."""
        now = self._runtime.loop.time()
        keys = front_end.address_key, front_end.pool_key
        found = [self._probing.next_in(key, now) for key in keys]
        return min([each for each in found if each is not None], default=None)

    async def run(self) -> None:
        """Look for suspects until cancelled."""
        while True:
            await asyncio.sleep(self._tick)
            now = self._runtime.loop.time()
            if not self._runtime.core.health.suspects:
                self._said.clear()
            if not self._probing.waiting(now):
                continue
            known = self._front_ends()
            for key in self._probing.due(known, now):
                self._runtime.tasks.start(self._probe(key, known[key]), "probe")

    def _front_ends(self) -> dict[Key, list[FrontEnd]]:
        """The front ends of pools and of the default route, by address and by pool."""
        runtime, found = self._runtime, dict[Key, list[FrontEnd]]()
        now = runtime.loop.time()
        transports = {x.transport for x in runtime.core.flows.listeners}
        for lookup in runtime.lookups():
            resolution = numeric_resolution(
                lookup, transports
            ) or runtime.resolver.cached(lookup, now)
            for front_end in [] if resolution is None else resolution.front_ends():
                for key in (front_end.address_key, front_end.pool_key):
                    found.setdefault(key, []).append(front_end)
        return found

    async def _probe(self, key: Key, front_ends: list[FrontEnd]) -> None:
        """Probe one front end, and take the outcome.  Never raises."""
        runtime = self._runtime
        timeout = max(TIMEOUT, runtime.core.settings.attempts.connect)
        outcome: Outcome | None = None
        try:
            outcome = await self._outcome(key, front_ends, timeout)
        except (OSError, ValueError) as error:
            # No socket is left, or ssl cannot take the name: not the front end's fault.
            log.warning("frontend.not_probed", reason=str(error))
        finally:
            if outcome is None:
                self._probing.give_up(key, runtime.loop.time())
        if outcome is None:
            return
        runtime.probes["ok" if outcome.is_alive else "failed"] += 1
        now = runtime.loop.time()
        self._probing.record(key, outcome, _STEPS * timeout, now)
        self._say(key, front_ends[0], outcome)

    async def _outcome(
        self, key: Key, front_ends: list[FrontEnd], timeout: float
    ) -> Outcome | None:
        """None when there is nowhere to send from."""
        names = {x.server_name: x for x in front_ends}
        by_name = key[0] == "tls" or self._runtime.core.settings.attempts.of_pools
        chosen = list(names.values()) if by_name else front_ends[:1]
        sources = self._sources(key)
        if not sources:
            return None
        outcomes = []
        for front_end in chosen:
            ways = [self._one(front_end, source, timeout) for source in sources]
            outcomes.append(best_of(await asyncio.gather(*ways)))
        # If the address works for one name, the address is not to blame.
        return best_of(outcomes)

    async def _one(
        self, front_end: FrontEnd, source: str | None, timeout: float
    ) -> Outcome:
        context = None
        if front_end.transport == "tls":
            end = self._runtime.network.connector.tls_end(front_end.server_name)
            if end is None:
                return Outcome(False, False, "tls")
            context = end.context
        result = await probe(front_end, context, source, timeout, reads_names=False)
        if result.certificate is not None:
            self._runtime.network.connector.note_certificate(
                front_end.key, front_end.server_name, result.certificate.ends_at
            )
        codes = self._runtime.core.settings.attempts.probe_codes_of(front_end.pool)
        return outcome_of(result, codes)

    def _sources(self, key: Key) -> list[str | None]:
        """The addresses that calls to this front end are sent from; None: any."""
        transport, host, _, _ = key
        return list(
            {
                None if x.host in _WILDCARDS else x.host: None
                for x in self._runtime.core.flows.listeners
                if x.transport == transport and (":" in x.host) == (":" in host)
            }
        )

    def _say(self, key: Key, front_end: FrontEnd, outcome: Outcome) -> None:
        """Log the outcome if it differs from the last one."""
        now = self._runtime.loop.time()
        health = self._runtime.core.health.health(key, now)
        said = (outcome.reason, health.state, health.reason)
        if self._said.get(key) == said:
            return
        self._said[key] = said
        transport, host, port, pool = key
        log.info(
            "frontend.probed",
            front_end=front_end.name or host,
            address=host_port(host, port),
            transport=transport,
            pool=pool,
            result=outcome.reason,
            is_alive=outcome.is_alive,
            state=health.state,
            reason=health.reason,
        )
