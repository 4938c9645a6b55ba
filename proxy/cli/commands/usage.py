"""``waypost usage`` and ``waypost endpoint retire``."""

import csv
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from proxy.admin import usage as verbs
from proxy.admin.as_json import iso, usage_view_to_json
from proxy.admin.control import ControlError, Operator, Outcome
from proxy.admin.usage import UsageView
from proxy.cli.commands.endpoint import (
    Confirm,
    Identity,
    IdentityOption,
    Quiet,
    WhatIf,
    required,
    run_change,
)
from proxy.cli.commands.unknown import show_unknown
from proxy.cli.screen import render
from proxy.cli.screen.layout import lay_out
from proxy.cli.screen.output import made
from proxy.cli.screen.pool_usage import (
    COLUMNS,
    chart,
    left_sentence,
    print_columns,
    row_of,
)
from proxy.cli.screen.spreadsheet import plain_cell
from proxy.cli.session import Session
from proxy.endpoints.pool_usage import DAY, date_of
from proxy.endpoints.usage import Usage
from proxy.sip.display import visible

if TYPE_CHECKING:
    from rich.text import Text

WATCH: Final = 1.0
WATCHED_ROWS: Final = 30
SEVERAL: Final = 10
_TOGETHER: Final = (
    "--as-plan and --pool-fqdn go with --unknown, --watch and --daily do not: "
    "waypost usage --unknown --as-plan FILE"
)
_CSV: Final = (
    *("endpoint", "client", "first_seen", "last_seen", "count", "failed"),
    *("user_agent", "epid", "source"),
)


def usage(
    context: typer.Context,
    identity: Identity = None,
    user: Annotated[
        str | None,
        typer.Argument(
            metavar="USER", help='After "forget": whose rows to remove, for good.'
        ),
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, help="Quiet: no user for this time.")
    ] = verbs.QUIET_DAYS,
    as_csv: Annotated[bool, typer.Option("--csv", help="Every row, as CSV.")] = False,
    daily: Annotated[
        bool, typer.Option("--daily", help="Distinct users by pool and day, a chart.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay and follow; Ctrl-C ends it.")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="With --watch: end after this time.")
    ] = None,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="What is dialled and nobody serves.")
    ] = False,
    as_plan: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="With --unknown: a plan of them; - is the screen."
        ),
    ] = None,
    pool_fqdn: Annotated[
        str | None, typer.Option(help="With --as-plan: where all of them shall lead.")
    ] = None,
) -> None:
    """Who still dials a legacy address: how many, how often, who was last.

    "usage forget USER" removes a user from the ledger.
    """
    session: Session = context.obj
    if identity == "forget" or user is not None:
        _forget(session, identity, user)
        return
    is_counted = session.config().usage.ledger
    if unknown or as_plan or pool_fqdn:
        if watch or daily or not unknown:
            raise ControlError(_TOGETHER)
        show_unknown(session, identity, as_csv, as_plan, pool_fqdn)
        return

    def look() -> list[UsageView]:
        return session.operate(
            lambda op: verbs.get_usage(op, identity, days, is_counted=is_counted)
        )

    if watch:
        session.stay()
        _watch(look, identity is not None, seconds)
        return
    _show(session, look(), identity is not None, as_csv, days if daily else 0)


def _show(
    session: Session, views: list[UsageView], is_one: bool, as_csv: bool, days: int
) -> None:
    """``days`` is 0 unless users are wanted by day."""
    if session.json:
        render.print_json([usage_view_to_json(view) for view in views])
    elif as_csv and days:
        _print_days_csv(views)
    elif as_csv:
        _print_csv(views)
    elif days:
        _print_days(views, days)
    elif not views:
        print("no endpoints")
    elif is_one:
        _print_one(views[0])
    else:
        _print_all(views)


