"""What the verbs return, as JSON values: the one form of ``--json`` and of the API."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from proxy.admin.comparison import compared_to_json, usage_to_json
from proxy.admin.control import EndpointView, Outcome, PoolView
from proxy.admin.cutover import CutoverView
from proxy.admin.doctor.verdicts import Step, summary, worst
from proxy.admin.history import HistoryLine
from proxy.admin.in_force import Keeper
from proxy.admin.runbook.runbook import Report
from proxy.admin.unknown import UnknownAddress
from proxy.admin.usage import COUNTED_HERE, UsageView
from proxy.endpoints.changes import RowChange
from proxy.endpoints.codec import (
    audit_json,
    cutover_to_json,
    endpoint_to_json,
    learned_to_json,
    pool_to_json,
    row_to_json,
)
from proxy.endpoints.model import Cutover, Endpoint
from proxy.endpoints.pool_usage import date_of
from proxy.facts.model import Facts, Finding
from proxy.location.binding import Binding
from proxy.store.access import Access
from proxy.store.registrar import User
from proxy.store.sqlite.backup_file import Backup

_INSTANTS: Final = ("at", "confirm_by", "until")


def timed(value: Any, name: str = "") -> Any:
    """A value whose instants, known by their names, are texts; null for never."""
    if isinstance(value, dict):
        return {key: timed(each, str(key)) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [timed(each) for each in value]
    if isinstance(value, float) and (name in _INSTANTS or name.endswith("_at")):
        return iso(value) if value else None
    return value


def iso(seconds: float) -> str:
    """An instant for programs: local time with its zone, to the millisecond."""
    then = datetime.fromtimestamp(seconds).astimezone()
    return then.isoformat("T", "milliseconds")


def backup_to_json(backup: Backup) -> dict[str, Any]:
    """What is in a backup; ``made_at`` is null for a plain copy of a store's file."""
    contents = backup.contents
    at, actor, verb = contents.change
    return {
        "file": str(backup.path),
        "bytes": backup.size,
        "made_at": backup.made_at,
        "made_by": backup.made_by,
        "origin": backup.origin,
        "schema_version": contents.schema,
        "table_version": contents.table_version,
        "newest_change": {
            **{"number": contents.changes, "at": at, "actor": actor, "verb": verb}
        },
        "rows": dict(contents.rows),
    }


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """The form of every change."""
    return {
        "what_if": outcome.what_if,
        "changes": [
            {
                "kind": change.kind,
                "key": change.key,
                "before": row_to_json(change.before),
                "after": row_to_json(change.after),
            }
            for change in outcome.changes
        ],
    }


def endpoint_changes(outcome: Outcome) -> list[RowChange]:
    """The changes of endpoints alone."""
    return [c for c in outcome.changes if isinstance(c.row, Endpoint)]


def cutover_outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """The form of every change that a cutover makes."""
    cutover = next(
        (c.row for c in reversed(outcome.changes) if isinstance(c.row, Cutover)), None
    )
    shown = Outcome(endpoint_changes(outcome), outcome.what_if)
    return {**outcome_to_json(shown), "cutover": audit_json(cutover)}


def cutover_view_to_json(view: CutoverView, keeper: Keeper | None) -> dict[str, Any]:
    """The newest cutover; ``keeper`` where a guard is armed."""
    guard = None if view.guard is None else view.guard.to_json(view.cutover)
    if guard is not None and keeper is not None:
        guard |= {"watched": keeper.is_there, "watch_problem": keeper.problem}
    return {
        **cutover_to_json(view.cutover),
        "guard": guard,
        "seconds_left": view.seconds_left,
        "changed_since": list(view.changed),
        "rollback_problem": view.problem,
        "comparison": compared_to_json(view.compared),
    }


def endpoint_view_to_json(view: EndpointView) -> dict[str, Any]:
    """An endpoint with what was learned through it."""
    return {
        **endpoint_to_json(view.endpoint),
        "learned": [learned_to_json(learned) for learned in view.learned],
        "conflicts": [asdict(conflict) for conflict in view.conflicts],
    }


def pool_view_to_json(view: PoolView) -> dict[str, Any]:
    """A pool and the endpoints that lead to it."""
    return {
        **pool_to_json(view.pool),
        "endpoints": list(view.endpoints),
        "pending_cutover": view.pending_cutover,
    }


