"""The chart of users, and an export that no spreadsheet executes."""

import csv
import io

import pytest

from proxy.admin.usage import DAY, UsageView
from proxy.console.pages.usage import chart_of, harmless
from proxy.endpoints.usage import summarise

TODAY = 20_000
NOW = TODAY * DAY + 3600.0


def view(days):
    summary = summarise("a@contoso.test", [], 0.0, NOW, 14)
    counts = {("a@contoso.test", pool, day): n for pool, day, n in days}
    return UsageView("sip:a@contoso.test", None, summary, [], NOW, days=counts)


def test_a_bar_for_each_pool_of_a_day_the_highest_as_high_as_the_chart():
    days = [("old", TODAY - 3, 4), ("new", TODAY, 1), ("old", TODAY, 1)]
    chart = chart_of(view(days), 14)
    assert chart.totals == [0] * 10 + [4, 0, 0, 2]
    assert chart.pools == ["new", "old"]
    high, new, old = chart.bars
    assert (high.y, high.height, high.day) == (0, 120, TODAY - 3)
    assert (new.y, new.height, new.place) == (90, 30, 0)
    assert (old.y, old.height, old.place) == (60, 30, 1)  # upon the other
    assert new.x == old.x and old.x + old.width <= 640


def test_nobody_makes_no_chart_and_what_is_older_does_not_count():
    assert chart_of(view([]), 14) is None
    assert chart_of(view([("old", TODAY - 14, 9)]), 14) is None


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_is_no_formula(text):
    assert harmless(text) == f"'{text}"
    assert harmless("alice@contoso.test") == "alice@contoso.test"


def test_the_export_has_a_head_and_days_are_bounded(sign_in):
    browser = sign_in("viewer")
    answer = browser.get("/usage/export", params={"days": "999999"})
    assert (
        answer.status_code == 200
        and "attachment" in answer.headers["content-disposition"]
    )
    (head,) = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert head[:3] == ["endpoint", "user", "calls"]
    for days in ("0", "-1", "x", "1e9", "\u0663"):
        assert browser.get("/usage", params={"days": days}).status_code == 200
