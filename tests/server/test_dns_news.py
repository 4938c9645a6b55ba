"""The log about DNS: each change for the worse or the better, once."""

import pytest
from structlog.testing import capture_logs

from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.server.dns_news import DnsNews

POOL = Lookup("pool.test")


def found(*hosts, stale_since=None, error=None, reason=""):
    group = tuple(FrontEnd("udp", host, 5060, host, "pool.test") for host in hosts)
    groups = {"udp": (group,)} if group else {}
    made = Resolution(POOL, groups, expires=9.0, error=error, reason=reason)
    made.stale_since = stale_since
    return made


GOOD = found("192.0.2.1", "192.0.2.2")
STALE = found("192.0.2.1", "192.0.2.2", stale_since=1.0, reason="no answer")
FAILED = found(error="timeout", reason="no answer in time")


@pytest.mark.parametrize(
    ("told", "events"),
    [
        ([GOOD, GOOD], []),
        ([GOOD, STALE, STALE, GOOD], ["dns.stale", "dns.recovered"]),
        ([FAILED, FAILED, GOOD], ["dns.failed", "dns.recovered"]),
        ([GOOD, STALE, FAILED, GOOD], ["dns.stale", "dns.failed", "dns.recovered"]),
        ([GOOD, found("192.0.2.1")], ["dns.changed"]),
    ],
)
def test_each_change_is_told_once(told, events):
    news = DnsNews()
    with capture_logs() as lines:
        for resolution in told:
            news.tell(resolution)
    assert [line["event"] for line in lines] == events


def test_a_failure_says_which_name_and_why():
    with capture_logs() as lines:
        DnsNews().tell(FAILED)
    assert lines == [
        {
            "event": "dns.failed",
            "log_level": "warning",
            "name": "pool.test",
            "reason": "no answer in time",
            "front_ends": 0,
        }
    ]


def test_the_other_workers_say_nothing_and_old_names_are_forgotten():
    news = DnsNews()
    news.is_quiet = True
    with capture_logs() as lines:
        news.tell(FAILED)
        news.servers(["192.0.2.53:53"])
        news.is_quiet = False
        news.keep([])
        news.tell(GOOD)
    assert lines == []
