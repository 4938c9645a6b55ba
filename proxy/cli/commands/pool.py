"""``waypost pool``: how pools are reached."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from proxy.admin import control
from proxy.admin.as_json import pool_view_to_json
from proxy.admin.control import Operator, Outcome
from proxy.cli.commands.endpoint import Quiet, WhatIf, run_change
from proxy.cli.screen import render
from proxy.cli.session import Session
from proxy.cli.typed.instants import span

if TYPE_CHECKING:
    from proxy.pools.description import PoolDescription

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Pools and how they are reached."
)

Fqdn = Annotated[str, typer.Argument(metavar="FQDN", help="The pool's full name.")]
FrontEnd = Annotated[
    str,
    typer.Argument(
        metavar="FRONT-END", help="Its name or its address, with :port if need be."
    ),
]
OfPool = Annotated[
    str | None, typer.Option(help="For this pool alone; without it for every pool.")
]


@app.command("set")
def set_(
    context: typer.Context,
    fqdn: Fqdn,
    transport: Annotated[
        Literal["auto", "udp", "tcp", "tls"] | None,
        typer.Option(help="auto: as DNS says."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="No SRV records, this port; 0: SRV."),
    ] = None,
    what_if: WhatIf = False,
    quiet: Quiet = False,
) -> None:
    """Fix the transport or the port of a pool."""

    async def work(operator: Operator, what_if: bool) -> Outcome:
        return await control.set_pool(
            operator, fqdn, transport=transport, port=port, what_if=what_if
        )

    run_change(context, work, what_if, False, False, quiet)


@app.command()
def drain(
    context: typer.Context,
    front_end: FrontEnd,
    lasts: Annotated[
        str | None,
        typer.Option("--for", help="It comes back by itself after 30m or 2h."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; status and history show it.")] = "",
    pool: OfPool = None,
    force: Annotated[
        bool, typer.Option("--force", help="Even the last one, or one DNS lacks.")
    ] = False,
    what_if: WhatIf = False,
    quiet: Quiet = False,
) -> None:
    """Send no new dialogs to a front end; those in progress stay there."""
    from proxy.admin import draining

    session: Session = context.obj
    config = session.config()
    seconds = None if lasts is None else span(lasts, "--for")

    async def work(operator: Operator, what_if: bool) -> Outcome:
        return await draining.drain(
            operator,
            config,
            front_end,
            pool=pool,
            seconds=seconds,
            reason=reason,
            force=force,
            what_if=what_if,
        )

    run_change(context, work, what_if, False, False, quiet)


@app.command()
def undrain(
    context: typer.Context,
    front_end: FrontEnd,
    pool: OfPool = None,
    what_if: WhatIf = False,
    quiet: Quiet = False,
) -> None:
    """Send new dialogs to a front end again."""
    from proxy.admin import draining

    session: Session = context.obj
    config = session.config()

    async def work(operator: Operator, what_if: bool) -> Outcome:
        return await draining.undrain(
            operator, config, front_end, pool=pool, what_if=what_if
        )

    run_change(context, work, what_if, False, False, quiet)


@app.command("list")
def list_(context: typer.Context) -> None:
    """Every pool that an endpoint, a pool setting or a pending cutover names."""
    from proxy.cli.screen.pool_table import endpoints_of

    session: Session = context.obj
    views = session.operate(control.get_pools)
    if session.json:
        render.print_json([pool_view_to_json(view) for view in views])
    elif not views:
        print("no pools")
    else:
        render.print_table(
            ("Pool", "Transport", "Port", "Endpoints"),
            [
                (
                    view.pool.fqdn,
                    view.pool.transport or "auto",
                    str(view.pool.port or "SRV"),
                    endpoints_of(view),
                )
                for view in views
            ],
        )


@app.command()
def show(context: typer.Context, fqdn: Fqdn) -> None:
    """Ask DNS about a pool, and the running service how its front ends are."""
    import asyncio

    from proxy.admin.pool_show import ask_service, resolve_pool, with_health
    from proxy.cli.screen.pool_table import print_pool

    session: Session = context.obj
    config = session.config()
    (view,) = session.operate(lambda operator: control.get_pools(operator, fqdn))
    asked, servers = asyncio.run(resolve_pool(config, view))
    service = ask_service(config, view.pool.fqdn)
    description = with_health(asked, service)
    if session.json:
        dns = {**asdict(description), "nameservers": servers}
        found = {**pool_view_to_json(view), "dns": dns, "service": asdict(service)}
        render.print_json(found)
    else:
        print_pool(view, description, servers, service)
    if not description.front_ends:
        raise control.ControlError(_no_front_end(view.pool.fqdn, description))


def _no_front_end(fqdn: str, description: "PoolDescription") -> str:
    if "DNS failed" in description.reason or description.error == "timeout":
        advice = "Check nameservers in section [dns] of the configuration"
    else:
        advice = (
            "Add SRV or address records for it; a fixed port "
            f'("waypost pool set {fqdn} --port 5060") needs address records only'
        )
    return f"{fqdn} has no front end: {description.reason or 'no records'}. {advice}"
