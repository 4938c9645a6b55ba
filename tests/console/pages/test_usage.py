"""The chart of users, and an export that no spreadsheet executes."""

import csv
import io

import pytest

from proxy.admin.usage import DAY, UsageView
from proxy.console.pages.usage import bars_of, harmless
from proxy.endpoints.usage import summarise

TODAY = 20_000
NOW = TODAY * DAY + 3600.0


def view(days):
    summary = summarise("a@contoso.test", [], 0.0, NOW, 14)
    counts = {("a@contoso.test", pool, day): n for pool, day, n in days}
    return UsageView("sip:a@contoso.test", None, summary, [], NOW, days=counts)


def test_a_bar_for_each_day_the_highest_as_high_as_the_chart():
    days = [("old", TODAY - 3, 4), ("new", TODAY, 1), ("old", TODAY, 1)]
    bars = bars_of(view(days), 14)
    assert [bar.users for bar in bars] == [0] * 10 + [4, 0, 0, 2]
    high = max(bars, key=lambda bar: bar.users)
    assert (high.y, high.height) == (0, 120)
    assert bars[-1].height == 60 and bars[-1].y == 60
    assert bars[-1].x + bars[-1].width <= 640


def test_nobody_makes_no_chart_and_what_is_older_does_not_count():
    assert bars_of(view([]), 14) == ()
    assert bars_of(view([("old", TODAY - 14, 9)]), 14) == ()


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
