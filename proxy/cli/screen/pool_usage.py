"""How pools are compared on the screen, and how users leave: a table, a chart."""

from collections.abc import Sequence
from typing import Final

from proxy.admin.comparison import Compared
from proxy.cli.screen import render
from proxy.cli.screen.output import is_unicode
from proxy.endpoints.pool_usage import PoolUsage, date_of

COLUMNS: Final = ("Pool", "Calls", "Failed", "p50", "p99", "Journeys")
COLUMNS_SAY: Final = (
    "p50, p99: of the time until the first answer (180 or final, not 100);\n"
    "journeys: users who came through to the channel"
)
CHART_DAYS: Final = 28
BAR: Final = 30


def row_of(usage: PoolUsage) -> tuple[str, ...]:
    """One pool as a line of a table."""
    return (
        usage.pool_fqdn,
        str(usage.calls),
        str(usage.failed),
        _time(usage.quantile(0.5)),
        _time(usage.quantile(0.99)),
        str(usage.journeys),
    )


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds == float("inf"):
        return "> 12 s"
    return f"<= {seconds:.1f} s" if seconds >= 1 else f"<= {seconds * 1000:.0f} ms"


def print_compared(found: Sequence[Compared]) -> None:
    """Both pools of each endpoint, and the verdict."""
    for each in found:
        print()
        render.print_table(
            COLUMNS, [row_of(each.old), row_of(each.new)], title=f"{each.address}:"
        )
        said = [f"({each.note})"] if each.note else []
        for text in (*said, each.sentence, f"({each.test})"):
            render.print_lines(render.fitted(text))
    if found:
        print()
        print_columns()


def print_columns() -> None:
    """What the columns of a comparison are."""
    for text in COLUMNS_SAY.splitlines():
        render.print_lines(render.fitted(text))


def chart(counts: dict[int, int], today: int) -> list[str]:
    """A bar for each of the last days, the oldest on top."""
    days = range(max(min(counts, default=today), today - CHART_DAYS + 1), today + 1)
    most = max((counts.get(day, 0) for day in days), default=0) or 1
    mark = "█" if is_unicode() else "#"
    return [
        f"{date_of(day)}  {counts.get(day, 0):>6}  "
        f"{mark * round(counts.get(day, 0) / most * BAR)}".rstrip()
        for day in days
    ]


def left_sentence(counts: dict[int, int], today: int, days: int) -> str:
    """``users left: 212 -> 31 in 14 days``: distinct users of the first and last day
    with any, of so many."""
    seen = [d for d in sorted(counts) if today - days < d <= today]
    if not seen:
        return f"users left: nobody called in {days} days"
    arrow = "→" if is_unicode() else "->"
    first = counts[seen[0]]
    last = max(counts.get(today, 0), counts.get(today - 1, 0))  # today is not over
    return f"users left: {first} {arrow} {last} in {days} days"
