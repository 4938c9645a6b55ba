"""The doctor: can this endpoint be served now?  One step after the other, judged.

Steps are plain values, each with a reason and, unless all is well, a fix.  It asks the
store, DNS and the pool's front ends (``pools/prober.py``), and changes nothing.  Only
this module decides what a step means.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from proxy.admin.control import ControlError, Operator, refusals
from proxy.admin.doctor.conflicts import conflicts_of, describe_conflict
from proxy.admin.doctor.learned import judge_learned
from proxy.config import Config
from proxy.endpoints.address import Refused, normalise_address, normalise_fqdn
from proxy.endpoints.changes import find_endpoint
from proxy.endpoints.model import Endpoint, Pool
from proxy.endpoints.plan import Plan
from proxy.endpoints.table import EndpointTable
from proxy.net.errors import NetError
from proxy.net.tls import TlsFiles, client_context
from proxy.pools.description import RecordRow
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.pools.prober import Certificate, Probe, Reading, probe
from proxy.sip.host import host_port
from proxy.store.registrar import Conflict

Verdict = Literal["ok", "warning", "failed"]
DAY: Final = 86_400.0
WARN_DAYS: Final = 30
RECENT_CONFLICT: Final = 3600.0
"""Seconds for which a refused registration is worth a word."""
FRESH_CONFLICT: Final = 600.0
"""Seconds in which a service that still runs would have tried again."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at: ``of`` an endpoint's address or a pool's FQDN."""

    of: str
    name: str
    verdict: Verdict
    text: str
    fix: str = ""
    ms: float | None = None


Journey = Callable[[Endpoint, FrontEnd], Awaitable[Iterable[Step]]]
"""Plays a legacy client's journey to one front end of an endpoint's pool."""


def pool_context(config: Config, fqdn: str = "") -> ssl.SSLContext:
    """The proxy's demands on a pool over TLS; raises ControlError."""
    section = next((x for x in config.pool if x.fqdn == fqdn.lower()), None)
    paths = config.tls_files(section)
    files = (paths.certificate, paths.key, paths.ca)
    try:
        return client_context(
            TlsFiles(*(None if each is None else str(each) for each in files)),
            (section and section.minimum_version) or config.tls.minimum_version,
        )
    except NetError as error:
        raise ControlError(str(error)) from None


def worst(steps: Iterable[Step]) -> Verdict:
    """The verdict over all of them."""
    found = {step.verdict for step in steps}
    return "failed" if "failed" in found else "warning" if "warning" in found else "ok"


