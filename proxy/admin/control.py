"""Every operator verb, once: what the command line, and later the API, can do.

Functions over an ``Operator``: the store, the rules of the configuration and the
caller.  They return model values and print nothing.  A refusal is a ControlError, a
store that does not work a StoreError; both texts say what to do.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from proxy import clock
from proxy.admin.doctor.conflicts import conflicts_of, still_registered
from proxy.clock import uptime
from proxy.config import Config
from proxy.endpoints import changes
from proxy.endpoints.address import (
    RefusalKind,
    Refused,
    normalise_address,
    normalise_fqdn,
)
from proxy.endpoints.changes import Decide, EndpointFields, RowChange, Rules
from proxy.endpoints.filters import Predicate, parse_filter
from proxy.endpoints.model import Drain, Endpoint, LearnedUri, Pool, Uptime
from proxy.endpoints.table import EndpointTable
from proxy.sip.flow import Transport
from proxy.store.actor import Actor
from proxy.store.interface import Store
from proxy.store.registrar import Conflict

FILTER_SECONDS: Final = 2.0
"""How long a filter may take over all endpoints."""


class ControlError(Exception):
    """A verb was refused or failed; ``exit_code`` is what the command leaves with.

    ``kind`` tells callers that answer with a status what kind of refusal it is.
    """

    def __init__(
        self, message: str, exit_code: int = 1, kind: RefusalKind = "refused"
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.kind: RefusalKind = kind


def _everywhere(key: str) -> bool:
    """A caller that may read the store sees all of it."""
    return True


def _anything(table: EndpointTable, changes: Sequence[RowChange]) -> None:
    """A caller that may write the store may change everything."""


@dataclass(frozen=True, slots=True)
class Operator:
    """The caller, its store, and the rules of the configuration.

    ``allow`` is shown what a change would do, inside its transaction and with
    ``what_if`` too, and raises Refused for what this operator may not do.

    ``sees`` tells whether what the store has of an address (``user@host``) is shown to
    this operator.  Where it is not, silence says nothing.

    ``rollback_problem`` says why an overdue cutover could not be rolled back just now.
    """

    store: Store
    rules: Rules
    actor: Actor
    clock: Callable[[], float] = clock.wall
    rollback_problem: str = ""
    allow: Callable[[EndpointTable, Sequence[RowChange]], None] = _anything
    sees: Callable[[str], bool] = _everywhere
    uptime: Callable[[], Uptime] = uptime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verb changed, or with ``what_if`` would have changed."""

    changes: Sequence[RowChange]
    what_if: bool = False

    @property
    def lines(self) -> list[str]:
        """The changes for people; says so when there were none."""
        return changes.describe_changes(self.changes) or ["nothing to change"]


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint and the service URIs that its pools have handed out.

    ``conflicts`` are the registrations that were tried for its address since it is an
    endpoint.
    """

    endpoint: Endpoint
    learned: Sequence[LearnedUri]
    conflicts: Sequence[Conflict] = ()


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool and the addresses of the endpoints that lead to it.

    ``drains`` are those of front ends that it may have: of every pool, or of this one.
    ``pending_cutover`` is the number of the cutover whose rollback would lead back to
    the pool.
    """

    pool: Pool
    endpoints: Sequence[str]
    drains: Sequence[Drain] = ()
    pending_cutover: int | None = None


def rules_of(config: Config) -> Rules:
    """The part of the configuration that changes are checked against."""
    return Rules(config.domains, config.advertised_host)


async def new_endpoint(
    operator: Operator,
    sip_address: str,
    fields: EndpointFields,
    *,
    what_if: bool = False,
    force: bool = False,
) -> Outcome:
    """Create an endpoint.

    Refused while somebody is registered as that address: the old service still runs.
    ``force`` goes on, and stands in the audit.
    """
    now = operator.clock()
    with refusals():
        decide = changes.new_endpoint(sip_address, fields, operator.rules, now)
        key = normalise_address(sip_address)[1]
    bindings = await operator.store.bindings(key, now)
    if bindings and not force:
        raise ControlError(still_registered(key, bindings), kind="conflict")
    verb = "endpoint.new --force" if bindings else "endpoint.new"
    return await apply_change(operator, verb, decide, what_if)


async def set_endpoint(
    operator: Operator,
    identity: str | Sequence[str],
    fields: EndpointFields,
    *,
    what_if: bool = False,
) -> Outcome:
    """Change endpoints, all fields at once; never their address.

    Several identities are one change, all or none.
    """
    now = operator.clock()
    with refusals():
        decide = changes.together(
            [
                changes.set_endpoint(each, fields, operator.rules, now)
                for each in _identities(identity)
            ]
        )
    return await apply_change(operator, "endpoint.set", decide, what_if)


