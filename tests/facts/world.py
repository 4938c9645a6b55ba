"""Facts as a Lync would write them when everything is right, to be made wrong."""

import copy
import json

from proxy.facts.check import check, worst
from proxy.facts.document import read_facts
from proxy.facts.model import Wanted

ALIAS = "sip:ocschat@contoso.com"
SECOND = "sip:ocschat@fabrikam.com"
ROUTED = "sip:ocschat@chat.contoso.com"
PROXY = "proxy.contoso.com"
POOL = "pcpool.contoso.com"
FRONT_ENDS = "fepool.contoso.com"
NOW = 1_790_000_000.0
CONTAINER = "CN=Application Contacts,CN=RTC Service,CN=Services,DC=contoso,DC=com"
WANTED_A = Wanted({ALIAS: POOL, SECOND: POOL}, PROXY, frozenset({5061}), {POOL: 5041})
WANTED_B = Wanted({ROUTED: POOL}, PROXY, frozenset({5061}), {POOL: 5041})


def endpoint(alias, number):
    return {
        "sip_address": alias,
        "identity": f"CN={{{number}}},{CONTAINER}",
        "owner_urn": "urn:application:legacychat",
        "enabled": True,
        "registrar_pool": FRONT_ENDS,
    }


def service(computer, display_name, status="Running"):
    return {
        "computer": computer,
        "name": display_name.replace(" ", ""),
        "display_name": display_name,
        "status": status,
        "roles": ["PersistentChatService"],
    }


CHAT = "Lync Server Persistent Chat"
COMPLIANCE = "Lync Server Persistent Chat Compliance"
ROWS = {
    "users": ("Get-CsUser", []),
    "ad_users": ("Get-CsAdUser", []),
    "principals": ("Get-CsAdPrincipal", []),
    "user_counts": (
        "Get-CsUser",
        [
            {
                "sip_domain": "contoso.com",
                "policy": "",
                "registrar_pool": FRONT_ENDS,
                "users": 900,
            },
            {
                "sip_domain": "fabrikam.com",
                "policy": "Chatters",
                "registrar_pool": FRONT_ENDS,
                "users": 312,
            },
        ],
    ),
    "ocs_users": ("Get-CsUser", [{"users": 0}]),
    "chat_policies": (
        "Get-CsPersistentChatPolicy",
        [
            {"identity": "Global", "enabled": True},
            {"identity": "Tag:Chatters", "enabled": True},
        ],
    ),
    "trusted_pools": (
        "Get-CsTrustedApplicationPool",
        [
            {
                "pool_fqdn": PROXY,
                "registrar": f"Registrar:{FRONT_ENDS}",
                "treat_as_authenticated": True,
                "throttle_as_server": True,
                "outbound_only": False,
                "requires_replication": False,
            }
        ],
    ),
    "trusted_computers": (
        "Get-CsTrustedApplicationComputer",
        [{"computer": PROXY, "pool_fqdn": PROXY}],
    ),
    "trusted_applications": (
        "Get-CsTrustedApplication",
        [
            {
                "application_id": "urn:application:legacychat",
                "pool_fqdn": PROXY,
                "port": 5061,
            }
        ],
    ),
    "trusted_endpoints": (
        "Get-CsTrustedApplicationEndpoint",
        [endpoint(ALIAS, 1), endpoint(SECOND, 2)],
    ),
    "own_endpoints": (
        "Get-CsTrustedApplicationEndpoint",
        [{"sip_address": ALIAS}, {"sip_address": SECOND}],
    ),
    "static_routes": (
        "Get-CsStaticRoutingConfiguration",
        [{"collection": "Global", "match_uri": ""}],
    ),
    "sip_domains": (
        "Get-CsSipDomain",
        [
            {"name": "contoso.com", "is_default": True},
            {"name": "fabrikam.com", "is_default": False},
        ],
    ),
    "chat_pools": (
        "Get-CsService",
        [
            {
                "pool_fqdn": POOL,
                "mtls_port": 5041,
                "active_servers": ["pc1.contoso.com", "pc2.contoso.com"],
                "inactive_servers": [],
                "service_id": "1-PersistentChatService-2",
            }
        ],
    ),
    "chat_endpoints": (
        "Get-CsPersistentChatEndpoint",
        [
            {
                "pool_fqdn": POOL,
                "sip_address": "sip:GC-1-PersistentChatService-2@contoso.com",
                "identity": f"CN={{9}},{CONTAINER}",
            }
        ],
    ),
    "chat_states": (
        "Get-CsPersistentChatState",
        [{"pool_fqdn": POOL, "state": "Normal"}],
    ),
    "chat_services": (
        "Get-CsWindowsService",
        [
            service("pc1.contoso.com", CHAT),
            service("pc1.contoso.com", COMPLIANCE, "Stopped"),
            service("pc2.contoso.com", CHAT, 4),
        ],
    ),
    "replicas": (
        "Get-CsManagementStoreReplicationStatus",
        [{"computer": "fe1.contoso.com", "up_to_date": True}],
    ),
    "local_topology": (
        "Get-CsTopology",
        [{"length": 90_000, "names_waypost": True}],
    ),
    "old_services": (
        "Get-WmiObject",
        [
            {"computer": "gc1.contoso.com", "reached": True, "error": "", "name": ""},
            {
                "computer": "gc1.contoso.com",
                "reached": True,
                "name": "GcLookup",
                "display_name": "Lync Server Group Chat Lookup",
                "state": "Stopped",
                "start_mode": "Disabled",
            },
        ],
    ),
}


def right_a():
    """Topology A: two domains, an endpoint in each."""
    return {
        "format": 1,
        "script": "1.0",
        "time": "2026-09-21T12:26:40Z",  # an hour before NOW
        "forest": "contoso.com",
        "computer": "FE1",
        "aliases": [ALIAS, SECOND],
        "waypost_fqdn": PROXY,
        "absent": [],
        "sections": {
            name: {
                "cmdlet": cmdlet,
                "ok": True,
                "error": "",
                "rows": copy.deepcopy(rows),
            }
            for name, (cmdlet, rows) in ROWS.items()
        },
    }


def right_b():
    """Topology B: a route for a domain that only the endpoint has."""
    document = right_a()
    document["aliases"] = [ROUTED]
    rows(document, "trusted_endpoints").clear()
    rows(document, "own_endpoints").clear()
    rows(document, "static_routes").append(
        {
            "collection": "Global",
            "match_uri": "chat.contoso.com",
            "enabled": True,
            "phone_only": False,
            "replace_host": False,
            "transport": "TLS",
            "next_hop": PROXY,
            "port": 5061,
        }
    )
    return document


def rows(document, section):
    return document["sections"][section]["rows"]


def judge(document, wanted=WANTED_A, now=NOW):
    """(of, name) → worst verdict, and the findings themselves."""
    findings = check(read_facts(json.dumps(document).encode()), wanted, now)
    grouped = {}
    for each in findings:
        grouped.setdefault((each.of, each.name), []).append(each)
    return {step: worst(found) for step, found in grouped.items()}, findings


def flipped(document, wanted=WANTED_A, now=NOW):
    """The steps that are not as when everything is right."""
    right = right_a() if wanted is WANTED_A else right_b()
    before, _ = judge(right, wanted, NOW)
    after, _ = judge(document, wanted, now)
    return {
        step: after.get(step, "gone")
        for step in before | after
        if after.get(step) != before.get(step)
    }
