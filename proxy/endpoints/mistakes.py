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
            mistakes += [placed(plan, line, text) for line, text in wrong]
            continue
        address = endpoint_address(change.sip_address, rules.domains)
        right.append((change, address, _fields(change).checked(rules)))
    return right, mistakes


def _fields(change: PlannedChange) -> EndpointFields:
    return EndpointFields(
        change.pool_fqdn, change.display_name, change.request_uri, change.service_uris
    )


def _mistakes(change: PlannedChange, rules: Rules) -> Iterator[tuple[int, str]]:
    """A line and a sentence for each mistake; each field is checked by itself, because
    a check of all stops at the first one."""
    try:
        endpoint_address(change.sip_address, rules.domains)
    except Refused as refusal:
        yield change.line_of("sip_address"), str(refusal)
    line_of = change.line_of
    alone = [
        (line_of("pool_fqdn"), EndpointFields(pool_fqdn=change.pool_fqdn)),
        (line_of("display_name"), EndpointFields(display_name=change.display_name)),
        (line_of("request_uri"), EndpointFields(request_uri=change.request_uri)),
        *(
            (line_of("service_uris", uri), EndpointFields(service_uris=(uri,)))
            for uri in change.service_uris or ()
        ),
    ]
    for line, fields in alone:
        try:
            fields.checked(rules)
        except Refused as refusal:
            yield line, str(refusal)


def placed(plan: Plan, line: int, text: str) -> str:
    """A mistake with its place in the plan; a change that was read from no file has
    none."""
    return f"{place(plan.file, line)}: {text}" if line else text


def in_order(mistakes: Iterable[str], file: str) -> list[str]:
    """Mistakes in the order of their lines, each once; those without a line first."""

    def line(mistake: str) -> int:
        found = _LINE.match(mistake, len(file)) if mistake.startswith(file) else None
        return int(found[1]) if found else 0

    return sorted(dict.fromkeys(mistakes), key=line)
