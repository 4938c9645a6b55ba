"""``waypost store``: move everything into another store."""

import sys
import time
from dataclasses import asdict
from typing import Annotated, Final

import typer

from proxy.admin.control import ControlError
from proxy.cli.screen import render
from proxy.cli.screen.output import made
from proxy.cli.session import Session

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The store as a whole."
)

SELDOM: Final = 5.0
"""Seconds between two lines where there is no terminal."""

Url = Annotated[
    str,
    typer.Argument(
        help="sqlite:////var/lib/waypost/waypost.db, redis://host/0, "
        "redis+sentinel://... or redis+cluster://..."
    ),
]


class Progress:
    """How far a move is, on standard error: at once on a terminal, else seldom."""

    def __init__(self) -> None:
        self._is_live = sys.stderr.isatty()
        self._told_at = time.monotonic()

    def show(self, what: str, done: int, rows: int) -> None:
        """One line, in place of the one before where that can be."""
        text = f"{what}: {done} of {rows}"
        if self._is_live:
            print(f"\r{text:<60}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._told_at >= SELDOM:
            self._told_at = time.monotonic()
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the terminal clean."""
        if self._is_live:
            print(f"\r{'':<60}\r", end="", file=sys.stderr, flush=True)


@app.command()
def migrate(context: typer.Context, source: Url, target: Url) -> None:
    """Copy SOURCE into the empty TARGET and compare; proxies must be stopped."""
    import asyncio

    from proxy.admin import migrate as verbs
    from proxy.config.redis_url import check_redis_url, is_redis_url

    for url in (source, target):
        if is_redis_url(url):
            try:
                check_redis_url(url)
            except ValueError as error:
                raise ControlError(str(error)) from None
    progress = Progress()
    try:
        moved = asyncio.run(verbs.migrate(source, target, progress.show))
    finally:
        progress.end()
    made("everything was copied, and both stores are the same")
    session: Session = context.obj
    if session.json:
        render.print_json([asdict(each) for each in moved])
        return
    for each in moved:
        print(f"{each.section:<10} {each.rows:>8} rows, {each.written} written")
    print("both are the same: now change url in section [store] and start Waypost")
