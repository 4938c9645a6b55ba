"""Lync's facts against this configuration and table: what ``proxy/facts`` is given."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from proxy.admin.control import ControlError, Operator, refusals
from proxy.admin.files import printed, read_whole
from proxy.config import Config
from proxy.endpoints.address import normalise_address, normalise_fqdn
from proxy.endpoints.changes import find_endpoint
from proxy.endpoints.plan import Plan
from proxy.endpoints.table import EndpointTable
from proxy.facts.check import check
from proxy.facts.document import LIMIT, FactsError, read_facts
from proxy.facts.model import Facts, Finding, Topology, Wanted

UNUSABLE: Final = 3


def read_facts_file(path: Path) -> Facts:
    """A file of Get-WaypostFacts.ps1; raises ControlError."""
    try:
        return read_facts(read_whole(path, LIMIT + 1))
    except OSError as error:
        reason = error.strerror or str(error)
        text = f"{path} cannot be read: {reason}"
        raise ControlError(text, UNUSABLE) from None
    except FactsError as error:
        raise ControlError(f"{path}: {error}", UNUSABLE) from None


def parse_facts(text: str) -> Facts:
    """The same of a text that was sent here; raises ControlError."""
    try:
        return read_facts(text.encode("utf-8", "surrogatepass"))
    except FactsError as error:
        raise ControlError(f"facts: {error}", UNUSABLE) from None


def about(findings: Iterable[Finding], address: str | None) -> list[Finding]:
    """Those that concern one endpoint: its own, and those of no endpoint.

    ``address`` None is all of them.
    """
    return [
        each
        for each in findings
        if address is None or not each.of.startswith("sip:") or each.of == address
    ]


async def address_of(operator: Operator, identity: str | None) -> str | None:
    """The endpoint that was named, as ``sip:user@host``; raises ControlError."""
    if identity is None:
        return None
    with refusals():
        table = await operator.store.load_table()
        return f"sip:{find_endpoint(table, identity).key}"


async def examine(
    operator: Operator,
    config: Config,
    facts: Facts,
    plan: Plan | None = None,
    topology: Topology | None = None,
) -> list[Finding]:
    """Every rule, for the endpoints that there are and those of a plan."""
    table = await operator.store.load_table()
    wanted = wanted_of(config, table, plan, topology)
    return check(facts, wanted, operator.clock())


async def findings_of(
    operator: Operator, config: Config, facts: Facts | None, plan: Plan | None = None
) -> list[Finding]:
    """What the facts say of the endpoints that there are and those of a plan."""
    if facts is None:
        return []
    return await examine(operator, config, facts, plan)


def wanted_of(
    config: Config,
    table: EndpointTable,
    plan: Plan | None = None,
    topology: Topology | None = None,
) -> Wanted:
    """Our side; raises ControlError when there is nothing to compare."""
    aliases = {
        f"sip:{endpoint.key}": endpoint.pool_fqdn.lower()
        for endpoint in table.endpoints.values()
        if endpoint.state == "active"
    }
    with refusals():
        for change in plan.changes if plan else ():
            key = normalise_address(change.sip_address)[1]
            aliases[f"sip:{key}"] = normalise_fqdn(change.pool_fqdn)
    if not aliases:
        raise ControlError(
            "there is no endpoint to compare with: name the plan that will make it "
            "with --plan FILE"
        )
    if config.advertised_host is None:
        raise ControlError(
            "Lync knows us by a name, and facts are compared with it: set "
            "advertised_host in [proxy] first, to a name such as proxy.contoso.com"
        )
    pools = (table.pool(fqdn) for fqdn in set(aliases.values()))
    return Wanted(
        aliases,
        config.advertised_host.lower().rstrip("."),
        frozenset(listen.port for listen in config.listen if listen.transport == "tls"),
        {pool.fqdn.lower(): pool.port for pool in pools if pool and pool.port},
        topology,
    )


def script_text() -> str:
    """The script for Lync's side."""
    return printed("Get-WaypostFacts.ps1")
