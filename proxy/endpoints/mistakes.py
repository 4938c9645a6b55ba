"""Every mistake in the changes of a plan, each with its line: none hides another."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from proxy.endpoints.address import Refused, endpoint_address
from proxy.endpoints.changes import EndpointFields, Rules
from proxy.endpoints.plan import Plan, PlannedChange, place

Checked = tuple[PlannedChange, tuple[str, str], dict[str, object]]
"""A change, its address and key, its fields in their one form."""
_LINE: Final = re.compile(r":(\d+): ")


def check_changes(plan: Plan, rules: Rules) -> tuple[list[Checked], list[str]]:
    """The changes that are right in themselves, and what is wrong in the others."""
    right: list[Checked] = []
    mistakes = list(plan.problems)
    for change in plan.changes:
        wrong = list(_mistakes(change, rules))
        if wrong:
            mistakes += [placed(plan, change, text) for text in wrong]
            continue
        address = endpoint_address(change.sip_address, rules.domains)
        right.append((change, address, _fields(change).checked(rules)))
    return right, mistakes


def _fields(change: PlannedChange) -> EndpointFields:
    return EndpointFields(
        change.pool_fqdn, change.display_name, change.request_uri, change.service_uris
    )


def _mistakes(change: PlannedChange, rules: Rules) -> Iterator[str]:
    """A sentence for each; every field is asked for itself."""
    try:
        endpoint_address(change.sip_address, rules.domains)
    except Refused as refusal:
        yield str(refusal)
    alone = [
        EndpointFields(pool_fqdn=change.pool_fqdn),
        EndpointFields(display_name=change.display_name),
        EndpointFields(request_uri=change.request_uri),
        *(EndpointFields(service_uris=(uri,)) for uri in change.service_uris or ()),
    ]
    for fields in alone:
        try:
            fields.checked(rules)
        except Refused as refusal:
            yield str(refusal)


def placed(plan: Plan, change: PlannedChange, text: str) -> str:
    """A mistake with the line of the plan where its change begins."""
    return f"{place(plan.file, change.line)}: {text}" if change.line else text


def in_order(mistakes: Iterable[str], file: str) -> list[str]:
    """By their lines, as one reads a file; what has none stands first."""

    def line(mistake: str) -> int:
        found = _LINE.match(mistake, len(file)) if mistake.startswith(file) else None
        return int(found[1]) if found else 0

    return sorted(dict.fromkeys(mistakes), key=line)
