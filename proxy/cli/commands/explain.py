"""``waypost explain``: what would become of a request, and why."""

import asyncio
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import typer

from proxy.admin import cutover as verbs
from proxy.admin.control import ControlError
from proxy.admin.listener import client
from proxy.cli.commands.cutover import Percent, Pilots, share_of
from proxy.cli.screen import render
from proxy.cli.session import Session
from proxy.config import Config
from proxy.endpoints.codec import endpoint_to_json
from proxy.endpoints.model import Endpoint
from proxy.sip.errors import MalformedMessage
from proxy.sip.uri import parse_uri
from proxy.store import open_store

MOST: Final = 5000
"""Bytes of a question to the service; its listener takes little more."""
Words = dict[str, str]


def explain(
    context: typer.Context,
    uri: Annotated[str, typer.Argument(metavar="URI", help="What is dialled.")],
    caller: Annotated[
        str | None,
        typer.Option("--from", metavar="URI", help="Who dials; a canary asks for it."),
    ] = None,
    method: Annotated[str, typer.Option(help="The request.")] = "INVITE",
    source: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="The client's IP address.")
    ] = None,
    listener: Annotated[
        str | None,
        typer.Option(help="Where it comes in: tls, or tls:10.0.0.5:5061; the first."),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Before and after this plan, side by side."),
    ] = None,
    percent: Percent = None,
    pilots: Pilots = None,
) -> None:
    """Say what would become of a request, rule by rule. Sends none."""
    from proxy.cli.screen.explained import print_both, print_one

    session: Session = context.obj
    words = {
        "uri": uri,
        "from": caller or "",
        "method": method,
        "source": source or "",
        "listener": listener or "",
    }
    config = session.config()
    rows: list[Endpoint] | None = None
    if plan is not None:
        rows = _after(session, plan, percent, pilots)
    elif percent is not None or pilots is not None:
        raise ControlError("--percent and --pilots belong to --plan FILE: name one")
    now = _ask(config, words)
    then = None
    if rows is not None:
        owners = {way["endpoint"] for way in now["ways"]}
        then = _ask(config, {**words, "after": _relevant(rows, uri, owners)})
    if session.json:
        render.print_json(now if then is None else {"before": now, "after": then})
    elif then is None or plan is None:
        print_one(now)
    else:
        print_both(now, then, plan.name)


def _after(
    session: Session, plan: Path, percent: int | None, pilots: Path | None
) -> list[Endpoint]:
    """The endpoints as the plan would leave them; raises ControlError."""
    planned = verbs.read_with_mistakes(plan)
    share = share_of(percent, pilots)
    outcome = session.operate(
        lambda operator: verbs.apply(operator, planned, share=share, what_if=True)
    )
    rows = [change.after for change in outcome.changes]
    return [row for row in rows if isinstance(row, Endpoint)]


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


def _ask(config: Config, words: Words) -> dict[str, Any]:
    """The answer; ``service`` says why it is not the running service's, if so."""
    try:
        return {**_ask_service(config, words), "service": ""}
    except client.AdminError as error:
        problem = str(error)
    return {**asyncio.run(_ask_here(config, words)), "service": problem}


def _ask_service(config: Config, words: Words) -> dict[str, Any]:
    path = f"/explain?{urlencode({k: v for k, v in words.items() if v})}"
    status, body = client.call(config, "GET", path)
    text = body.decode("utf-8", "replace").strip()
    if status == 400:
        raise ControlError(text)
    if status >= 300:
        raise client.AdminError(f"the service answered {status}: {text}")
    answer: dict[str, Any] = json.loads(text)
    return answer


async def _ask_here(config: Config, words: Words) -> dict[str, Any]:
    from proxy.server.store_side.explained import QuestionError, explain_without

    store = await open_store(config.store_url)
    try:
        return await explain_without(config, store, words)
    except QuestionError as error:
        raise ControlError(str(error)) from None
    finally:
        await store.close()
