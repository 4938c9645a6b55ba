"""The doctor: can this endpoint be served now?  One step after the other, judged.

Steps are plain values, each with a reason and, unless all is well, a fix.  It asks the
store, DNS and the pool's front ends (``pools/prober.py``), and changes nothing.  Only
this module decides what a step means.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence

from proxy.admin.control import ControlError, Operator, refusals
from proxy.admin.doctor.domains import domains_without_alias
from proxy.admin.doctor.front_ends import judge, where_is
from proxy.admin.doctor.journeys import Journeys
from proxy.admin.doctor.learned import judge_learned
from proxy.admin.doctor.old_user import OldUsers
from proxy.admin.doctor.pool_context import pool_context
from proxy.admin.doctor.verdicts import Step
from proxy.config import Config
from proxy.endpoints.address import Refused, normalise_address, normalise_fqdn
from proxy.endpoints.changes import find_endpoint
from proxy.endpoints.model import Endpoint, Pool
from proxy.endpoints.plan import Plan
from proxy.endpoints.table import EndpointTable
from proxy.facts.model import Finding
from proxy.pools.description import RecordRow
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.pools.prober import Probe, probe


class Doctor:
    """Examines endpoints and pools; each pool once, however many lead to it.

    ``findings`` are Lync's facts, judged: they tell what cannot be seen from here.
    """

    def __init__(
        self, operator: Operator, config: Config, findings: Sequence[Finding] = ()
    ) -> None:
        self._operator = operator
        self._config = config
        self._old_users = OldUsers(operator, config, findings)

    async def all(
        self,
        identity: str | None,
        plan: Plan | None,
        journeys: Journeys | None = None,
    ) -> AsyncIterator[Step]:
        """The endpoints of a plan; without one, that which is named, or all."""
        if plan is None:
            found = self.endpoints(identity, journeys)
        else:
            found = self.plan(plan, journeys)
        async for step in found:
            yield step

    async def endpoints(
        self, identity: str | None = None, journeys: Journeys | None = None
    ) -> AsyncIterator[Step]:
        """One endpoint or all, then their pools; raises ControlError for a stranger."""
        table = await self._operator.store.load_table()
        if identity is None:
            wanted = [table.endpoints[key] for key in sorted(table.endpoints)]
        else:
            with refusals():
                wanted = [find_endpoint(table, identity)]
        if identity is None:
            async for step in self._domains(wanted):
                yield step
        async for step in self._examine(wanted, table, journeys):
            yield step

    async def _domains(self, endpoints: list[Endpoint]) -> AsyncIterator[Step]:
        """Which domains have no endpoint, when these are all."""
        dialled = await self._operator.store.unknown()
        sees, domains = self._operator.sees, self._config.domains
        for step in domains_without_alias(endpoints, domains, dialled, sees):
            yield step

    async def plan(
        self, plan: Plan, journeys: Journeys | None = None
    ) -> AsyncIterator[Step]:
        """The endpoints that a plan would make or switch, as they would be.

        Raises ControlError for an address or a pool that cannot be.
        """
        table = await self._operator.store.load_table()
        wanted = _planned(plan)
        async for step in self._domains([*table.endpoints.values(), *wanted]):
            yield step
        async for step in self._examine(wanted, table, journeys):
            yield step

    async def conflicts_of(self, plan: Plan) -> AsyncIterator[Step]:
        """Whether anybody else has the addresses of a plan; raises ControlError."""
        table = await self._operator.store.load_table()
        for endpoint in _planned(plan):
            is_there = endpoint.key in table.endpoints
            yield await self._old_users.judge(endpoint, is_there)

    async def _examine(
        self, wanted: list[Endpoint], table: EndpointTable, journeys: Journeys | None
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
            for fqdn in endpoint.pools:
                pools[fqdn] = table.pool(fqdn) or Pool(fqdn)
        front_ends: list[FrontEnd] = []
        for pool in pools.values():
            async for step in self.pool(pool, front_ends):
                yield step
        for endpoint in wanted if journeys else ():
            of_it = [x for x in front_ends if x.pool.lower() in endpoint.pools]
            assert journeys is not None
            for step in await journeys.play(endpoint, of_it):
                yield step

    async def _endpoint(
        self, endpoint: Endpoint, is_there: bool
    ) -> AsyncIterator[Step]:
        """What the configuration and the store say about an endpoint."""
        address = endpoint.sip_address
        yield _domain(endpoint, self._config)
        if endpoint.state == "retired":
            yield Step(
                *(address, "state", "warning", "retired: clients get 410"),
                fix='"waypost endpoint activate" takes it back, or remove it',
            )
        yield await self._old_users.judge(endpoint, is_there)

    # -- pools -------------------------------------------------------------------

    async def pool(
        self, pool: Pool, found: list[FrontEnd] | None = None
    ) -> AsyncIterator[Step]:
        """DNS and every front end of one pool.

        The front ends that answer are added to ``found``.
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
                found.append(result.front_end)
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


def _planned(plan: Plan) -> list[Endpoint]:
    """The endpoints of a plan as they would be."""
    with refusals():
        return [
            Endpoint(
                *normalise_address(change.sip_address),
                normalise_fqdn(change.pool_fqdn),
                request_uri=change.request_uri or "pool-host",
            )
            for change in plan.changes
        ]


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


def _dns(pool: Pool, resolution: Resolution) -> Step:
    front_ends = resolution.front_ends()
    if front_ends:
        names = ", ".join(where_is(each) for each in front_ends)
        return Step(pool.fqdn, "dns", "ok", f"{len(front_ends)} front ends: {names}")
    fix = (
        "check nameservers in [dns]"
        if resolution.error == "timeout"
        else f"add SRV records such as _sip._tcp.{pool.fqdn}, or fix the port with "
        f'"waypost pool set {pool.fqdn} --port 5060"; "waypost pool show '
        f'{pool.fqdn}" shows every answer'
    )
    return Step(pool.fqdn, "dns", "failed", resolution.reason or "no front end", fix)
