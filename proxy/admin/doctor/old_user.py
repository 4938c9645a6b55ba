"""Whether somebody else has an endpoint's address: the old Lookup service, mostly.

What is registered here is seen here.  That nobody is says something only where the
service could register here; in topologies A and B it signs in at Lync's front ends, and
Lync alone knows.  So silence is ``unknown`` while the registrar is off, and where none
but Lync's servers get in, unless the address has been seen to register here or Lync's
facts say that no account has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from proxy.admin.control import Operator
from proxy.admin.doctor.conflicts import conflicts_of, describe_conflict
from proxy.admin.doctor.verdicts import Step
from proxy.admin.runbook.memory import recall
from proxy.config import Config
from proxy.endpoints.model import Endpoint
from proxy.facts.account import NAME as ACCOUNT
from proxy.facts.model import Finding, Verdict
from proxy.location.binding import Binding
from proxy.store.registrar import Conflict

RECENT_CONFLICT: Final = 3600.0
"""Seconds for which a refused registration is worth a word."""
FRESH_CONFLICT: Final = 600.0
"""Seconds in which a service that still runs would have tried again."""
ASK_LYNC: Final = (
    'ask Lync: run what "waypost facts script" prints there, and give its file with '
    "--facts FILE"
)


@dataclass(slots=True)
class OldUsers:
    """What there is to go by; ``findings`` are Lync's facts, judged."""

    operator: Operator
    config: Config
    findings: Sequence[Finding] = ()
    _here: set[str] | None = field(default=None, init=False)

    async def judge(self, endpoint: Endpoint, is_there: bool) -> Step:
        """The step ``conflict`` of an endpoint, which may be only planned yet."""
        address, now = endpoint.sip_address, self.operator.clock()
        store = self.operator.store
        conflicts = conflicts_of(endpoint, await store.conflicts(endpoint.key))
        fresh = [each for each in conflicts if now - each.last_at < RECENT_CONFLICT]
        if fresh:
            return _conflict(address, fresh[0], now)
        bindings = await store.bindings(endpoint.key, now)
        if bindings:
            sources = ", ".join(each.source for each in bindings)
            verdict: Verdict = "warning" if is_there else "failed"
            return Step(
                *(address, "conflict", verdict, f"still registered from {sources}"),
                fix="stop the old Lookup service, or "
                f'"waypost binding remove {address}"',
            )
        verdict, text, fix = await self.silence(endpoint.key)
        return Step(address, "conflict", verdict, text, fix)

    async def silence(self, key: str) -> tuple[Verdict, str, str]:
        """What it means that nobody is registered here as ``key`` (``user@host``)."""
        found = [
            each
            for each in self.findings
            if each.name == ACCOUNT and each.of.removeprefix("sip:") == key
        ]
        is_seen = self.operator.sees(key)
        if found and (is_seen or found[0].verdict != "ok"):
            return _by_facts(found[0], self.config.registrar.enabled)
        if not is_seen:
            return (
                "unknown",
                "who is registered as this address is not shown to "
                f'"{self.operator.actor.name}", which is for other addresses',
                "have it looked at with a token that is for it, or for everything",
            )
        if not self.config.registrar.enabled:
            return (
                "unknown",
                "the registrar is off: who is registered as this address cannot be "
                "seen here",
                f"{ASK_LYNC}; or, where the old service signs in through us, write "
                "enabled = true in [registrar]",
            )
        if _is_closed(self.config) and not await self._registers_here(key):
            return (
                "unknown",
                "only peers with a certificate can register here, and nobody of its "
                "domain ever has: its service may sign in at Lync's front ends",
                f"{ASK_LYNC}; or walk the runbook while the old service runs",
            )
        return "ok", "nobody else has the address", ""

    async def _registers_here(self, key: str) -> bool:
        """Whether REGISTERs for the address come to us, by what was seen."""
        store = self.operator.store
        if await store.conflicts(key):
            return True
        if key in (await recall(self.operator)).seen_here:
            return True
        if self._here is None:
            everybody: list[Binding] = await store.bindings(None, self.operator.clock())
            self._here = {each.aor.rpartition("@")[2] for each in everybody}
        return key.rpartition("@")[2] in self._here


def _is_closed(config: Config) -> bool:
    """Whether only Lync's servers get in, as in topologies A and B."""
    return not config.registrar.trusted_networks and all(
        listen.verify_client == "required" for listen in config.listen
    )


def _by_facts(found: Finding, looks_here: bool) -> tuple[Verdict, str, str]:
    """``looks_here`` is false without a registrar: then Lync alone has seen it."""
    if found.verdict == "ok" and looks_here:
        return "ok", "nobody is registered here, and no account in Lync has it", ""
    if found.verdict == "ok":
        return "ok", "by Lync's facts no account has it; our registrar is off", ""
    return found.verdict, f"by Lync's facts: {found.text}", found.fix


def _conflict(address: str, conflict: Conflict, now: float) -> Step:
    """Red while it goes on, amber once it has kept quiet for a while."""
    text, silent = describe_conflict(conflict), now - conflict.last_at
    if silent < FRESH_CONFLICT:
        fix = "stop that service; nothing but this endpoint may have the address"
        return Step(address, "conflict", "failed", text, fix)
    text += f", silent for {silent / 60:.0f} min since"
    return Step(
        *(address, "conflict", "warning", text),
        fix="make sure that the service is disabled and does not come back",
    )
