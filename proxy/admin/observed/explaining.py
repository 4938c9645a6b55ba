"""What would become of a request: asked of the running service."""

import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from proxy.admin import cutover
from proxy.admin.control import ControlError, Operator
from proxy.admin.listener import client
from proxy.admin.observed.asking import Told, ask_each
from proxy.config import Config
from proxy.endpoints.codec import endpoint_to_json
from proxy.endpoints.cutover import Share
from proxy.endpoints.model import Endpoint
from proxy.endpoints.plan import Plan
from proxy.sip.errors import MalformedMessage
from proxy.sip.host import host_port
from proxy.sip.uri import parse_uri

MOST: Final = 5000
"""Bytes of a question to the service; its listener takes little more."""

Words = Mapping[str, str]
Explained = dict[str, Any]
Here = Callable[[Config, Words], Awaitable[Explained]]
"""Answers where no service does: from configuration, store and DNS."""


def ask_service(config: Config, words: Words) -> Explained:
    """What the service says.  Raises AdminError when it does not, ControlError.

    Of several nodes it is what the first one says that answers, with what the others
    say otherwise in ``nodes``.
    """
    asked = {k: v for k, v in words.items() if v}
    try:
        told = ask_each(config, "/explain", asked)
    except client.AdminError as error:
        if error.refusal:
            raise ControlError(error.refusal) from None
        raise
    answer: Explained = next(each.value for each in told if not each.problem)
    nodes = [_said(answer, each) for each in told] if len(told) > 1 else []
    return {**answer, "nodes": nodes}


def _said(answer: Explained, told: Told) -> dict[str, Any]:
    """What a node says otherwise than the answer that is shown."""
    differs = [] if told.problem else _differences(answer, told.value)
    problem = told.refusal or told.problem
    return {"node": told.node, "problem": problem, "differs": differs}


def _differences(here: Explained, there: Explained) -> list[str]:
    """As sentences; the order of front ends is drawn by lot and is none."""
    said = []
    if here["decided_by"] != there["decided_by"]:
        said.append(f"rule {there['decided_by']} decides there")
    ours, theirs = ((x["answer"] or {}).get("status") for x in (here, there))
    if ours != theirs:
        said.append(f"the answer there is {theirs or 'that of a front end'}")
    if _goals(here) != _goals(there):
        goals = ", ".join(_goals(there)) or "nowhere"
        return [*said, f"it goes to {goals} there"]
    states, others = _states(here), _states(there)
    for key in states | others:
        if states.get(key) != others.get(key):
            place = f"{key[0]} ({key[1]}:{host_port(key[2], key[3])})"
            state = others.get(key)
            how = "no front end" if state is None else state
            said.append(f"{place} is {how} there")
    return said


def _goals(told: Explained) -> list[str]:
    return [f"{x['request_uri']} by {x['pool'] or x['host']}" for x in told["ways"]]


def _states(told: Explained) -> dict[tuple[str, str, str, int], str]:
    return {
        (x["name"] or x["host"], x["transport"], x["host"], x["port"]): x["state"]
        for way in told["ways"]
        for x in way["candidates"]
    }


async def after(operator: Operator, plan: Plan, share: Share) -> list[Endpoint]:
    """The endpoints as a plan would leave them; raises ControlError."""
    outcome = await cutover.apply(operator, plan, share=share, what_if=True)
    rows = [change.after for change in outcome.changes]
    return [row for row in rows if isinstance(row, Endpoint)]


def with_rows(words: Words, now: Explained, rows: Sequence[Endpoint]) -> Words:
    """The same question after a plan, ``now`` being the answer before it."""
    owners = {way["endpoint"] for way in now["ways"]}
    return {**words, "after": _relevant(rows, words["uri"], owners)}


def _relevant(rows: Sequence[Endpoint], uri: str, owners: Collection[str]) -> str:
    """Those rows of a plan that can matter for what is dialled, as JSON.

    An endpoint by its own address, one that has service URIs, one whose pool is
    dialled, and the one that handed out what is dialled (``owners``).
    """
    try:
        dialled = parse_uri((uri if ":" in uri else f"sip:{uri}").encode())
        key, host = dialled.key, dialled.host
    except MalformedMessage:
        key = host = ""

    def matters(row: Endpoint) -> bool:
        is_dialled = row.key == key or row.key in owners
        return is_dialled or bool(row.service_uris) or host in row.pools

    text = json.dumps([endpoint_to_json(row) for row in rows if matters(row)])
    if len(urlencode({"after": text})) > MOST:
        raise ControlError(
            "the plan changes more endpoints that could take this request than fit "
            "into one question: cut it down to those you ask about"
        )
    return text
