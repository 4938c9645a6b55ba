"""Service URIs that an endpoint's pools have handed out, judged for the doctor.

The proxy decides with each request whether one counts
(``core/dialogs/requri.py``); this module applies the same rule to the rows of the
store.
"""

from collections.abc import Collection
from typing import Literal

from proxy.admin.control import Operator
from proxy.config import Config
from proxy.endpoints.model import Endpoint, LearnedUri
from proxy.endpoints.table import MOST_LEARNED, EndpointTable

Judged = tuple[Literal["ok", "warning", "unknown"], str, str]
"""Verdict, what is so, and what to do about it."""


async def judge_learned(
    operator: Operator, config: Config, endpoint: Endpoint, table: EndpointTable
) -> Judged | None:
    """The finding about the service URIs of one endpoint; None: it has none."""
    learned = [x for x in table.learned_uris() if x.endpoint_key == endpoint.key]
    if not learned:
        return None
    domain = config.proxy.domains[0]
    users = {
        name if "@" in name else f"{name}@{domain}"
        for name in (user.name.lower() for user in await operator.store.users())
    }
    for uri in learned:
        why = await _owner(operator, uri, table, users)
        if why:
            return (
                "warning",
                f"{uri.uri}, which {uri.pool_fqdn} has handed out, is {why}: it "
                "does not lead to the pool",
                "give the service another address, or take that one away",
            )
    if len(learned) >= MOST_LEARNED:
        return (
            "warning",
            f"{len(learned)} service URIs learned, the most that are kept",
            "find out why the pool hands out so many; name the real ones with "
            f'"waypost endpoint set {endpoint.sip_address} --service-uri"',
        )
    if not all(operator.sees(uri.key) for uri in learned):
        return (
            "unknown",
            f"{len(learned)} service URIs learned; whether somebody else has one of "
            f'them is not shown to "{operator.actor.name}"',
            "have it looked at with a token that is for their domain",
        )
    return ("ok", f"{len(learned)} service URIs learned", "")


async def _owner(
    operator: Operator, uri: LearnedUri, table: EndpointTable, users: Collection[str]
) -> str:
    """What else a service URI is the address of; empty for nothing."""
    if uri.key in table.endpoints:
        return "an endpoint"
    if uri.key in users:
        return "a user of the registrar"
    if await operator.store.bindings(uri.key, operator.clock()):
        return "registered by somebody"
    return ""
