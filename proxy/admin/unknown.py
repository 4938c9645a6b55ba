"""Addresses of our domains that nobody serves: who dials them, and a plan of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from proxy.admin.control import ControlError, Operator, refusals
from proxy.endpoints.address import Refused, endpoint_address, normalise_fqdn
from proxy.endpoints.table import EndpointTable
from proxy.endpoints.unknown import MAX_UNKNOWN, NOBODY
from proxy.endpoints.usage import OTHERS, Usage
from proxy.sip.display import visible

COUNTED: Final = "INVITE and SUBSCRIBE (not presence) to our domains, answered 404"
_HEAD: Final = """\
# Addresses of our domains that nobody serves, with how many dialled them.
# Read each one: take out who has left, and what was only mistyped.
# Then: waypost cutover plan FILE

name = "addresses nobody serves"
"""


@dataclass(frozen=True, slots=True)
class UnknownAddress:
    """One address with its callers, the latest first.

    ``key`` is ``user@host``; that of all requests that are counted without a name is
    ``(others)``.
    """

    key: str
    rows: Sequence[Usage]

    @property
    def sip_address(self) -> str:
        """As it is written in a plan."""
        return self.key if self.is_unnamed else f"sip:{self.key}"

    @property
    def is_unnamed(self) -> bool:
        """True for what did not fit."""
        return self.key == NOBODY[0]

    @property
    def users(self) -> int:
        """How many callers are known."""
        return sum(row.aor != OTHERS for row in self.rows)

    @property
    def requests(self) -> int:
        """How often it was dialled."""
        return sum(row.count for row in self.rows)

    @property
    def last(self) -> Usage:
        """The latest."""
        return self.rows[0]


async def get_unknown(operator: Operator) -> list[UnknownAddress]:
    """What is dialled most stands first, and what has no name last.

    What has become an endpoint since is somebody's, and left out.
    """
    table = await operator.store.load_table()
    found: dict[str, list[Usage]] = {}
    for row in await operator.store.unknown():
        if row.endpoint_key not in table.endpoints:
            found.setdefault(row.endpoint_key, []).append(row)
    views = [UnknownAddress(key, rows) for key, rows in found.items()]
    views.sort(key=lambda x: (x.is_unnamed, -x.users, -x.requests, x.key))
    return views


async def plan_unknown(operator: Operator, pool: str | None = None) -> str:
    """A plan that makes endpoints of them, for ``cutover plan``; ControlError."""
    table = await operator.store.load_table()
    with refusals():
        fqdn = normalise_fqdn(pool) if pool is not None else ""
    parts: list[str] = []
    left_out: list[str] = []
    for view in await get_unknown(operator):
        if view.is_unnamed:
            continue
        try:
            address, key = endpoint_address(view.sip_address, operator.rules.domains)
        except Refused as refusal:
            left_out.append(f"\n# left out: {_comment(f'{view.key}: {refusal}')}\n")
            continue
        parts.append(_change(view, address, fqdn or _pool_for(key, table)))
    if not parts:
        raise ControlError("nobody has dialled an address that nothing serves")
    return "".join([_HEAD, *parts, *left_out])


def _change(view: UnknownAddress, address: str, pool: str) -> str:
    users = "1 user" if view.users == 1 else f"{view.users} users"
    requests = "1 request" if view.requests == 1 else f"{view.requests} requests"
    last = view.last
    day = datetime.fromtimestamp(last.last_at).strftime("%Y-%m-%d")
    who = _comment(f"{users}, {requests}, last {day} by {last.aor or '(unreadable)'}")
    return (
        f"\n# {who}\n[[change]]\nsip_address = {_text(address)}\n"
        f'pool_fqdn = {_text(pool)}\nexpect_pool = ""\ncreate = true\n'
    )


def _pool_for(key: str, table: EndpointTable) -> str:
    """Where the same user of another domain leads, else the only pool there is."""
    user = key.partition("@")[0]
    namesakes = {
        each.pool_fqdn
        for each in table.endpoints.values()
        if each.key.partition("@")[0] == user
    }
    for pools in (namesakes, {x.pool_fqdn for x in table.endpoints.values()}):
        if len(pools) == 1:
            return min(pools)
    several = "no endpoint leads" if not table.endpoints else "endpoints lead"
    where = "anywhere yet" if not table.endpoints else "to more than one pool"
    raise ControlError(
        f"{several} {where}: name the pool of {key} and the others with "
        "--pool-fqdn pcpool.contoso.com"
    )


def _comment(text: str) -> str:
    """On one line, and no longer than people read."""
    return visible(text)[:300]


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def room_sentence(views: Sequence[UnknownAddress]) -> str:
    """How many requests have no name any more; empty for none."""
    unnamed = sum(view.requests for view in views if view.is_unnamed)
    if not unnamed:
        return ""
    return (
        f"{unnamed} more without a name: {MAX_UNKNOWN:,} pairs of address and caller "
        "are kept, and none longer than 200 bytes"
    )
