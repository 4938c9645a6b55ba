"""The ledger's verbs: who still dials a legacy address, and its retirement."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from proxy.admin.comparison import Compared, by_pool, compare_cutover
from proxy.admin.control import ControlError, Operator, Outcome, apply_change, refusals
from proxy.endpoints.address import Refused
from proxy.endpoints.changes import activate_endpoint, find_endpoint, retire_endpoint
from proxy.endpoints.model import Endpoint
from proxy.endpoints.pool_usage import PoolUsage, users_by_day
from proxy.endpoints.table import EndpointTable
from proxy.endpoints.usage import OTHERS, Usage, UsageSummary, summarise

QUIET_DAYS: Final = 14
"""Days without a user after which an endpoint may go."""
DAY: Final = 86_400
COUNTED_HERE: Final = "legacy clients only; the endpoint isn't used by Persistent Chat"

NOT_COUNTED: Final = "unknown, nobody counts: [usage] ledger = false"


@dataclass(frozen=True, slots=True)
class UsageView:
    """One endpoint's ledger; ``endpoint`` is None once it was removed.

    ``pools`` is what each made of the calls of the last days, ``compared`` the two that
    the newest cutover is about; ``days`` are distinct users by endpoint, pool and day.
    ``is_counted`` is False where the configuration keeps no ledger: nobody counts now,
    and what was counted before says nothing of today.
    """

    address: str
    endpoint: Endpoint | None
    summary: UsageSummary
    rows: Sequence[Usage]
    now: float
    pools: Sequence[PoolUsage] = ()
    compared: Sequence[Compared] = ()
    days: Mapping[tuple[str, str, int], int] = field(default_factory=dict)
    is_counted: bool = True

    @property
    def state(self) -> str:
        """``active``, ``retired`` or ``removed``."""
        return "removed" if self.endpoint is None else self.endpoint.state

    @property
    def is_quiet(self) -> bool:
        """No caller has asked for as long as it takes, and somebody has counted."""
        return (
            self.is_counted
            and self.summary.quiet_for(self.now) >= self.summary.days * DAY
        )

    @property
    def sentence(self) -> str:
        """The one line an administrator wants to read."""
        summary, last = self.summary, self.summary.last
        if not self.is_counted:
            seen = f"; last counted {last.aor} on {_date(last.last_at)}" if last else ""
            return f"{NOT_COUNTED}{seen}"
        quiet = int(summary.quiet_for(self.now) // DAY)
        if summary.recent_users:
            return f"{_users(summary.recent_users)} in the last {_days(summary.days)}"
        who = f"last was {last.aor} on {_date(last.last_at)}" if last else ""
        if last is None or last.last_at < summary.since:
            never = f"never used in the {_days(quiet)} since it was created"
            return f"{never}; {who}" if who else never
        return f"0 users for {_days(quiet)}, {who}"

    @property
    def advice(self) -> str:
        """What may be done next; empty while it is in use, or nobody knows."""
        if not self.is_quiet:
            return ""
        if self.state == "active":
            return f'"waypost endpoint retire {self.address}" answers 410 and counts on'
        if self.state == "retired":
            return f'"waypost endpoint remove {self.address}" ends it'
        return ""


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _date(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d")


def _users(count: int) -> str:
    return "1 user" if count == 1 else f"{count} users"


async def get_usage(
    operator: Operator,
    identity: str | None = None,
    days: int = QUIET_DAYS,
    *,
    is_counted: bool,
) -> list[UsageView]:
    """Every endpoint's ledger, or one's; removed ones too, when somebody used them.

    ``is_counted`` is what the configuration says: ``[usage] ledger``.
    """
    table, now = await operator.store.load_table(), operator.clock()
    endpoints = dict(table.endpoints)
    key = None
    if identity is not None:
        try:
            key = find_endpoint(table, identity).key
        except Refused as refusal:
            key = identity.strip().lower().removeprefix("sip:")
            if not await operator.store.usage(key):
                raise ControlError(str(refusal), kind=refusal.kind) from None
    rows: dict[str, list[Usage]] = {}
    for row in await operator.store.usage(key):
        rows.setdefault(row.endpoint_key, []).append(row)
    keys = [key] if key is not None else sorted({*rows, *endpoints})
    views = [_view(endpoints.get(k), k, rows.get(k, []), now, days) for k in keys]
    views = [replace(view, is_counted=is_counted) for view in views]
    return await _with_pools(operator, table, views, days)


async def _with_pools(
    operator: Operator, table: EndpointTable, views: list[UsageView], days: int
) -> list[UsageView]:
    """The views with what each pool made of the calls, and who was there when."""
    first = int(operator.clock() // DAY) - days + 1
    counts = [x for x in await operator.store.pool_usage() if x.day >= first]
    by_day = users_by_day(await operator.store.user_days())
    cutover = table.cutover
    compared = await compare_cutover(operator.store, cutover) if cutover else []
    found = []
    for view in views:
        key = view.summary.endpoint_key
        mine = [x for x in counts if x.endpoint_key == key]
        found.append(
            replace(
                view,
                pools=by_pool(mine),
                compared=[x for x in compared if x.address == view.address],
                days={k: n for k, n in by_day.items() if k[0] == key},
            )
        )
    return found


def on_several(views: Sequence[UsageView]) -> list[str]:
    """Users of more than one endpoint: each has a pool of its own to move to."""
    seen = Counter(row.aor for view in views for row in view.rows)
    return sorted(aor for aor, count in seen.items() if count > 1 and aor != OTHERS)


async def forget_user(operator: Operator, user: str) -> int:
    """Forget a user everywhere in the ledger; how many rows went."""
    aor = user.strip().lower().removeprefix("sip:")
    if "@" not in aor:
        raise ControlError(f"{user} is no address: write alice@contoso.com")
    return await operator.store.forget_user(aor, operator.actor, operator.clock())


def _view(
    endpoint: Endpoint | None, key: str, rows: list[Usage], now: float, days: int
) -> UsageView:
    address = f"sip:{key}" if endpoint is None else endpoint.sip_address
    # A removed one has only its rows to tell of.
    since = (
        endpoint.created_at
        if endpoint
        else min((r.first_at for r in rows), default=now)
    )
    return UsageView(
        address, endpoint, summarise(key, rows, since, now, days), rows, now
    )


async def retire(
    operator: Operator, identity: str, text: str | None = None, *, what_if: bool = False
) -> Outcome:
    """Answer 410 from now on; who asks is still counted."""
    with refusals():
        decide = retire_endpoint(identity, text, operator.clock())
    return await apply_change(operator, "endpoint.retire", decide, what_if)


async def activate(
    operator: Operator, identity: str, *, what_if: bool = False
) -> Outcome:
    """Take a retirement back: requests go to the pool again."""
    decide = activate_endpoint(identity, operator.clock())
    return await apply_change(operator, "endpoint.activate", decide, what_if)