async def remove_endpoint(
    operator: Operator, identity: str | Sequence[str], *, what_if: bool = False
) -> Outcome:
    """Remove endpoints and what they learned, all or none."""
    decide = changes.together(list(map(changes.remove_endpoint, _identities(identity))))
    return await apply_change(operator, "endpoint.remove", decide, what_if)


def _identities(identity: str | Sequence[str]) -> Sequence[str]:
    return [identity] if isinstance(identity, str) else identity


async def get_endpoints(
    operator: Operator,
    identity: str | Sequence[str] | None = None,
    *,
    pool_fqdn: str | None = None,
    filter_text: str | None = None,
    limit: int | None = None,
) -> list[EndpointView]:
    """Endpoints by address; those that are named must exist, a search may be empty."""
    table = await operator.store.load_table()
    with refusals():
        if identity is None:
            found = [table.endpoints[key] for key in sorted(table.endpoints)]
        else:
            wanted = [changes.find_endpoint(table, x) for x in _identities(identity)]
            found = list({endpoint.key: endpoint for endpoint in wanted}.values())
        if pool_fqdn is not None:
            fqdn = normalise_fqdn(pool_fqdn)
            found = [endpoint for endpoint in found if endpoint.pool_fqdn == fqdn]
        if filter_text is not None:
            found = await _filtered(parse_filter(filter_text), found)
    learned = _learned_by_endpoint(table)
    conflicts = await operator.store.conflicts()
    return [
        EndpointView(each, learned.get(each.key, ()), conflicts_of(each, conflicts))
        for each in found[:limit]
    ]


async def _filtered(is_wanted: Predicate, found: list[Endpoint]) -> list[Endpoint]:
    """What a filter leaves; in the console others have their turns meanwhile."""
    kept, end = [], clock.boottime() + FILTER_SECONDS
    for each in found:
        if is_wanted(each):
            kept.append(each)
        if clock.boottime() > end:
            raise Refused("the filter takes too long: use -like in place of -match")
        await asyncio.sleep(0)
    return kept


def _learned_by_endpoint(table: EndpointTable) -> dict[str, list[LearnedUri]]:
    found: dict[str, list[LearnedUri]] = {}
    for learned in table.learned_uris():
        found.setdefault(learned.endpoint_key, []).append(learned)
    return found


async def set_pool(
    operator: Operator,
    fqdn: str,
    *,
    transport: Transport | Literal["auto"] | None = None,
    port: int | None = None,
    what_if: bool = False,
) -> Outcome:
    """Say how a pool is reached; port 0 is "by SRV records"."""
    with refusals():
        decide = changes.set_pool(fqdn, operator.rules, transport=transport, port=port)
    return await apply_change(operator, "pool.set", decide, what_if)


async def get_pools(operator: Operator, fqdn: str | None = None) -> list[PoolView]:
    """Every pool that the table names; with ``fqdn`` that one, named there or not."""
    table = await operator.store.load_table()
    with refusals():
        wanted = sorted(table.pools) if fqdn is None else [normalise_fqdn(fqdn)]
    return [
        PoolView(
            table.pool(name) or Pool(name),
            [
                each.sip_address
                for each in table.endpoints.values()
                if _uses(each, name)
            ],
            [
                each
                for each in table.drains
                if each.pool in ("", name) and not each.has_ended(operator.clock())
            ],
            table.cutover.number
            if table.cutover is not None and name in table.pools_to_return_to
            else None,
        )
        for name in wanted
    ]


def _uses(endpoint: Endpoint, fqdn: str) -> bool:
    canary = endpoint.canary
    return fqdn in (endpoint.pool_fqdn, canary.pool_fqdn if canary else None)


async def apply_change(
    operator: Operator, verb: str, decide: Decide, what_if: bool = False
) -> Outcome:
    """Make a change, or only say what it would be; raises ControlError."""

    def judged(table: EndpointTable) -> Sequence[RowChange]:
        found = decide(table)
        operator.allow(table, found)
        return found

    with refusals():
        if what_if:
            return Outcome(judged(await operator.store.load_table()), what_if=True)
        return Outcome(
            await operator.store.change(operator.actor, verb, judged, operator.clock())
        )


class refusals:
    """Turns the refusals of the pure rules into ControlError."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: object, error: BaseException | None, trace: object
    ) -> None:
        if isinstance(error, Refused):
            raise ControlError(str(error), kind=error.kind) from None
