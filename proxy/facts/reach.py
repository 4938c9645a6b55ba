"""Rule (c): the front ends lead the address to us, by an endpoint or by a route."""

from collections.abc import Iterator
from typing import Final

from proxy.facts.model import Facts, Finding, Findings, Row, Topology, Wanted
from proxy.facts.reading import judged, unread

NAME: Final = "reach"


def topology_of(alias: str, facts: Facts, wanted: Wanted) -> Topology:
    """The one named; else B where a route covers it and no endpoint has it."""
    if wanted.topology is not None:
        return wanted.topology
    has_endpoint = bool(facts.section("trusted_endpoints").where("sip_address", alias))
    return "b" if not has_endpoint and routes_for(alias, facts) else "a"


def routes_for(alias: str, facts: Facts) -> list[Row]:
    """The static routes whose MatchUri covers the address."""
    host = alias.rpartition("@")[2].lower()
    return [
        row
        for row in facts.section("static_routes")
        if covers(row.lower("match_uri"), host)
    ]


def covers(match: str, host: str) -> bool:
    """Whether a MatchUri (a domain, or ``*.domain``) covers a host."""
    if match.startswith("*."):
        return host.endswith(match[1:])
    return bool(match) and match == host


def reach(alias: str, way: Topology, facts: Facts, wanted: Wanted) -> Findings:
    """(c) For one address, in topology A or B."""
    if way == "b":
        bad = list(unread(alias, NAME, facts, "static_routes"))
        bad = bad or list(_by_route(alias, facts, wanted))
        good = f"a static route leads to {wanted.fqdn}"
    else:
        bad = list(unread(alias, NAME, facts, "trusted_endpoints", "own_endpoints"))
        bad = bad or list(_by_endpoint(alias, facts, wanted))
        good = f"a trusted application endpoint of {wanted.fqdn} has it"
    yield from judged(alias, NAME, bad, good)


# -- A: a trusted application endpoint -----------------------------------------------


def _by_endpoint(alias: str, facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    make = (
        f"New-CsTrustedApplicationEndpoint -SipAddress {alias} -ApplicationId "
        f"legacychat -TrustedApplicationPoolFqdn {wanted.fqdn}"
    )
    rows = facts.section("trusted_endpoints").where("sip_address", alias)
    if not rows:
        text = "no trusted application endpoint has it: the front ends find nobody"
        yield Finding(alias, NAME, "failed", text, make)
        return
    if len(rows) > 1:
        text = f"{len(rows)} trusted application endpoints have it"
        fix = "Get-CsTrustedApplicationEndpoint; remove all but ours"
        yield Finding(alias, NAME, "failed", text, fix)
    row = rows[0]
    if facts.waypost_fqdn != wanted.fqdn:
        text = f"the script was asked for {facts.waypost_fqdn or 'no name'}, we are "
        fix = f"run it again with -WaypostFqdn {wanted.fqdn}"
        yield Finding(alias, NAME, "unknown", text + wanted.fqdn, fix)
    elif not facts.section("own_endpoints").where("sip_address", alias):
        text = f"its endpoint belongs to another pool ({row.text('owner_urn')})"
        fix = f"Remove-CsTrustedApplicationEndpoint -Identity {alias}; {make}"
        yield Finding(alias, NAME, "failed", text, fix)
    if row.flag("enabled") is None:
        text = "Lync does not say whether its endpoint is enabled"
        fix = f"Get-CsTrustedApplicationEndpoint -Identity {alias}"
        yield Finding(alias, NAME, "warning", text, fix)
    elif not row.flag("enabled"):
        fix = f"Remove-CsTrustedApplicationEndpoint -Identity {alias}; {make}"
        yield Finding(alias, NAME, "failed", "its endpoint is not enabled", fix)
    homes = {each.lower("registrar_pool") for each in facts.section("user_counts")}
    home = row.lower("registrar_pool")
    # In samples the property is a name or a number; only a name can be compared.
    if "." in home and homes - {""} and home not in homes:
        text = f"its endpoint is homed on {home}, where no user is"
        fix = "fine when that pool stays; else make pool and endpoint anew there"
        yield Finding(alias, NAME, "warning", text, fix)


# -- B: a static route ---------------------------------------------------------------


def _by_route(alias: str, facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    host = alias.rpartition("@")[2]
    port = min(wanted.ports, default=5061)
    make = (
        f"$r = New-CsStaticRoute -TLSRoute -Destination {wanted.fqdn} -Port {port} "
        f"-MatchUri {host} -UseDefaultCertificate $true; "
        "Set-CsStaticRoutingConfiguration -Identity Global -Route @{Add=$r}"
    )
    tried = [list(_route(alias, row, wanted, make)) for row in routes_for(alias, facts)]
    if not tried:
        text = f"no static route leads {host} to {wanted.fqdn}"
        yield Finding(alias, NAME, "failed", text, make)
        return
    # The best of them: another one may lead elsewhere on purpose.
    yield from min(tried, key=lambda bad: (sum(b.verdict == "failed" for b in bad),))
    collections = {row.lower("collection") for row in facts.section("static_routes")}
    used = {row.lower("collection") for row in routes_for(alias, facts)}
    others = sorted(each for each in collections - used if each != "global")
    if others:
        text = f"the route is not in {others[0]}, which may hide the global routes"
        fix = (
            f"Set-CsStaticRoutingConfiguration -Identity {others[0]} -Route @{{Add=$r}}"
        )
        yield Finding(alias, NAME, "warning", text, fix)
    if any(row.lower("sip_domain") == host for row in facts.section("user_counts")):
        text = f"the route takes {host}, the users' own domain: try it in a lab first"
        fix = "give the endpoint a domain of its own, or use topology A"
        yield Finding(alias, NAME, "warning", text, fix)


def _route(alias: str, row: Row, wanted: Wanted, make: str) -> Iterator[Finding]:
    hop, port = row.lower("next_hop"), row.number("port")
    anew = f"remove that route (Set-CsStaticRoutingConfiguration @{{Remove=…}}), {make}"
    if row.flag("enabled") is not True:
        yield Finding(alias, NAME, "failed", "its route is not enabled", anew)
    if row.flag("phone_only") is not False:
        text = "its route takes phone numbers only"
        yield Finding(alias, NAME, "failed", text, anew)
    if row.lower("transport") != "tls":
        text = "its route is TCP, to an address; ours must be TLS, to a name"
        yield Finding(alias, NAME, "failed", text, anew)
    elif hop != wanted.fqdn:
        text = f"its route leads to {hop or 'no name'}, and we are {wanted.fqdn}"
        yield Finding(alias, NAME, "failed", text, anew)
    if port not in wanted.ports:
        text = f"its route leads to port {port}, we listen on {ports(wanted)}"
        yield Finding(alias, NAME, "failed", text, anew)
    if row.flag("replace_host") is not False:
        text = "its route replaces the host: we get the address with another domain"
        yield Finding(alias, NAME, "warning", text, anew)


def ports(wanted: Wanted) -> str:
    """Our TLS ports, for a sentence."""
    return ", ".join(map(str, sorted(wanted.ports))) or "no TLS port"