def binding_to_json(binding: Binding) -> dict[str, Any]:
    """Who is registered, and from where."""
    return {
        "aor": binding.aor,
        "contact": binding.uri.decode("utf-8", "replace"),
        "q": binding.q,
        "instance": binding.instance.decode("utf-8", "replace"),
        "reg_id": binding.reg_id or None,
        "epid": binding.epid,
        "user_agent": binding.user_agent,
        "source": binding.source,
        "path": [route.decode("utf-8", "replace") for route in binding.routes],
        "registered_at": binding.registered_at,
        "expires_at": binding.expires_at,
    }


def user_to_json(user: User) -> dict[str, Any]:
    """Who may register with a password; never the password or its hash."""
    return {
        "name": user.name,
        "realm": user.realm,
        "algorithms": sorted(user.ha1),
        "changed_at": user.changed_at,
    }


def history_line_to_json(line: HistoryLine) -> dict[str, Any]:
    """One change that was made."""
    row = line.row
    return {
        "number": row.number,
        "version": row.version,
        "at": row.at,
        "actor": row.actor.name,
        "origin": row.actor.origin,
        "verb": row.verb,
        "kind": row.kind,
        "key": row.key,
        "before": audit_json(row.before),
        "after": audit_json(row.after),
    }


def usage_view_to_json(view: UsageView) -> dict[str, Any]:
    """The ledger of one endpoint."""
    summary = view.summary
    return {
        "sip_address": view.address,
        "state": view.state,
        "users": summary.users,
        "requests": summary.requests,
        "recent_users": summary.recent_users,
        "days": summary.days,
        "quiet_seconds": summary.quiet_for(view.now),
        "is_quiet": view.is_quiet,
        "is_counted": view.is_counted,
        "sentence": view.sentence,
        "counted": COUNTED_HERE,
        "pools": [usage_to_json(each) for each in view.pools],
        "comparison": compared_to_json(view.compared),
        "users_by_day": [
            {"day": date_of(day), "pool_fqdn": pool, "users": count}
            for (_, pool, day), count in sorted(view.days.items())
        ],
        "clients": [asdict(row) for row in view.rows],
    }


def unknown_to_json(view: UnknownAddress) -> dict[str, Any]:
    """An address that nobody serves; ``(others)`` are requests without a name."""
    return {
        "sip_address": view.sip_address,
        "users": view.users,
        "requests": view.requests,
        "first_at": min(row.first_at for row in view.rows),
        "last_at": view.last.last_at,
        "last_by": view.last.aor,
        "clients": [
            {
                "aor": row.aor,
                "first_at": row.first_at,
                "last_at": row.last_at,
                "count": row.count,
                "user_agent": row.user_agent,
                "epid": row.epid,
                "source": row.source,
            }
            for row in view.rows
        ],
    }


def report_to_json(report: Report) -> dict[str, Any]:
    """What to hand over when the weekend is over."""
    about = None if report.cutover is None else cutover_to_json(report.cutover)
    return {
        "plan": report.plan,
        "at": report.at,
        "steps": [asdict(item) for item in report.items],
        "cutover": about,
        "users": [asdict(row) for row in report.users],
    }


def facts_to_json(facts: Facts) -> dict[str, Any]:
    """A file of Get-WaypostFacts.ps1."""
    head = {
        "script": facts.script,
        "at": facts.at,
        "forest": facts.forest,
        "computer": facts.computer,
        "aliases": list(facts.aliases),
        "waypost_fqdn": facts.waypost_fqdn,
        "absent": list(facts.absent),
    }
    sections = {
        name: {
            "cmdlet": section.cmdlet,
            "ok": section.ok,
            "error": section.error,
            "rows": [dict(row.values) for row in section.rows],
        }
        for name, section in facts.sections.items()
    }
    return {**head, "sections": sections}


def steps_to_json(steps: Sequence[Step] | Sequence[Finding]) -> dict[str, Any]:
    """The verdict over all, how many have which, and each."""
    return {
        "verdict": worst(steps),
        "summary": summary(steps),
        "steps": [asdict(step) for step in steps],
    }


def access_to_json(access: Access) -> dict[str, Any]:
    """A token or a person; never its proof."""
    return {
        "name": access.name,
        "role": access.role,
        "domains": list(access.domains),
        "endpoints": list(access.endpoints),
        "created_at": access.created_at,
        "created_by": access.created_by,
        "ends_at": access.ends_at,
        "used_at": access.used_at,
        "used_from": access.used_from,
    }


def warnings(found: Iterable[str]) -> dict[str, Any]:
    """Remarks beside a result; empty when there are none."""
    texts = list(found)
    return {"warnings": texts} if texts else {}
