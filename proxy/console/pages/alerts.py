"""What needs somebody, and what to do about it.  Pure.

The same causes as the alert rules for Prometheus, for those who have none.  Texts are
of the catalogues; ``values`` fills their places.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from proxy.console.pages.words import N_

ENDS_SOON: Final = 14 * 86_400
STALE: Final = 600
"""Seconds before a certificate's end, and of DNS' silence, that are worth an alert."""
Severity = Literal["failed", "warning"]


@dataclass(frozen=True, slots=True)
class Alert:
    """``reason`` is what the service said, in its own words."""

    severity: Severity
    text: str
    action: str
    values: dict[str, Any] = field(default_factory=dict)
    reason: str = ""


def alerts_of(
    status: dict[str, Any] | None,
    problem: str,
    pools: frozenset[str] | None = None,
    nodes: Sequence[dict[str, Any]] = (),
) -> list[Alert]:
    """The worst first; ``status`` is None when the service does not answer.

    ``pools`` are those that the reader may see, None for all; ``nodes`` all that share
    the store, ours first.
    """
    others = _of_nodes(nodes[1:])
    if status is None:
        away = Alert(
            "failed",
            N_("The service does not answer"),
            N_("Start it, or look at its log: systemctl status waypost"),
            reason=problem,
        )
        return [away, *others]
    found = [*_of_service(status), *others, *_of_pools(status, pools)]
    return sorted(found, key=lambda each: each.severity != "failed")


def _of_service(status: dict[str, Any]) -> Iterator[Alert]:
    phase = status.get("phase")
    if phase == "draining":
        text = N_("The service takes no new requests: it is draining")
        yield Alert("warning", text, N_("It stops when all is done; start it again"))
    elif phase != "ready":
        yield Alert(
            "failed",
            N_("The service has not started yet"),
            N_("It goes on by itself when what it waits for is there"),
            reason=status.get("waits_for") or "",
        )
    if problem := status.get("cutover_problem"):
        yield Alert(
            "failed",
            N_("A cutover is overdue and could not be rolled back"),
            N_("Mend the store, or roll back here"),
            reason=problem,
        )
    yield from _of_store(status)
    for name, reason in sorted((status.get("down") or {}).items()):
        yield Alert(
            "warning",
            N_("A part of the service has failed and is begun again: %(name)s"),
            N_("The log of the service says why"),
            {"name": name},
            reason,
        )
    if keys := status.get("needs_restart"):
        yield Alert(
            "warning",
            N_("The file of the configuration says more than is in force: %(keys)s"),
            N_("Restart the service: systemctl restart waypost"),
            {"keys": ", ".join(keys)},
        )
    for each in status.get("certificates") or ():
        if each["ends_in"] < ENDS_SOON:
            yield Alert(
                "failed" if each["ends_in"] <= 0 else "warning",
                N_("The certificate %(file)s ends in %(days)s days"),
                N_("Put new files in its place; no restart is needed"),
                {"file": each["file"], "days": max(0, each["ends_in"] // 86_400)},
            )
    if count := status.get("conflicts"):
        yield Alert(
            "warning",
            N_("An old service still registers for our endpoints (%(count)s times)"),
            N_("Stop it; the endpoint says where it is"),
            {"count": count},
        )


def _of_nodes(nodes: Sequence[dict[str, Any]]) -> Iterator[Alert]:
    for each in nodes:
        if each["answers"]:
            continue
        if each["node"]:
            yield Alert(
                "failed",
                N_("The node %(name)s does not answer"),
                N_("Calls go to the other nodes; start it, or look at its log"),
                {"name": each["node"]},
                each["problem"],
            )
        else:
            yield Alert(
                "warning",
                N_("Not every node can be asked how it is"),
                N_("Write the admin listeners of all nodes into [admin] nodes"),
                reason=each["problem"],
            )


def _of_store(status: dict[str, Any]) -> Iterator[Alert]:
    if status.get("store_away_since"):
        yield Alert(
            "warning",
            N_("The store does not answer"),
            N_(
                "Calls go by the last known table; changes are refused until it is back"
            ),
            reason=str(status.get("store")),
        )
    elif status.get("store_writable") is False:
        yield Alert(
            "failed",
            N_("The store takes no changes"),
            N_("Make room on its disk, or give it back to its owner"),
            reason=str(status.get("store")),
        )


def _of_pools(status: dict[str, Any], pools: frozenset[str] | None) -> Iterator[Alert]:
    for name, about in sorted((status.get("pools") or {}).items()):
        if pools is not None and name.lower() not in pools:
            continue
        ends = about["front_ends"]
        bad = [each for each in ends if each["state"] == "ejected"]
        if not ends or len(bad) == len(ends):
            yield Alert(
                "failed",
                N_("No front end of %(pool)s can be used"),
                N_("Look at its services, and at the name servers"),
                {"pool": name},
                about.get("error") or "; ".join(sorted({x["reason"] for x in bad})),
            )
            continue
        for each in bad:
            yield Alert(
                "warning",
                N_("%(name)s of %(pool)s does not answer"),
                N_("Calls go to the others; look at its services"),
                {"name": each["name"] or each["address"], "pool": name},
                each["reason"],
            )
        if (about.get("dns_stale_for") or 0) > STALE:
            yield Alert(
                "warning",
                N_("DNS has been silent about %(pool)s for a while"),
                N_("Calls go by its last answer; mend the name servers"),
                {"pool": name},
            )
    for each in (status.get("chat_probe") or {}).get("front_ends", ()):
        is_seen = pools is None or each["pool"].lower() in pools
        if is_seen and not each["success"]:
            yield Alert(
                "failed",
                N_("A chat start at %(name)s of %(pool)s does not come to its end"),
                N_("Look at the lookup and channel services of that front end"),
                {"name": each["front_end"], "pool": each["pool"]},
                f"{each['step']}: {each['reason']}",
            )
