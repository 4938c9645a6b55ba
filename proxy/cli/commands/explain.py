"""``waypost explain``: what would become of a request, and why."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from proxy.admin import cutover as verbs
from proxy.admin.control import ControlError
from proxy.admin.listener import client
from proxy.admin.observed.explaining import (
    Explained,
    Words,
    after,
    ask_service,
    with_rows,
)
from proxy.cli.commands.cutover import Percent, Pilots, share_of
from proxy.cli.screen import render
from proxy.cli.session import Session
from proxy.config import Config
from proxy.endpoints.model import Endpoint
from proxy.store import open_store


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
        then = _ask(config, with_rows(words, now, rows))
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
    return session.operate(lambda operator: after(operator, planned, share))


def _ask(config: Config, words: Words) -> Explained:
    """The answer; ``service`` says why it is not the running service's, if so."""
    try:
        return {**ask_service(config, words), "service": ""}
    except client.AdminError as error:
        problem = str(error)
    return {**asyncio.run(explain_here(config, words)), "service": problem}


async def explain_here(config: Config, words: Words) -> Explained:
    """Without a service: from configuration, store and DNS; raises ControlError."""
    from proxy.server.store_side.explained import QuestionError, explain_without

    store = await open_store(config.store_url)
    try:
        return await explain_without(config, store, words)
    except QuestionError as error:
        raise ControlError(str(error)) from None
    finally:
        await store.close()
