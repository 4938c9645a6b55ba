"""The chart of users by day, times as bounds, and how many users are left."""

from proxy.cli.screen.pool_usage import chart, left_sentence, row_of
from proxy.endpoints.pool_usage import NO_TIMES, PoolUsage, bucket_of_time


def test_the_chart_has_a_line_for_each_day_and_fits():
    lines = chart({20_000: 212, 20_002: 31}, 20_002)
    assert [line.split()[:2] for line in lines] == [
        ["2024-10-04", "212"],
        ["2024-10-05", "0"],
        ["2024-10-06", "31"],
    ]
    assert len(lines[0]) > len(lines[2]) > len(lines[1])
    assert max(map(len, lines)) <= 80 and len(chart({1: 1}, 20_000)) == 28


def test_users_left_are_those_of_today_or_yesterday():
    words = left_sentence({90: 500, 100: 212, 113: 31}, 113, 14).split()
    assert (words[2], words[4], words[6]) == ("212", "31", "14")
    assert left_sentence({100: 212, 112: 31}, 113, 14).split()[4] == "31"
    assert left_sentence({100: 212}, 113, 14).split()[4] == "0"
    assert "nobody" in left_sentence({1: 5}, 113, 14)


def test_times_are_told_as_bounds():
    times = list(NO_TIMES)
    times[bucket_of_time(0.004)] = 99
    times[-1] = 1
    row = row_of(PoolUsage("", "p", 0, 0, 100, 1, 3, tuple(times)))
    assert row == ("p", "100", "1", "<= 4 ms", "<= 4 ms", "3")
    assert row_of(PoolUsage("", "p", 0, 0))[3:5] == ("-", "-")
