"""What `make bench-growth` keeps between two runs, and what it says of each curve."""

from tests.bench.growth import SIZES, SMALL, Kept, within
from tests.bench.growth_page import WHY, Point, page, table


def test_a_later_run_goes_on_with_what_is_kept(tmp_path):
    path = tmp_path / "kept.jsonl"
    first = Kept(path)
    first.add(Point("workers", 1, 0.3, 50.0))
    first.add(Point("workers", 2, 0.4, 90.0, is_noisy=True, note="5 failed"))
    again = Kept(path)
    assert again.point("workers", 2) == first.point("workers", 2)
    assert [again.sound("workers", n) for n in (1, 2, 3)] == [1, 0, 0]
    assert [again.runs("workers", n) for n in (1, 2, 3)] == [1, 1, 0]
    assert again.point("workers", 3) is None


def test_the_quiet_run_in_the_middle_counts():
    kept = Kept(None)
    for cost, is_noisy in ((0.5, False), (9.0, True), (0.2, False), (0.3, False)):
        kept.add(Point("calls/s", 200, cost, 50.0, is_noisy))
    found = kept.point("calls/s", 200)
    assert found is not None and found.cost == 0.3


def test_what_was_never_quiet_is_shown_and_says_so():
    kept = Kept(None)
    kept.add(Point("calls/s", 200, 0.5, 50.0, is_noisy=True))
    found = kept.point("calls/s", 200)
    assert found is not None and "noisy" in table([found])


def test_clients_are_no_more_than_files_may_be_open():
    few, many = within("TCP clients", (10, 1 << 40))
    assert few == 10 and 100 < many < 1 << 40
    assert within("calls/s", (10, 1 << 40)) == [10, 1 << 40]


def test_each_curve_is_explained():
    assert set(SIZES) == set(SMALL) == set(WHY)
    points = [Point(what, 1, 0.3, 50.0) for what in SIZES]
    written = " ".join(page(points, "growth.svg", 1000).split())
    assert all(each in written for each in WHY.values())
