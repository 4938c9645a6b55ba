"""Old and new pool of a cutover: which calls count, and the sentence about them."""

from proxy.admin.comparison import by_pool, compare_cutover
from proxy.endpoints.model import Canary, Cutover, Endpoint, Switch
from proxy.endpoints.pool_usage import DAY, PoolUsage

KEY = "ocschat@contoso.test"
BEFORE = Endpoint(f"sip:{KEY}", KEY, "old.test")


class Ledger:
    """What the store has counted."""

    def __init__(self, *rows: PoolUsage) -> None:
        self.rows = list(rows)

    async def pool_usage(self) -> list[PoolUsage]:
        return self.rows


def cutover(after: Endpoint) -> Cutover:
    switches = (Switch(BEFORE, after),)
    return Cutover(7, "applied", "plan", 100.0 * DAY, "me", switches=switches)


def row(pool: str, number: int, calls: int, failed: int = 0, day: int = 100):
    return PoolUsage(KEY, pool, day, number, calls, failed)


async def test_a_canary_is_compared_with_the_same_days_of_the_old_pool():
    canary = Endpoint(f"sip:{KEY}", KEY, "old.test", canary=Canary("new.test", 10))
    ledger = Ledger(
        row("old.test", 7, 212, 1), row("new.test", 7, 23), row("old.test", 6, 900, 90)
    )
    (both,) = await compare_cutover(ledger, cutover(canary))
    assert both.sentence == "old 0.5 % of 212, new 0.0 % of 23: too few to tell"
    assert (both.verdict, both.note) == ("too few", "")


async def test_where_all_were_switched_the_days_before_count():
    ledger = Ledger(
        row("old.test", 6, 200, 2, day=95),
        row("old.test", 6, 500, 2, day=80),
        row("new.test", 7, 40, 20),
    )
    (both,) = await compare_cutover(
        ledger, cutover(Endpoint(f"sip:{KEY}", KEY, "new.test"))
    )
    assert (both.old.calls, both.verdict) == (200, "worse") and "14 days" in both.note


async def test_the_last_call_at_the_old_pool_is_no_baseline():
    """It was on its way when all users were switched, and fails as such calls do."""
    ledger = Ledger(
        row("old.test", 6, 200, 2, day=95),
        row("old.test", 7, 1, 1),
        row("new.test", 7, 100, 50),
    )
    whole = Endpoint(f"sip:{KEY}", KEY, "new.test")
    all_in_one = Endpoint(f"sip:{KEY}", KEY, "old.test", canary=Canary("new.test", 100))
    for after in (whole, all_in_one):
        (both,) = await compare_cutover(ledger, cutover(after))
        assert (both.old.calls, both.old.failed, both.verdict) == (200, 2, "worse")
        assert "14 days" in both.note


async def test_an_endpoint_that_was_new_or_stays_is_not_compared():
    assert await compare_cutover(Ledger(), cutover(BEFORE)) == []
    new = Cutover(1, "applied", "p", 1.0, "me", switches=(Switch(None, BEFORE),))
    assert await compare_cutover(Ledger(), new) == []


def test_the_pool_with_the_most_calls_comes_first():
    found = by_pool([row("a", 1, 1), row("b", 1, 5), row("a", 2, 2)])
    assert [(x.pool_fqdn, x.calls) for x in found] == [("b", 5), ("a", 3)]
