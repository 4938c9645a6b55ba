"""Rules (e) and (h): no twin of the address inside Lync, and a pool that works.

Skype for Business Server 2019 has no Persistent Chat: there the sections are empty.
"""

from collections.abc import Iterator
from typing import Final

from proxy.facts.model import Facts, Finding, Findings, Row, Wanted
from proxy.facts.reading import judged, unread

TWIN: Final = "twin"
POOL: Final = "pool"
_RUNNING: Final = ("running", "4")
"""The state as text, and as the number that ConvertTo-Json makes of it."""


def twin(alias: str, facts: Facts) -> Findings:
    """(e) No Persistent Chat endpoint has the address: Lync would route it itself."""
    bad = list(unread(alias, TWIN, facts, "chat_endpoints"))
    for row in facts.section("chat_endpoints"):
        address = row.lower("sip_address")
        if address == alias:
            also = facts.section("trusted_endpoints").where("sip_address", alias)
            text = (
                f"a Persistent Chat endpoint of {row.text('pool_fqdn')} has it: Lync "
                "sends these calls to the pool, and we see none"
                + ("; two contacts have one address" if also else "")
            )
            fix = (
                f"Remove-CsPersistentChatEndpoint -Identity {alias}, or do without a "
                "proxy for this address"
            )
            bad.append(Finding(alias, TWIN, "failed", text, fix))
    yield from judged(alias, TWIN, bad, "no Persistent Chat endpoint has the address")


def others(pool: str, facts: Facts, wanted: Wanted) -> Findings:
    """(e) Endpoints of the pool that are none of ours, but the one it was born with."""
    for row in facts.section("chat_endpoints").where("pool_fqdn", pool):
        address = row.lower("sip_address")
        if address not in wanted.aliases and not address.startswith("sip:gc-"):
            text = f"it has the endpoint {address}, too; that does no harm"
            fix = "nothing, when somebody uses it"
            yield Finding(pool, TWIN, "warning", text, fix)


def chat_pool(pool: str, facts: Facts, wanted: Wanted) -> Findings:
    """(h) The pool is there, has active servers, and they run."""
    bad = list(unread(pool, POOL, facts, "chat_pools"))
    if bad:
        yield from bad
        return
    rows = facts.section("chat_pools").where("pool_fqdn", pool)
    if not rows:
        text = "Lync knows no Persistent Chat pool of this name"
        fix = "Get-CsService -PersistentChatServer shows those that there are"
        yield Finding(pool, POOL, "failed", text, fix)
        return
    bad += _row(pool, rows[0], wanted)
    bad += _state(pool, facts)
    bad += _services(pool, rows[0], facts)
    active = ", ".join(rows[0].texts("active_servers"))
    yield from judged(pool, POOL, bad, f"runs on {active}")


def _row(pool: str, row: Row, wanted: Wanted) -> Iterator[Finding]:
    idle = row.texts("inactive_servers")
    change = f"Set-CsPersistentChatActiveServer -Identity PersistentChatServer:{pool} "
    if not row.texts("active_servers"):
        text = "it has no active server, so it takes no new clients"
        fix = f'{change}-ActiveServers @{{Add="{idle[0] if idle else "<server>"}"}}'
        yield Finding(pool, POOL, "failed", text, fix)
    elif idle:
        text = f"not active: {', '.join(idle)}"
        fix = f'{change}-ActiveServers @{{Add="{idle[0]}"}}, when it shall be'
        yield Finding(pool, POOL, "warning", text, fix)
    ours, theirs = wanted.pool_ports.get(pool), row.number("mtls_port")
    if theirs is None:
        text, fix = "Lync does not say its port", "Get-CsService -PersistentChatServer"
        yield Finding(pool, POOL, "unknown", text, fix)
    elif ours is not None and ours != theirs:
        text = f"it listens on port {theirs}, and we go to {ours}"
        fix = f"waypost pool set {pool} --port {theirs}"
        yield Finding(pool, POOL, "failed", text, fix)


def _state(pool: str, facts: Facts) -> Iterator[Finding]:
    yield from unread(pool, POOL, facts, "chat_states")
    if not facts.section("chat_states").ok:
        return
    rows = facts.section("chat_states").where("pool_fqdn", pool)
    state = rows[0].text("state") if rows else ""
    if not state:
        text, fix = "Lync does not say its state", "Get-CsPersistentChatState"
        yield Finding(pool, POOL, "unknown", text, fix)
    elif state.lower() != "normal":
        text = f"its state is {state}: it works on its backup database"
        fix = (
            "Set-CsPersistentChatState -PoolState Normal -Identity "
            f"PersistentChatServer:{pool}, after the way back is made"
        )
        yield Finding(pool, POOL, "warning", text, fix)


def _services(pool: str, row: Row, facts: Facts) -> Iterator[Finding]:
    yield from unread(pool, POOL, facts, "chat_services")
    if not facts.section("chat_services").ok:
        return
    for computer in row.texts("active_servers"):
        rows = [
            each
            for each in facts.section("chat_services").where("computer", computer)
            if _is_chat(each)
        ]
        if not rows:
            text = f"no Persistent Chat service was seen on {computer}"
            fix = f"Get-CsWindowsService -ComputerName {computer}"
            yield Finding(pool, POOL, "unknown", text, fix)
        for each in rows:
            if each.lower("status") not in _RUNNING:
                name = each.text("name")
                shown = each.text("display_name") or name
                text = f'"{shown}" on {computer} does not run'
                fix = f"Start-CsWindowsService -Name {name} -ComputerName {computer}"
                yield Finding(pool, POOL, "failed", text, fix)


def _is_chat(row: Row) -> bool:
    """The Windows names are not documented: by what people and roles call it.

    The Compliance service is another one, and idle unless it was deployed.
    """
    shown = f"{row.lower('display_name')} {row.lower('name')}".replace(" ", "")
    if "compliance" in shown:
        return False
    return "persistentchat" in shown or "rtcchat" in shown