class Doctor:
    """Examines endpoints and pools; each pool once, however many lead to it."""

    def __init__(self, operator: Operator, config: Config) -> None:
        self._operator = operator
        self._config = config

    async def endpoints(
        self, identity: str | None = None, journey: Journey | None = None
    ) -> AsyncIterator[Step]:
        """One endpoint or all, then their pools; raises ControlError for a stranger."""
        table = await self._operator.store.load_table()
        if identity is None:
            wanted = [table.endpoints[key] for key in sorted(table.endpoints)]
        else:
            with refusals():
                wanted = [find_endpoint(table, identity)]
        async for step in self._examine(wanted, table, journey):
            yield step

    async def plan(
        self, plan: Plan, journey: Journey | None = None
    ) -> AsyncIterator[Step]:
        """The endpoints that a plan would make or switch, as they would be.

        Raises ControlError for an address or a pool that cannot be.
        """
        table = await self._operator.store.load_table()
        with refusals():
            wanted = [
                Endpoint(
                    *normalise_address(change.sip_address),
                    normalise_fqdn(change.pool_fqdn),
                    request_uri=change.request_uri or "pool-host",
                )
                for change in plan.changes
            ]
        async for step in self._examine(wanted, table, journey):
            yield step

    async def _examine(
        self, wanted: list[Endpoint], table: EndpointTable, journey: Journey | None
    ) -> AsyncIterator[Step]:
        for endpoint in wanted:
            is_there = endpoint.key in table.endpoints
            async for step in self._endpoint(endpoint, is_there):
                yield step
            learned = await judge_learned(self._operator, self._config, endpoint, table)
            if learned is not None:
                yield Step(endpoint.sip_address, "learned", *learned)
        pools: dict[str, Pool] = {}
        for endpoint in wanted:
            for fqdn in _pools_of(endpoint):
                pools[fqdn] = table.pool(fqdn) or Pool(fqdn)
        front_ends: dict[str, FrontEnd] = {}
        for pool in pools.values():
            async for step in self.pool(pool, front_ends):
                yield step
        for endpoint in wanted if journey else ():
            front_end = front_ends.get(endpoint.pool_fqdn.lower())
            if journey is not None and front_end is not None:
                for step in await journey(endpoint, front_end):
                    yield step

    async def _endpoint(
        self, endpoint: Endpoint, is_there: bool
    ) -> AsyncIterator[Step]:
        """What the configuration and the store say about an endpoint."""
        address, now = endpoint.sip_address, self._operator.clock()
        yield _domain(endpoint, self._config)
        if endpoint.state == "retired":
            yield Step(
                *(address, "state", "warning", "retired: clients get 410"),
                fix='take it back with "waypost endpoint undo", or remove it',
            )
        bindings = await self._operator.store.bindings(endpoint.key, now)
        conflicts = conflicts_of(
            endpoint, await self._operator.store.conflicts(endpoint.key)
        )
        fresh = [each for each in conflicts if now - each.last_at < RECENT_CONFLICT]
        if fresh:
            yield _conflict(address, fresh[0], now)
        elif bindings:
            sources = ", ".join(each.source for each in bindings)
            verdict: Verdict = "warning" if is_there else "failed"
            yield Step(
                *(address, "conflict", verdict, f"still registered from {sources}"),
                fix="stop the old Lookup service, or "
                f'"waypost binding remove {address}"',
            )
        else:
            yield Step(address, "conflict", "ok", "nobody else has the address")

    # -- pools -------------------------------------------------------------------

    async def pool(
        self, pool: Pool, found: dict[str, FrontEnd] | None = None
    ) -> AsyncIterator[Step]:
        """DNS and every front end of one pool.

        The first front end that answers is put into ``found`` under the FQDN.
        """
        resolution, records = await self._resolve(pool)
        yield _dns(pool, resolution)
        front_ends = resolution.front_ends()
        found_names = {each.name.lower() for each in front_ends}
        for row in records if front_ends else ():
            target = row.text.split()[-1].rstrip(".").lower()
            if row.problem:
                yield Step(
                    *(pool.fqdn, "dns", "warning", f"{row.name} has {row.problem}"),
                    fix="correct that SRV record, or take it out",
                )
            elif target not in found_names:
                yield Step(
                    *(pool.fqdn, "dns", "warning", f"{target} has no address"),
                    fix=f"add an A or AAAA record for {target}, or take its SRV record"
                    " out",
                )
        try:
            probes = [self._probe(each) for each in front_ends]
        except ControlError as error:
            yield Step(
                *(pool.fqdn, "tls", "failed", str(error)),
                fix='"waypost config check" says which of the files in [tls]',
            )
            return
        for result in await asyncio.gather(*probes):
            if found is not None and result.options and result.options.status:
                found.setdefault(pool.fqdn.lower(), result.front_end)
            for step in judge(pool.fqdn, result, self._operator.clock()):
                yield step

    async def _resolve(self, pool: Pool) -> tuple[Resolution, list[RecordRow]]:
        """The front ends, and every SRV record, each target once."""
        from proxy.pools.resolver import Resolver  # dnspython: on demand

        config = self._config
        transports = {listen.transport for listen in config.listen}
        resolver = Resolver(config.dns.nameservers or None, transports)
        lookup = Lookup(pool.fqdn, pool.port, pool.transport)
        try:
            resolution = await resolver.resolve(lookup)
            description = resolver.describe(lookup)
        finally:
            await resolver.close()
        records = description.records if description else ()
        found = [row for row in records if row.type == "SRV" and row.text]
        by_target = {(row.text.split()[-1], row.problem): row for row in found}
        return resolution, sorted(by_target.values(), key=lambda row: row.text)

    def _probe(self, front_end: FrontEnd) -> Awaitable[Probe]:
        # A context for each: the prober relaxes it to read a name that does not fit.
        is_tls = front_end.transport == "tls"
        context = pool_context(self._config, front_end.pool) if is_tls else None
        return probe(front_end, context, self._source(front_end))

    def _source(self, front_end: FrontEnd) -> str | None:
        """The address the proxy would send from."""
        for listen in self._config.listen:
            same_family = (":" in listen.host) == (":" in front_end.host)
            if listen.transport == front_end.transport and same_family:
                return None if listen.host in ("0.0.0.0", "::") else listen.host
        return None


def _pools_of(endpoint: Endpoint) -> list[str]:
    canary = endpoint.canary
    return [endpoint.pool_fqdn, *([canary.pool_fqdn] if canary else [])]


def _domain(endpoint: Endpoint, config: Config) -> Step:
    try:
        normalise_address(endpoint.sip_address, config.domains)
    except Refused as refusal:
        return Step(
            *(endpoint.sip_address, "domain", "failed", str(refusal)),
            fix="add its domain to [proxy] domains and restart the service",
        )
    host = endpoint.key.partition("@")[2]
    return Step(endpoint.sip_address, "domain", "ok", f"{host} is served")


def _conflict(address: str, conflict: Conflict, now: float) -> Step:
    """Red while it goes on, amber once it has been quiet for a while."""
    text, silent = describe_conflict(conflict), now - conflict.last_at
    if silent < FRESH_CONFLICT:
        fix = "stop that service; nothing but this endpoint may have the address"
        return Step(address, "conflict", "failed", text, fix)
    text += f", silent for {silent / 60:.0f} min since"
    return Step(
        *(address, "conflict", "warning", text),
        fix="make sure that the service is disabled and does not come back",
    )


