"""Rules (a) and (b): the well-known user is gone, and so are its services.

While an account has the address, Lync leads calls to the account.  ``Disable-CsUser``
takes the address away; ``Set-CsUser -Enabled $false`` keeps it.
"""

from collections.abc import Iterator
from typing import Final

from proxy.facts.model import Facts, Finding, Findings, Row
from proxy.facts.reading import judged, unread

NAME: Final = "account"
OLD: Final = "old-service"


def account(alias: str, facts: Facts) -> Findings:
    """(a) No user, and nothing else, has the address."""
    if alias not in facts.aliases:
        yield Finding(
            *(alias, NAME, "unknown", "the script was not asked about this address"),
            fix=f"run it again with -Alias {','.join((*facts.aliases, alias))}",
        )
        return
    bad = list(_holders(alias, facts))
    bad += unread(alias, NAME, facts, "users", "ad_users", "principals")
    yield from judged(alias, NAME, bad, "no user account has the address")


def _holders(alias: str, facts: Facts) -> Iterator[Finding]:
    free = "delete the account, or free the address: Disable-CsUser -Identity "
    named = set()
    for row in facts.section("users").where("sip_address", alias):
        named.add(row.lower("identity"))
        state = "enabled for Lync"
        if row.flag("enabled") is False:
            state = "switched off with Set-CsUser, which keeps the address"
        text = f"still the address of the user {_who(row)} ({state})"
        yield Finding(alias, NAME, "failed", text, free + f'"{_who(row)}"')
    for row in facts.section("ad_users"):
        if row.lower("identity") in named:
            continue
        named.add(row.lower("identity"))
        if row.lower("sip_address") == alias:
            text = f"Active Directory still has it at the user {_who(row)}"
            yield Finding(alias, NAME, "failed", text, free + f'"{_who(row)}"')
        elif alias in row.texts("proxy_addresses"):
            text = f"the user {_who(row)} is kept, with it among its proxyAddresses"
            fix = f'Set-ADUser -Identity "{_who(row)}" -Remove @{{proxyAddresses='
            yield Finding(alias, NAME, "warning", text, f'{fix}"{alias}"}}')
    # Contacts that have rules of their own: our way in, and a twin.
    for section in ("trusted_endpoints", "chat_endpoints"):
        named |= {row.lower("identity") for row in facts.section(section)}
    for row in facts.section("principals").where("sip_address", alias):
        if row.lower("identity") in named:
            continue
        kind = ", ".join(row.texts("object_class")) or "unknown kind"
        text = f"something else has the address: {_who(row)} ({kind})"
        fix = "free the address there, or take another one for the endpoint"
        yield Finding(alias, NAME, "failed", text, fix)


def _who(row: Row) -> str:
    return row.text("identity") or "without a name"


def old_services(facts: Facts) -> Findings:
    """(b) On no old server does a service of Group Chat run, or start by itself."""
    missing = list(unread("old servers", OLD, facts, "old_services"))
    section = facts.section("old_services")
    if missing or not section.rows:
        text = "no old server was looked at"
        fix = "run the script again with -OldServer and every Group Chat server"
        nobody = Finding("old servers", OLD, "unknown", text, fix)
        yield from missing or [nobody]
        return
    for computer in dict.fromkeys(row.lower("computer") for row in section):
        rows = section.where("computer", computer)
        bad = [bad for row in rows for bad in _running(computer, row)]
        found = ", ".join(row.text("display_name") or "" for row in rows).strip(", ")
        good = (
            f"stopped and not automatic: {found}"
            if found
            else ('no service whose display name has "Group Chat" in it')
        )
        yield from judged(computer, OLD, bad, good)


def _running(computer: str, row: Row) -> Iterator[Finding]:
    name = row.text("name")
    if row.flag("reached") is not True:
        text = f"could not be asked: {row.text('error') or 'it gives no reason'}"
        fix = f"look there: Get-Service -ComputerName {computer}"
        yield Finding(computer, OLD, "unknown", text, fix)
    elif name:
        shown, start = row.text("display_name") or name, row.lower("start_mode")
        never = f'sc.exe \\\\{computer} config "{name}" start= disabled'
        if row.lower("state") != "stopped":
            text = f'"{shown}" is {row.lower("state") or "not known to be stopped"}'
            fix = f'Stop-Service there ("{name}"), then {never}'
            yield Finding(computer, OLD, "failed", text, fix)
        elif start not in ("manual", "disabled"):
            text = f'"{shown}" is stopped, but starts with the machine'
            yield Finding(computer, OLD, "warning", text, never)
