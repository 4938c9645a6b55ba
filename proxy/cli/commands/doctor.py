"""``waypost doctor``: can these endpoints be served now?"""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from proxy.admin.control import ControlError, Operator
from proxy.admin.cutover import read_plan
from proxy.admin.doctor.doctor import Doctor, Journey, Step, pool_context, worst
from proxy.admin.doctor.serving import service_step
from proxy.admin.in_force import is_in_force
from proxy.cli.commands.endpoint import Identity
from proxy.cli.screen import render
from proxy.cli.session import Session
from proxy.config import Config
from proxy.endpoints.model import Endpoint
from proxy.endpoints.usage import DOCTOR
from proxy.pools.front_end import FrontEnd


def doctor(
    context: typer.Context,
    identity: Identity = None,
    journey: Annotated[
        bool,
        typer.Option(
            "--journey",
            help="Play a legacy client's lookup as well: through the running proxy, "
            "else straight to the pool.",
        ),
    ] = False,
    plan: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="What this plan would make or switch, beforehand."
        ),
    ] = None,
) -> None:
    """Examine one endpoint, or all: domain, conflict, DNS, TCP, TLS, OPTIONS."""
    session: Session = context.obj
    config = session.config()
    planned = None if plan is None else read_plan(plan)
    if planned is not None and identity is not None:
        raise ControlError("examine an endpoint or a plan, not both at once")

    async def work(operator: Operator) -> list[Step]:
        steps = []
        # What is only planned is not routed yet: then straight to the pool.
        play = journey_of(config, planned is not None) if journey else None
        examiner = Doctor(operator, config)
        version = await operator.store.table_version()
        is_in_force(config, version)  # it may be about to take a change over
        first = service_step(config, version, planned is not None)
        if not session.json:
            print_step(first)
        steps.append(first)
        found = (
            examiner.endpoints(identity, play)
            if planned is None
            else examiner.plan(planned, play)
        )
        async for step in found:
            if not session.json:
                print_step(step)
            steps.append(step)
        return steps

    steps = session.operate(work)
    if session.json:
        render.print_json(
            {"verdict": worst(steps), "steps": [asdict(step) for step in steps]}
        )
    elif len(steps) == 1:
        print("no endpoints")
    if worst(steps) == "failed":
        raise typer.Exit(1)


def print_step(step: Step) -> None:
    """One line, and one more that says what to do."""
    time = f"  {step.ms:g} ms" if step.ms is not None else ""
    lines = [f"{step.verdict:<8}{step.of}  {step.name}: {step.text}{time}"]
    if step.fix:
        lines.append(f"        -> {step.fix}")
    render.print_lines(lines)


def journey_of(config: Config, is_straight: bool = False) -> Journey:
    """The lookup through our own service when it is ready, else to the front end."""
    from proxy.admin.listener import client
    from proxy.lab.lookup import play_lookup

    def own_listener() -> tuple[str, tuple[str, int]] | None:
        try:
            if client.phase(config) != "ready":
                return None
        except client.AdminError:
            return None
        for listen in config.listen:
            if listen.transport != "tls":
                host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(
                    listen.host, listen.host
                )
                return listen.transport, (host, listen.port)
        return None

    async def play(endpoint: Endpoint, front_end: FrontEnd) -> Iterable[Step]:
        alias = endpoint.sip_address
        user = f"sip:{DOCTOR}@{endpoint.key.partition('@')[2]}"
        own = None if is_straight else own_listener()
        if own is not None:
            transport, address = own
            steps = await play_lookup(
                address, transport, alias, alias, user=user, host=address[0]
            )
            way = f"through the proxy at {address[0]}:{address[1]}"
        else:
            transport = front_end.transport
            steps = await play_lookup(
                (front_end.host, front_end.port),
                transport,
                alias,
                _request_uri(endpoint),
                user=user,
                host=_source(config, front_end),
                tls=pool_context(config, endpoint.pool_fqdn)
                if transport == "tls"
                else None,
                server_name=endpoint.pool_fqdn,
            )
            way = f"straight to {front_end.name or front_end.host}"
        return [
            Step(
                alias,
                f"journey {each.name}",
                "failed" if each.problem else "ok",
                f"{way}: {each.problem}" if each.problem else way,
                "look at the log of the pool's lookup service at this instant"
                if each.problem
                else "",
                each.ms,
            )
            for each in steps
        ]

    return play


def _request_uri(endpoint: Endpoint) -> str:
    """What the proxy would put into the first line."""
    if endpoint.request_uri == "keep":
        return endpoint.sip_address
    if endpoint.request_uri != "pool-host":
        return endpoint.request_uri
    user = endpoint.sip_address.rpartition("@")[0]
    return f"{user}@{endpoint.pool_fqdn}"


def _source(config: Config, front_end: FrontEnd) -> str:
    """The address the proxy would send from."""
    for listen in config.listen:
        if (":" in listen.host) == (":" in front_end.host) and listen.host not in (
            "0.0.0.0",
            "::",
        ):
            return listen.host
    return "::" if ":" in front_end.host else "0.0.0.0"
