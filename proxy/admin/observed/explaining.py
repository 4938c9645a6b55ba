"""What would become of a request: asked of the running service."""

import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from proxy.admin import cutover
from proxy.admin.control import ControlError, Operator
from proxy.admin.listener import client
from proxy.config import Config
from proxy.endpoints.codec import endpoint_to_json
from proxy.endpoints.cutover import Share
from proxy.endpoints.model import Endpoint
from proxy.endpoints.plan import Plan
from proxy.sip.errors import MalformedMessage
from proxy.sip.uri import parse_uri

MOST: Final = 5000
"""Bytes of a question to the service; its listener takes little more."""

Words = Mapping[str, str]
Explained = dict[str, Any]
Here = Callable[[Config, Words], Awaitable[Explained]]
"""Answers where no service does: from configuration, store and DNS."""


def ask_service(config: Config, words: Words) -> Explained:
    """What the service says.  Raises AdminError when it does not, ControlError."""
    path = f"/explain?{urlencode({k: v for k, v in words.items() if v})}"
    status, body = client.call(config, "GET", path)
    text = body.decode("utf-8", "replace").strip()
    if status == 400:
        raise ControlError(text)
    if status >= 300:
        raise client.AdminError(f"the service answered {status}: {text}")
    answer: Explained = json.loads(text)
    return answer


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
