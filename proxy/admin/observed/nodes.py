"""The nodes of one store: which of them answer, and what they say of themselves."""

from collections.abc import Sequence
from typing import Any

from proxy.admin.observed.asking import Told, ask_each
from proxy.config import Config


def nodes(config: Config) -> list[dict[str, Any]]:
    """A row for each; one of which nobody told the address has its SIP URI alone.

    Raises AdminError when none answers.
    """
    return rows_of(ask_each(config, "/status", {}))


def rows_of(told: Sequence[Told]) -> list[dict[str, Any]]:
    """A row for each node that was asked, and one for those that nobody could ask."""
    found = []
    named: list[str] = []
    for each in told:
        status = each.value if isinstance(each.value, dict) else {}
        named = max(named, status.get("other_nodes", []), key=len)
        found.append(
            {
                "node": each.node,
                "answers": not each.problem,
                "problem": each.problem,
                "phase": status.get("phase", "unknown"),
                "version": status.get("version", ""),
                "up_seconds": status.get("up_seconds"),
                "table_version": status.get("table_version"),
                "open_transactions": status.get("open_transactions"),
            }
        )
    missing = len(named) + 1 - len(told)
    if missing > 0:
        names = ", ".join(sorted(named))
        problem = (
            f"{missing} of {names} cannot be asked: write its admin listener into "
            "[admin] nodes"
        )
        found.append({**_NOBODY, "problem": problem})
    return found


_NOBODY: dict[str, Any] = {
    "node": "",
    "answers": False,
    "phase": "unknown",
    "version": "",
    "up_seconds": None,
    "table_version": None,
    "open_transactions": None,
}
