"""Usage: who still dials the legacy addresses, and what nobody serves."""

import csv
import io
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
from proxy.console.pages.site import page, site_of
from proxy.console.pages.wording.dialled import dialled
from proxy.endpoints.pool_usage import users_left

pages = Pages()

DAYS: Final = 14
MOST_DAYS: Final = 400
SHOWN: Final = 200
_WIDTH: Final = 640
_HEIGHT: Final = 120


@dataclass(frozen=True, slots=True)
class Bar:
    """One pool's part of one day: pixels from the left and the top, what it says.

    ``place`` is that of its pool among those of the chart.
    """

    x: float
    y: float
    width: float
    height: float
    day: int
    users: int
    place: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Distinct users of each day, by pool; ``totals`` are those of each day."""

    pools: list[str]
    bars: list[Bar]
    totals: list[int]


@pages.get("/usage")
async def usage_page(request: Request, operator: Reader, config: Conf) -> Response:
    """Every endpoint's ledger."""
    days = _days(request)
    views = await _views(operator, config, days)
    spoken = site_of(request).words_of(request)
    rows, today = await operator.store.user_days(), int(operator.clock() // usage.DAY)
    left = {
        view.address: users_left(
            (x for x in rows if x.endpoint_key == view.summary.endpoint_key),
            today - days,
            view.endpoint.pool_fqdn if view.endpoint else "",
        )
        for view in views
    }
    return page(
        request,
        "usage.html",
        days=days,
        views=views,
        sentences={view.address: dialled(spoken, view) for view in views},
        left=left,
        charts={view.address: chart_of(view, days) for view in views},
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


def chart_of(view: UsageView, days: int) -> Chart | None:
    """Distinct users of each day, the pools upon each other; None when nobody came."""
    last = int(view.now // usage.DAY)
    first = last - days + 1
    counts: dict[str, dict[int, int]] = {}
    for (_, pool, day), count in sorted(view.days.items()):
        if first <= day <= last and count:
            counts.setdefault(pool, {})[day] = count
    if not counts:
        return None
    totals = [sum(x.get(first + n, 0) for x in counts.values()) for n in range(days)]
    unit, step = _HEIGHT / max(totals), _WIDTH / days
    bars = []
    for number in range(days):
        y = float(_HEIGHT)
        for place, by_day in enumerate(counts.values()):
            users = by_day.get(first + number, 0)
            if not users:
                continue
            y -= unit * users
            where = round(number * step, 1), round(y, 1)
            size = round(max(step - 2, 1), 1), round(unit * users, 1)
            bars.append(Bar(*where, *size, first + number, users, place))
    return Chart(list(counts), bars, totals)