def _dns(pool: Pool, resolution: Resolution) -> Step:
    front_ends = resolution.front_ends()
    if front_ends:
        names = ", ".join(_where(each) for each in front_ends)
        return Step(pool.fqdn, "dns", "ok", f"{len(front_ends)} front ends: {names}")
    fix = (
        "check nameservers in [dns]"
        if resolution.error == "timeout"
        else f"add SRV records such as _sip._tcp.{pool.fqdn}, or fix the port with "
        f'"waypost pool set {pool.fqdn} --port 5060"; "waypost pool show '
        f'{pool.fqdn}" shows every answer'
    )
    return Step(pool.fqdn, "dns", "failed", resolution.reason or "no front end", fix)


def _where(front_end: FrontEnd) -> str:
    where = host_port(front_end.host, front_end.port)
    return f"{front_end.name or front_end.host} {front_end.transport}:{where}"


# -- judging a probe -----------------------------------------------------------------


def judge(of: str, result: Probe, now: float) -> Iterator[Step]:
    """The steps of one front end, from what the prober read."""
    where = _where(result.front_end)
    if result.connect is not None:
        yield _connect(of, where, result)
    if result.tls is not None:
        yield _chain(of, where, result)
    if result.certificate is not None and not (result.tls and result.tls.problem):
        yield _expiry(of, where, result.certificate, now)
    if result.options is not None:
        yield _options(of, where, result)


def _ms(reading: Reading) -> float:
    return round(reading.seconds * 1000, 1)


_OUR_CERTIFICATE: Final = (
    "a front end that wants a certificate of its clients must take ours: in [tls] name "
    "certificate and key that its authority has signed; its own log says what it missed"
)


def _no_way(result: Probe, problem: str) -> str:
    front_end = result.front_end
    if front_end.transport == "tls" and problem in ("ours", "closed"):
        return _OUR_CERTIFICATE
    port = f"{front_end.transport.upper().replace('TLS', 'TCP')} port {front_end.port}"
    return {
        "refused": f"nobody listens there: start the pool's front end, or correct the "
        f"port in DNS ({port})",
        "timeout": f"let {port} pass from this host through every firewall, or take "
        "the address out of DNS",
        "unreachable": "there is no route from here: check the address in DNS and this "
        "host's network",
    }.get(problem, "look at the front end's own log: it ends connections from here")


def _connect(of: str, where: str, result: Probe) -> Step:
    reading = result.connect
    assert reading is not None
    if not reading.problem:
        return Step(of, "connect", "ok", where, ms=_ms(reading))
    text = f"{where}: {reading.text}"
    fix = _no_way(result, reading.problem)
    return Step(of, "connect", "failed", text, fix, _ms(reading))


def _chain(of: str, where: str, result: Probe) -> Step:
    reading, certificate = result.tls, result.certificate
    assert reading is not None
    if not reading.problem:
        text = f"{where}: {reading.text}, certificate is for {of}"
        return Step(of, "tls", "ok", text, ms=_ms(reading))
    fix = _no_way(result, reading.problem)
    text = reading.text
    if reading.problem == "name":
        names = ", ".join(certificate.names) if certificate else ""
        text = f"the certificate is not for {of}" + (f" but {names}" if names else "")
        fix = f"give the front end a certificate whose subjectAltName has DNS:{of}"
    elif reading.problem == "chain" and "expired" in text:
        fix = "renew the front end's certificate"
    elif reading.problem == "chain":
        fix = "name the authority that signed it in [tls] ca, PEM"
    elif reading.problem == "handshake":
        fix = "the port must speak TLS 1.2 or later, and may want our certificate: "
        fix += "[tls] certificate and key"
    return Step(of, "tls", "failed", f"{where}: {text}", fix, _ms(reading))


def _expiry(of: str, where: str, certificate: Certificate, now: float) -> Step:
    days = int((certificate.ends_at - now) // DAY)
    text = f"{where}: certificate ends in {days} days"
    if days >= WARN_DAYS:
        return Step(of, "expiry", "ok", text)
    return Step(of, "expiry", "warning", text, "renew the front end's certificate")


def _options(of: str, where: str, result: Probe) -> Step:
    reading = result.options
    assert reading is not None
    text = f"{where}: {reading.text}"
    ms = _ms(reading)
    if reading.problem:
        return Step(of, "options", "failed", text, _no_way(result, reading.problem), ms)
    if reading.status >= 500:
        fix = "it answers but is not in service: look at the front end's services"
        return Step(of, "options", "warning", text, fix, ms)
    if reading.status == 403:
        fix = "the pool does not trust us: add this host as a trusted application"
        return Step(of, "options", "warning", text, fix, ms)
    return Step(of, "options", "ok", text, ms=ms)
