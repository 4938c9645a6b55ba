"""Rules (f) and (g): every domain with users has an address, and who may go on.

Lync cannot say which client a user has; ``waypost usage`` can.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from proxy.facts.model import Facts, Finding, Findings, Row, Topology, Wanted
from proxy.facts.reading import judged, unread

DOMAIN: Final = "domain-alias"
CLIENTS: Final = "clients"


def domains(facts: Facts, wanted: Wanted, ways: Mapping[str, Topology]) -> Findings:
    """(f) Clients dial ``ocschat@`` the domain of their own address."""
    missing = list(unread("domains", DOMAIN, facts, "sip_domains", "user_counts"))
    if missing:
        yield from missing
        return
    users: Counter[str] = Counter()
    for row in facts.section("user_counts"):
        users[row.lower("sip_domain")] += row.number("users") or 0
    served = {alias.rpartition("@")[2] for alias in wanted.aliases}
    pool = next(iter(wanted.aliases.values()), "<pool>")
    for row in facts.section("sip_domains"):
        name = row.lower("name")
        bad = [] if name in served else [_unserved(name, users[name], pool, ways)]
        good = f"it has an address here, for {users[name]} users"
        yield from judged(name, DOMAIN, bad, good)


def _unserved(
    name: str, users: int, pool: str, ways: Mapping[str, Topology]
) -> Finding:
    fix = (
        f"waypost endpoint new --sip-address sip:ocschat@{name} --pool-fqdn {pool}, "
        "and lead that to us in Lync as well"
    )
    if not users:
        text = "it has no users, and no address here"
        return Finding(name, DOMAIN, "warning", text, fix)
    if "b" in ways.values():
        text = (
            f"its {users} users have no address of their own domain here: they reach "
            "us only when the policy LookupServerUri says so"
        )
        fix = f"set LookupServerUri for them, or {fix}"
        return Finding(name, DOMAIN, "warning", text, fix)
    text = f"its {users} users dial ocschat@{name}, which nobody serves"
    return Finding(name, DOMAIN, "failed", text, fix)


def clients(facts: Facts) -> Findings:
    """(g) Whether policy lets the users into Persistent Chat; never red."""
    needed = ("user_counts", "chat_policies", "ocs_users")
    bad = list(unread("users", CLIENTS, facts, *needed))
    if not bad:
        bad += _barred(facts)
        bad += _older(facts)
    good = (
        "every user may use Persistent Chat; who still has the old client only "
        '"waypost usage" can tell'
    )
    yield from judged("users", CLIENTS, bad, good)


def _barred(facts: Facts) -> Iterator[Finding]:
    policies = {
        row.lower("identity").removeprefix("tag:"): row.flag("enabled")
        for row in facts.section("chat_policies")
    }
    sites = {on for name, on in policies.items() if name.startswith("site:")}
    barred = unsure = total = 0
    for row in facts.section("user_counts"):
        number = row.number("users") or 0
        total += number
        allowed = _allowed(row, policies, sites)
        unsure += number if allowed is None else 0
        barred += number if allowed is False else 0
    fix = (
        "Set-CsPersistentChatPolicy -Identity Global -EnablePersistentChat $true, or "
        "Grant-CsPersistentChatPolicy for some of them"
    )
    if barred:
        text = f"{barred} of {total} users may not use Persistent Chat by policy"
        yield Finding("users", CLIENTS, "warning", text, fix)
    if unsure:
        text = f"which policy holds for {unsure} of {total} users cannot be seen"
        yield Finding("users", CLIENTS, "unknown", text, "Get-CsPersistentChatPolicy")


def _allowed(
    row: Row, policies: Mapping[str, bool | None], sites: set[bool | None]
) -> bool | None:
    """A user's own policy, else that of the site, else the global one."""
    own = row.lower("policy").removeprefix("tag:")
    if own:
        return policies.get(own)
    everywhere = sites | {policies.get("global")}
    return everywhere.pop() if len(everywhere) == 1 else None


def _older(facts: Facts) -> Iterator[Finding]:
    left = sum(row.number("users") or 0 for row in facts.section("ocs_users"))
    if left:
        text = f"{left} users are still homed on Office Communications Server"
        fix = "Move-CsLegacyUser, when the new servers shall have them"
        yield Finding("users", CLIENTS, "warning", text, fix)
