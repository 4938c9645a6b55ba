"""Usage: who still dials the legacy addresses, and what nobody serves."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from proxy.admin import unknown, usage
from proxy.admin.control import Operator
from proxy.admin.usage import UsageView
from proxy.config import Config
from proxy.console.api.routing import Conf, Reader
from proxy.console.pages.routing import Pages
from proxy.console.pages.site import page

pages = Pages()

DAYS: Final = 14
MOST_DAYS: Final = 400
SHOWN: Final = 200
_WIDTH: Final = 640
_HEIGHT: Final = 120


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of a chart: pixels from the left and the top, and what it says."""

    x: float
    y: float
    width: float
    height: float
    day: int
    users: int


@pages.get("/usage")
async def usage_page(request: Request, operator: Reader, config: Conf) -> Response:
    """Every endpoint's ledger."""
    days = _days(request)
    views = await _views(operator, config, days)
    return page(
        request,
        "usage.html",
        days=days,
        views=views,
        charts={view.address: bars_of(view, days) for view in views},
        several=usage.on_several(views),
        unserved=await unknown.get_unknown(operator),
        shown=SHOWN,
    )


@pages.get("/usage/export")
async def export(request: Request, operator: Reader, config: Conf) -> Response:
    """Who dials what, for a spreadsheet."""
    views = await _views(operator, config, _days(request))
    made = io.StringIO()
    writer = csv.writer(made)
    writer.writerow(
        ["endpoint", "user", "calls", "failed", "last_at", "user_agent", "source"]
    )
    for view in views:
        for row in view.rows:
            line = (
                *(view.address, row.aor, row.count, row.failed),
                *(row.last_at, row.user_agent, row.source),
            )
            writer.writerow([harmless(str(each)) for each in line])
    headers = {"Content-Disposition": 'attachment; filename="usage.csv"'}
    return Response(made.getvalue().encode("utf-8-sig"), 200, headers, "text/csv")


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: strangers choose these words."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


async def _views(operator: Operator, config: Config, days: int) -> list[UsageView]:
    return await usage.get_usage(operator, None, days, is_counted=config.usage.ledger)


def _days(request: Request) -> int:
    text = request.query_params.get("days", "")
    known = text.isdecimal() and len(text) < 4
    return min(max(int(text), 1), MOST_DAYS) if known else DAYS


def bars_of(view: UsageView, days: int) -> Sequence[Bar]:
    """Distinct users of each day, all pools together; nothing when nobody came."""
    last = int(view.now // usage.DAY)
    counts = {last - back: 0 for back in range(days - 1, -1, -1)}
    for (_, _, day), count in view.days.items():
        if day in counts:
            counts[day] += count
    most = max(counts.values())
    if not most:
        return ()
    step = _WIDTH / days
    return [
        Bar(
            round(place * step, 1),
            round(_HEIGHT - _HEIGHT * count / most, 1),
            round(max(step - 2, 1), 1),
            round(_HEIGHT * count / most, 1),
            day,
            count,
        )
        for place, (day, count) in enumerate(counts.items())
    ]
