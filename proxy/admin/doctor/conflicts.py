"""The old service and the endpoint cannot both have an address: how we report that.

Before: a registration for the address stands in the way of ``endpoint new``. After:
further REGISTERs are refused, counted, and shown with the endpoint.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from proxy.endpoints.model import Endpoint
from proxy.location.binding import Binding
from proxy.store.registrar import Conflict


def still_registered(aor: str, bindings: Sequence[Binding]) -> str:
    """Why an endpoint cannot be created yet: who is registered, and what to do."""
    return (
        f"somebody is registered as sip:{aor}, probably the old Lookup service:\n"
        + "\n".join(map(_describe, bindings))
        + "\nstop that service, or let it sign off, and try again; --force creates the "
        "endpoint all the same and takes the address away from it"
    )


def _describe(binding: Binding) -> str:
    return (
        f"  {binding.uri.decode('utf-8', 'replace')} from {binding.source}"
        f" ({binding.user_agent or 'no User-Agent'}),"
        f" since {_instant(binding.registered_at)},"
        f" expires {_instant(binding.expires_at)}"
    )


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def conflicts_of(endpoint: Endpoint, conflicts: Iterable[Conflict]) -> list[Conflict]:
    """Those of this endpoint, seen since it was created."""
    return [
        each
        for each in conflicts
        if each.endpoint_key == endpoint.key and each.last_at >= endpoint.created_at
    ]


def describe_conflict(conflict: Conflict) -> str:
    """One line for people."""
    times = "once" if conflict.count == 1 else f"{conflict.count} times"
    return (
        f"the old service at {conflict.source}"
        f" ({conflict.user_agent or 'no User-Agent'}) still registers:"
        f" {times}, last {_instant(conflict.last_at)}"
    )