def activate(
    context: typer.Context,
    identity: Identity = None,
    what_if: WhatIf = False,
    confirm: Confirm = False,
    quiet: Quiet = False,
    identity_option: IdentityOption = None,
) -> None:
    """Take "retire" back: whoever dials it reaches the pool again."""
    who = required(identity, identity_option)

    async def work(operator: Operator, what_if: bool) -> Outcome:
        return await verbs.activate(operator, who, what_if=what_if)

    run_change(context, work, what_if, confirm, False, quiet)


def retire(
    context: typer.Context,
    identity: Identity = None,
    text: Annotated[
        str | None, typer.Option(help="What the 410 says, one line.")
    ] = None,
    what_if: WhatIf = False,
    confirm: Confirm = False,
    quiet: Quiet = False,
    identity_option: IdentityOption = None,
) -> None:
    """Answer 410 with a text, and go on counting who asks."""
    who = required(identity, identity_option)

    async def work(operator: Operator, what_if: bool) -> Outcome:
        return await verbs.retire(operator, who, text, what_if=what_if)

    session: Session = context.obj
    is_counted = session.config().usage.ledger
    (view,) = session.operate(
        lambda operator: verbs.get_usage(operator, who, is_counted=is_counted)
    )
    run_change(context, work, what_if, confirm, False, quiet)
    if (view.summary.recent_users or not is_counted) and not session.json:
        lead = "What if: " if what_if else ""
        note = f"{lead}note: {view.sentence}; whoever still asks gets 410"
        print(note, file=sys.stderr if quiet else sys.stdout)


# -- printing ------------------------------------------------------------------------


def _print_all(views: Sequence[UsageView]) -> None:
    render.print_table(_COLUMNS, [_summary_row(view) for view in views])
    print()
    for view in views:
        _print_summary(view)
        for each in view.compared:
            print(f"  {each.sentence}")
    several = verbs.on_several(views)
    if several:
        more = f" and {len(several) - SEVERAL} more" if len(several) > SEVERAL else ""
        named = ", ".join(several[:SEVERAL])
        render.print_lines([f"on more than one endpoint: {named}{more}"])
    print(f"counted: {verbs.COUNTED_HERE}")


def _print_summary(view: UsageView) -> None:
    lines = [f"{view.address}: {view.sentence}"]
    if view.advice:
        lines.append(f"  -> {view.advice}")
    render.print_lines(lines)


_COLUMNS: Final = ("Endpoint", "State", "Users", "Requests", "Recent", "Last", "By")


def _summary_row(view: UsageView) -> tuple[str, ...]:
    summary, last = view.summary, view.summary.last
    return (
        view.address,
        view.state,
        str(summary.users),
        str(summary.requests),
        str(summary.recent_users),
        render.instant(last.last_at) if last else "never",
        last.aor if last else "-",
    )


def _forget(session: Session, word: str | None, user: str | None) -> None:
    """``usage forget USER``."""
    if word != "forget" or user is None:
        raise ControlError('write "waypost usage forget alice@contoso.com"')
    gone = session.operate(lambda operator: verbs.forget_user(operator, user))
    if gone:
        made(f"{user} is forgotten")
    if session.json:
        render.print_json({"user": user, "rows": gone})
    else:
        print(f"{render.count(gone, 'row')} forgotten; totals of pools name nobody")


