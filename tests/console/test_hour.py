"""The last hour from two counters, and what a scrape says."""

from proxy.console.hour import Hour, counts

SCRAPE = """\
# TYPE waypost_requests_finished_total counter
waypost_requests_finished_total{method="INVITE",class="2xx"} 40
waypost_requests_finished_total{method="INVITE",class="5xx"} 3
waypost_requests_finished_total{method="INVITE",class="6xx"} 1
waypost_requests_finished_total{method="INVITE",class="4xx"} 2
waypost_requests_finished_total{method="REGISTER",class="5xx"} 9
waypost_requests_received_total{method="INVITE"} 99
"""


def test_invites_count_and_5xx_and_6xx_are_failures():
    assert counts(SCRAPE) == (46, 4)
    assert counts("") == (0, 0)


def shown(hour, now):
    return [(each.began, each.calls, each.failed) for each in hour.minutes(now)]


def test_minutes_hold_what_happened_between_two_looks():
    hour = Hour()
    hour.add((100, 10), 6000.0)
    hour.add((103, 10), 6010.0)
    hour.add((107, 11), 6060.0)
    hour.add((108, 11), 6119.0)
    assert shown(hour, 6119.0) == [(6000, 3, 0), (6060, 5, 1)]


def test_a_service_that_began_anew_counts_from_zero():
    hour = Hour()
    hour.add((100, 10), 6000.0)
    hour.add((4, 1), 6010.0)
    assert shown(hour, 6010.0) == [(6000, 4, 1)]


def test_only_an_hour_is_kept():
    hour = Hour()
    for minute in range(100):
        hour.add((minute, 0), minute * 60.0)
    assert len(shown(hour, 99 * 60.0)) == 60
    assert shown(hour, 99 * 60.0)[0][0] == 40 * 60
    assert shown(hour, 300 * 60.0) == []
