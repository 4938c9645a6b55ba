"""Every rule asked of the facts, in the order in which one would mend."""

from collections.abc import Iterable
from typing import Final

from proxy.facts.account import account, old_services
from proxy.facts.audience import clients, domains
from proxy.facts.chat_pool import chat_pool, others, twin
from proxy.facts.model import Facts, Finding, Verdict, Wanted
from proxy.facts.reach import reach, topology_of
from proxy.facts.trust import published, trust

AGE: Final = "age"
DAY: Final = 86_400.0
SKEW: Final = 300.0
"""Seconds by which the clocks of two machines may differ."""


def check(facts: Facts, wanted: Wanted, now: float) -> list[Finding]:
    """The steps; rules (a) to (h) of the documentation and the age of the file."""
    found = [_age(facts, now)]
    found += old_services(facts)
    ways = {alias: topology_of(alias, facts, wanted) for alias in wanted.aliases}
    for alias in sorted(wanted.aliases):
        found += account(alias, facts)
        found += twin(alias, facts)
        if ways[alias] != "c":
            found += reach(alias, ways[alias], facts, wanted)
    if any(way != "c" for way in ways.values()):
        found += trust(facts, wanted)
        found += published(facts, wanted)
    found += domains(facts, wanted, ways)
    for pool in sorted(set(wanted.aliases.values())):
        found += others(pool, facts, wanted)
        found += chat_pool(pool, facts, wanted)
    found += clients(facts)
    return found


def worst(findings: Iterable[Finding]) -> Verdict:
    """The verdict over all: failed, then unknown, then warning."""
    found = {each.verdict for each in findings}
    order: tuple[Verdict, ...] = ("failed", "unknown", "warning")
    return next((each for each in order if each in found), "ok")


def _age(facts: Facts, now: float) -> Finding:
    fix = "run Get-WaypostFacts.ps1 again, and check its new file"
    if facts.at is None:
        text = "the file does not say when it was written"
        return Finding("facts", AGE, "unknown", text, fix)
    hours = (now - facts.at) / 3600
    if facts.at > now + SKEW:
        text = "the file is from the future: one of the two clocks is wrong"
        return Finding("facts", AGE, "warning", text, "correct the clock")
    if now - facts.at > DAY:
        text = f"the file is {hours:.0f} hours old: Lync may have changed since"
        return Finding("facts", AGE, "warning", text, fix)
    where = facts.computer or "a computer without a name"
    text = f"{hours:.0f} h old, from {where}"
    if hours < 1:
        text = f"less than an hour old, from {where}"
    return Finding("facts", AGE, "ok", text)
