"""``waypost store``: move everything into another store, back it up."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from proxy import clock
from proxy.admin.as_json import backup_to_json, steps_to_json
from proxy.admin.control import ControlError
from proxy.admin.doctor.verdicts import summary
from proxy.cli.commands.endpoint import WhatIf
from proxy.cli.commands.judged import Strict, end
from proxy.cli.screen import render
from proxy.cli.screen.output import made
from proxy.cli.screen.steps import print_steps, print_summary
from proxy.cli.session import Session, current_actor
from proxy.store.factory import sqlite_path

if TYPE_CHECKING:
    from proxy.admin.storage.restore import Restored
    from proxy.store.sqlite.backup_file import Backup

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


@contextmanager
def _shown() -> Iterator[Progress]:
    progress = Progress()
    try:
        yield progress
    finally:
        progress.end()


@app.command()
def backup(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(help="The file to write; in a folder one named after the time."),
    ],
    keep: Annotated[
        int | None,
        typer.Option(
            min=1, help="Of a folder: then remove all but the newest so many."
        ),
    ] = None,
) -> None:
    """Write everything into FILE, whole and read back, while the service runs."""
    import asyncio

    from proxy.admin.storage import backup as verbs

    session: Session = context.obj
    folder = file if file.is_dir() else None
    if keep is not None and folder is None:
        raise ControlError(f"--keep is for a folder, and {file} is none: leave it out")
    url = session.config().store_url
    with _shown() as progress:
        found = asyncio.run(verbs.back_up(url, file, clock.wall(), progress.show))
    made(f"the backup {found.path} was written")
    gone = verbs.thin_out(folder, keep) if folder and keep else []
    if session.json:
        removed = [str(each) for each in gone]
        render.print_json({**backup_to_json(found), "removed": removed})
        return
    print(f"{found.path}: {_size(found.size)}, read back and whole")
    print("  " + _held(found))
    for each in gone:
        print(f"removed {each}")


@app.command()
def check(context: typer.Context, strict: Strict = False) -> None:
    """Is the store whole, of this version, and can the service write it?"""
    import asyncio

    from proxy.admin.storage import check as verbs

    session: Session = context.obj
    steps = asyncio.run(verbs.check(session.config().store_url, clock.wall()))
    if session.json:
        render.print_json(steps_to_json(steps))
    else:
        print_steps(steps)
        print_summary(summary(steps))
    end(steps, strict)


@app.command()
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A backup, of any kind of store.")],
    force: Annotated[
        bool,
        typer.Option("--force", help="Even where the store knows what FILE does not."),
    ] = False,
    what_if: WhatIf = False,
) -> None:
    """Put the backup FILE in the place of the store, all of it or nothing."""
    import asyncio

    from proxy.admin.storage import restore as verbs

    session: Session = context.obj
    url = session.config().store_url
    wish = verbs.Wish(url, file, current_actor(), clock.wall(), force, what_if)
    with _shown() as progress:
        found = asyncio.run(verbs.restore(wish, progress.show))
    if not what_if:
        made(f"the store was restored from {file}")
    if session.json:
        kept = None if found.kept is None else str(found.kept)
        more = {
            "what_if": what_if,
            "lost": found.lost,
            "kept": kept,
            "in_use_by": found.in_use_by or None,
        }
        render.print_json({**backup_to_json(found.backup), **more})
        return
    render.print_lines(_told(found, url, what_if))


def _told(found: "Restored", url: str, what_if: bool) -> Iterator[str]:
    lead, verb = ("What if: ", "restore") if what_if else ("", "restored")
    backup = found.backup
    made_at = backup.made_at
    of = "a plain copy" if made_at is None else f"of {render.instant(made_at)}"
    yield f"{lead}{verb} {backup.path} ({of})"
    yield f"{lead}  {_held(backup)}"
    for each in found.lost:
        yield f"{lead}  not in it: {each}"
    pending = backup.contents.pending_cutover
    if pending is not None:
        yield (
            f"{lead}  cutover {pending} is not confirmed in it: when its time is over, "
            "the next start rolls it back"
        )
    if found.kept is not None:
        yield f"{lead}  the store of before is kept as {found.kept}"
    if found.in_use_by:
        yield (
            f"{lead}not yet: {found.in_use_by} has the store open. Stop the service "
            'and its console first ("systemctl stop waypost waypost-console"), and '
            "start them again afterwards"
        )
    elif sqlite_path(url) is not None:
        yield f"{lead}now start the service"
    elif not found.is_same_store:
        yield f"{lead}it was another store: now restart the service on every node"
    else:
        yield f"{lead}every node that runs takes it over within a second"


def _size(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB" if size >= 100_000 else f"{size:,} bytes"


def _held(found: "Backup") -> str:
    """The counts that people know their store by."""
    rows = found.contents.rows
    return ", ".join(
        render.count(rows.get(table, 0), noun)
        for table, noun in (
            *(("endpoints", "endpoint"), ("bindings", "contact")),
            *(("usage", "legacy user"), ("audit", "change")),
        )
    )


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
    with _shown() as progress:
        moved = asyncio.run(verbs.migrate(source, target, progress.show))
    made("everything was copied, and both stores are the same")
    session: Session = context.obj
    if session.json:
        render.print_json([asdict(each) for each in moved])
        return
    for each in moved:
        rows = "row" if each.rows == 1 else "rows"
        print(f"{each.section:<10} {each.rows:>8} {rows}, {each.written} written")
    print("both are the same: now change url in section [store] and start Waypost")
