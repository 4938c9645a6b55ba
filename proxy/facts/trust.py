"""Rule (d): Lync trusts our name and port, and its servers know it."""

from collections.abc import Iterator
from typing import Final

from proxy.facts.model import Facts, Finding, Findings, Row, Verdict, Wanted
from proxy.facts.reach import ports
from proxy.facts.reading import judged, unread

TRUST: Final = "trust"
PUBLISHED: Final = "published"
_SECTIONS: Final = ("trusted_pools", "trusted_computers", "trusted_applications")
_FLAGS: Final[tuple[tuple[str, bool, str, Verdict, str], ...]] = (
    (
        *("treat_as_authenticated", True, "TreatAsAuthenticated", "failed"),
        "our requests would be challenged",
    ),
    (
        *("outbound_only", False, "OutboundOnly", "warning"),
        "only Lync may open connections, so ours inside a dialog fail",
    ),
    (
        *("requires_replication", False, "RequiresReplication", "warning"),
        "there is a replica that never reports",
    ),
    (
        *("throttle_as_server", True, "ThrottleAsServer", "warning"),
        "we are throttled like a client",
    ),
)
"""Property, its right value, its name in Lync, what another value is, and why."""


def trust(facts: Facts, wanted: Wanted) -> Findings:
    """(d) A trusted application pool of our name, with our port."""
    bad = list(unread(wanted.fqdn, TRUST, facts, *_SECTIONS))
    bad = bad or list(_trust(facts, wanted))
    good = f"trusted, on port {ports(wanted)}"
    yield from judged(wanted.fqdn, TRUST, bad, good)


def _trust(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    fqdn = wanted.fqdn
    rows = facts.section("trusted_pools").where("pool_fqdn", fqdn)
    if not rows:
        yield Finding(
            *(fqdn, TRUST, "failed", "no trusted application pool has our name"),
            fix=f"New-CsTrustedApplicationPool -Identity {fqdn} -Registrar <front end "
            "pool> -Site <site> -RequiresReplication $false; Enable-CsTopology",
        )
        return
    yield from _pool(fqdn, rows[0])
    computers = facts.section("trusted_computers")
    # With or without the kind of the service before the name.
    if fqdn not in {row.lower("pool_fqdn").rpartition(":")[2] for row in computers}:
        fix = (
            f"New-CsTrustedApplicationComputer -Identity {fqdn} -Pool {fqdn}; "
            "Enable-CsTopology"
        )
        yield Finding(fqdn, TRUST, "failed", "its pool has no computer", fix)
    applications = facts.section("trusted_applications").where("pool_fqdn", fqdn)
    numbers = [row.number("port") for row in applications]
    port = min(wanted.ports, default=5061)
    if not applications:
        fix = (
            "New-CsTrustedApplication -ApplicationId legacychat "
            f"-TrustedApplicationPoolFqdn {fqdn} -Port {port}; Enable-CsTopology"
        )
        yield Finding(fqdn, TRUST, "failed", "its pool has no application", fix)
    elif not wanted.ports & set(numbers):
        text = f"Lync trusts it on port {', '.join(map(str, numbers))}, "
        name = applications[0].text("application_id").rpartition(":")[2]
        fix = (
            f"Set-CsTrustedApplication -Identity {fqdn}/{name or 'legacychat'} -Port "
            f"{port}; Enable-CsTopology"
        )
        text += f"but we listen on {ports(wanted)}"
        yield Finding(fqdn, TRUST, "failed", text, fix)


def _pool(fqdn: str, row: Row) -> Iterator[Finding]:
    change = f"Set-CsTrustedApplicationPool -Identity {fqdn} "
    if not row.text("registrar"):
        text = "its pool has no registrar, so it can have no endpoint"
        fix = change + "-Registrar <front end pool>"
        yield Finding(fqdn, TRUST, "failed", text, fix)
    for name, right, option, verdict, text in _FLAGS:
        value, fix = row.flag(name), f"{change}-{option} ${str(right).lower()}"
        if value is None:
            # Not every property is documented: what is not there is not known.
            text = f"Lync does not say {option}"
            fix = f"Get-CsTrustedApplicationPool -Identity {fqdn}"
            yield Finding(fqdn, TRUST, "unknown", text, fix)
        elif value is not right:
            text = f"{option} is {str(value).lower()}: {text}"
            yield Finding(fqdn, TRUST, verdict, text, fix)


def published(facts: Facts, wanted: Wanted) -> Findings:
    """(d) No cmdlet says whether Enable-CsTopology was run; this comes nearest."""
    fqdn = wanted.fqdn
    bad = list(unread(fqdn, PUBLISHED, facts, "local_topology", "replicas"))
    for row in facts.section("local_topology").rows[:1]:
        if facts.waypost_fqdn != fqdn:
            text = f"the script was asked for {facts.waypost_fqdn or 'no name'}"
            fix = f"run it again with -WaypostFqdn {fqdn}"
            bad.append(Finding(fqdn, PUBLISHED, "unknown", text, fix))
        elif row.flag("names_waypost") is not True:
            text = f"the topology on {facts.computer or 'that server'} does not name it"
            fix = "Enable-CsTopology, then Invoke-CsManagementStoreReplication"
            bad.append(Finding(fqdn, PUBLISHED, "failed", text, fix))
    late = [
        row.lower("computer")
        for row in facts.section("replicas")
        # Ours is no Windows machine and never reports.
        if row.flag("up_to_date") is not True and row.lower("computer") != fqdn
    ]
    if late:
        text = f"not up to date: {', '.join(sorted(late))}"
        fix = "Invoke-CsManagementStoreReplication, and wait for three minutes"
        bad.append(Finding(fqdn, PUBLISHED, "warning", text, fix))
    good = f"the topology on {facts.computer} names it, every replica is up to date"
    yield from judged(fqdn, PUBLISHED, bad, good)
