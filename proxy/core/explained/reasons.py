"""Why a rule of section 16.5 decided, or had nothing to say; sentences for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.endpoints.canary import bucket_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.core.routing.route_set import RouteSet
    from proxy.core.routing.router import Router
    from proxy.core.routing.target import Target
    from proxy.endpoints.model import Endpoint
    from proxy.sip.uri import SipUri


def why_not(
    router: Router, rule: str, routes: RouteSet, uri: SipUri, now: float
) -> str:
    """Why a rule had nothing to say."""
    match rule:
        case "dialog":
            return "the request has no Route of ours: it is in no dialog through us"
        case "route":
            return "it has no Route of anybody else"
        case "ourselves":
            if uri.user is not None:
                return "it names a user, and not the proxy itself"
            if router.is_ours(uri):
                return "the domain itself is the default route's business"
            return f"{uri.host} is no address of ours"
        case "endpoint":
            return f"no endpoint has the address sip:{uri.key}"
        case "pool":
            return f"{uri.host} is no pool of ours and no front end of one"
        case "learned":
            return _not_learned(router, uri, now)
        case "contact":
            return "it is no Contact that a first_hop listener gave out"
        case "binding":
            if router.settings.registrar is None:
                return "the registrar is off"
            return "nobody is registered as it"
        case "store":
            return _not_in_store(router, uri)
    return "there is no default route ([routes] default)"


def _not_learned(router: Router, uri: SipUri, now: float) -> str:
    if uri.user is None:
        return "it names no user"
    owner = router.owner_of(uri.key, now)
    if uri.key in router.table.learned and owner:
        whose = "a user of the registrar" if owner == "user" else "registered"
        return f"a pool handed it out, but it is {whose}"
    return "no pool has handed it out, and no --service-uri pattern fits it"


def _not_in_store(router: Router, uri: SipUri) -> str:
    if not router.settings.asks_store:
        return "the store is not shared with other machines: memory has all of it"
    if uri.user is None or uri.host not in router.identity.domains:
        return "it is no address in a domain that we serve"
    return "the store knows nobody of that address either"


def why(
    router: Router,
    rule: str,
    routes: RouteSet,
    uri: SipUri,
    from_aor: str,
    targets: Sequence[Target],
) -> str:
    """Why a rule decided; ``targets`` are empty where it refused."""
    first = targets[0] if targets else None
    match rule:
        case "dialog":
            return "a Route of ours names the dialog that it belongs to"
        case "route":
            if first is None:
                return "it has a Route that we did not hand out: we are no open relay"
            return "its Route names a place of ours"
        case "ourselves":
            return "the proxy itself is asked"
        case "endpoint":
            return _endpoint(router.table.endpoints[uri.key], from_aor)
        case "pool":
            pool = router.pool_of(uri.host)
            return f"{uri.host} is {_a_pool(uri.host, pool)}"
        case "learned":
            return "" if first is None else _learned(router, uri, first)
        case "contact":
            return "it is a Contact that a first_hop listener gave a client"
        case "binding":
            if first is None:
                return "the connection of its contact is gone"
            return f"registered here, with {len(targets)} contact(s)"
        case "store":
            return "registered at another node: the store says so"
        case "default":
            return "nothing of ours: the default route takes it ([routes] default)"
    if router.is_ours(uri) or uri.host in router.identity.domains:
        return f"nothing serves it, and {uri.host} is ours: there is no such user"
    return f"{uri.host} is none of our domains: we are no open relay"


def _a_pool(host: str, pool: str) -> str:
    return "a pool of ours" if host == pool else f"a front end of pool {pool}"


def _learned(router: Router, uri: SipUri, target: Target) -> str:
    endpoint = router.table.endpoints.get(target.endpoint)
    address = endpoint.sip_address if endpoint else f"sip:{target.endpoint}"
    if uri.key in router.table.learned:
        return f"pool {target.pool} handed it out in calls to {address}"
    return f"a --service-uri pattern of {address} fits it"


def _endpoint(endpoint: Endpoint, from_aor: str) -> str:
    if endpoint.state == "retired":
        return "it is an endpoint that has been retired"
    if endpoint.canary is None:
        return f"it is an endpoint, and all its users go to {endpoint.pool_fqdn}"
    return f"it is an endpoint; {canary_sentence(endpoint, from_aor)}"


def canary_sentence(endpoint: Endpoint, from_aor: str) -> str:
    """What a canary makes of a caller; empty without one."""
    canary = endpoint.canary
    if canary is None:
        return ""
    who = from_aor or "a caller without an address"
    if from_aor in canary.pilots:
        return f"{who} is a pilot, so to {canary.pool_fqdn}"
    bucket = bucket_of(from_aor)
    share = f"{who} has number {bucket} of 0-99, and the canary takes those below"
    pool = canary.pool_fqdn if bucket < canary.percent else endpoint.pool_fqdn
    return f"{share} {canary.percent}: to {pool}"
