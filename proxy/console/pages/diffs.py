"""What a change does to a row, field by field, for people.  Pure."""

from dataclasses import dataclass
from typing import Any, Final

from proxy.endpoints.changes import RowChange
from proxy.endpoints.codec import row_to_json

_LEFT_OUT: Final = ("created_at", "changed_at", "sip_address", "fqdn")


@dataclass(frozen=True, slots=True)
class Difference:
    """One row: ``verb`` is create, change or remove; ``fields`` name, before, after."""

    verb: str
    kind: str
    name: str
    fields: tuple[tuple[str, str, str], ...]


def differences(change: RowChange) -> Difference:
    """What is different after a change."""
    before, after = row_to_json(change.before) or {}, row_to_json(change.after) or {}
    there = after or before
    verb = "change" if before and after else "create" if after else "remove"
    names = [each for each in there if each not in _LEFT_OUT]
    fields = [
        (name, _shown(before.get(name)), _shown(after.get(name)))
        for name in names
        if before.get(name) != after.get(name)
        and (_shown(before.get(name)) or _shown(after.get(name)))
    ]
    name = str(there.get("sip_address") or there.get("fqdn") or change.key)
    return Difference(verb, change.kind, name, tuple(fields))


def _shown(value: Any) -> str:
    match value:
        case None | "" | []:
            return ""
        case {"percent": percent, "pool_fqdn": pool, "pilots": list(pilots)}:
            some = f" + {len(pilots)}" if pilots else ""
            return f"{percent} %{some} → {pool}"
        case list():
            return ", ".join(map(str, value))
    return str(value)
