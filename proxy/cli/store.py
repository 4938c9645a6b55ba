"""``waypost store``: move everything into another store."""

from dataclasses import asdict
from typing import Annotated

import typer

from proxy.admin.control import ControlError
from proxy.cli import render
from proxy.cli.session import Session

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The store as a whole."
)

Url = Annotated[
    str,
    typer.Argument(help="sqlite:////var/lib/waypost/waypost.db or redis://host/0."),
]


@app.command()
def migrate(context: typer.Context, source: Url, target: Url) -> None:
    """Copy SOURCE into the empty TARGET and compare; proxies must be stopped."""
    import asyncio

    from proxy.admin import migrate as verbs
    from proxy.config.redis_url import check_redis_url

    for url in (source, target):
        if url.startswith("redis"):
            try:
                check_redis_url(url)
            except ValueError as error:
                raise ControlError(str(error)) from None
    moved = asyncio.run(verbs.migrate(source, target))
    session: Session = context.obj
    if session.json:
        render.print_json([asdict(each) for each in moved])
        return
    for each in moved:
        print(f"{each.section:<10} {each.rows:>8} rows, {each.written} written")
    print("both are the same: now change url in section [store] and start Waypost")