def _print_days(views: Sequence[UsageView], days: int) -> None:
    """A chart for each endpoint and pool, and how many users are left."""
    for view in views:
        today = int(view.now // DAY)
        for pool in dict.fromkeys(pool for _, pool, _ in sorted(view.days)):
            counts = {d: n for (_, p, d), n in view.days.items() if p == pool}
            render.print_lines([f"{view.address} at {pool}, users by day (UTC):"])
            render.print_lines(chart(counts, today))
            print(left_sentence(counts, today, days))
            print()
    if not any(view.days for view in views):
        print("nobody was counted yet")
    print(f"counted: {verbs.COUNTED_HERE}")


def _print_days_csv(views: Sequence[UsageView]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("endpoint", "pool", "day", "users"))
    for view in views:
        for (_, pool, day), count in sorted(view.days.items()):
            writer.writerow((view.address, plain_cell(pool), date_of(day), count))


def _print_pools(view: UsageView) -> None:
    """What each pool made of the calls."""
    if len(view.pools) > 1:
        title = f"Calls of the last {view.summary.days} days:"
        render.print_table(COLUMNS, [row_of(each) for each in view.pools], title=title)
        print_columns()
        print()
    for each in view.compared:
        print(each.sentence)


def _print_one(view: UsageView) -> None:
    if view.rows:
        render.print_table(_CLIENT_COLUMNS, [_client_row(row) for row in view.rows])
        print()
    _print_pools(view)
    _print_summary(view)
    print(f"counted: {verbs.COUNTED_HERE}")


_CLIENT_COLUMNS: Final = (
    *("Client", "First seen", "Last seen", "Count", "Failed"),
    *("User agent", "epid", "Source"),
)


def _client_row(row: Usage) -> tuple[str, ...]:
    return (
        row.aor or "(unreadable)",
        render.instant(row.first_at),
        render.instant(row.last_at),
        str(row.count),
        str(row.failed),
        row.user_agent or "-",
        row.epid or "-",
        row.source,
    )


def _print_csv(views: Sequence[UsageView]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_CSV)
    for view in views:
        for row in view.rows:
            writer.writerow(
                (
                    view.address,
                    plain_cell(row.aor),
                    _iso(row.first_at),
                    _iso(row.last_at),
                    row.count,
                    row.failed,
                    *map(plain_cell, (row.user_agent, row.epid, row.source)),
                )
            )


def _iso(at: float) -> str:
    return iso(at)


# -- watching ------------------------------------------------------------------------

_WATCH_COLUMNS: Final = ("Client", "Last seen", "Count", "Failed", "Source")


def _clock(at: float) -> str:
    """The time of a day, with the day when it is another one."""
    then, today = datetime.fromtimestamp(at), datetime.now()
    form = "%H:%M:%S %z" if then.date() == today.date() else "%Y-%m-%d %H:%M %z"
    return then.astimezone().strftime(form)


def _watch(look: Any, one: bool, seconds: float | None) -> None:
    from rich.console import Console
    from rich.live import Live

    if not sys.stdout.isatty() and seconds is None:
        raise ControlError(
            "--watch needs a terminal; in a script use --json, or --seconds with it"
        )
    end = None if seconds is None else time.monotonic() + seconds
    console = Console()
    if not console.is_terminal:
        console.size = console.size._replace(width=120, height=WATCHED_ROWS + 5)
    first = _screen(look(), one, console.width)
    with Live(
        first,
        console=console,
        auto_refresh=False,
        vertical_overflow="crop",
        # The streams belong to the process: in a console, to others as well.
        redirect_stdout=False,
        redirect_stderr=False,
    ) as live:
        while end is None or time.monotonic() < end:
            time.sleep(WATCH if end is None else max(0.0, min(WATCH, seconds or 0)))
            live.update(_screen(look(), one, console.width), refresh=True)


def _watched_row(view: UsageView) -> tuple[str, ...]:
    last = view.summary.last
    *row, _, who = _summary_row(view)
    return (*row, _clock(last.last_at) if last else "never", who)


def _screen(views: Sequence[UsageView], one: bool, width: int) -> "Text":
    """The table as it is now, the latest on top."""
    from rich.text import Text

    columns = _WATCH_COLUMNS if one else _COLUMNS
    rows: list[tuple[str, ...]]
    if one:
        # What fits a terminal of 80 columns.
        rows = [
            (row.aor, _clock(row.last_at), str(row.count), str(row.failed), row.source)
            for view in views
            for row in view.rows
        ]
    else:
        rows = [_watched_row(view) for view in views]
    shown = [tuple(map(visible, row)) for row in rows[:WATCHED_ROWS]]
    now = datetime.now().strftime("%H:%M:%S")
    return Text("\n".join([now, "", *lay_out(columns, shown, width)]))
