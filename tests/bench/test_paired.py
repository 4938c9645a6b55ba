"""What two services in turn say of each other, on a machine that is never the same."""

import math
import random

import pytest

from tests.bench.paired import (
    ORDERS,
    Round,
    Slice,
    compared,
    estimate,
    largest_unlikely,
    words,
)


def rounds(seed: int, b: float, count: int = 20) -> list[Round]:
    """Of a service that takes 0.2 ms a call and one that takes ``b`` times that.

    The machine drifts by 40 % within some rounds, each turn differs by a few per cent
    from the next, and now and then a neighbour doubles one.
    """
    chance = random.Random(seed)
    speed, found = 1.0, []
    for number in range(count):
        slices = []
        for side in ORDERS[number % 2]:
            speed = min(max(speed * chance.lognormvariate(0, 0.05), 0.8), 1.4)
            cost = 0.3 * speed * chance.lognormvariate(0, 0.03)
            cost *= 2 if chance.random() < 0.03 else 1
            cpu = {"A": 0.01, "B": 0.01}
            cpu[side] += cost * (b if side == "B" else 1)
            slices.append(Slice(side, 1500, 0, 0, 2.0, cpu, []))
        found.append(Round(slices))
    return found


def ratio(found: list[Round]):
    rest = 0.005
    return compared([(x.cost("A", rest), x.cost("B", rest)) for x in found])


def test_the_same_twice_differs_as_seldom_as_is_said() -> None:
    told = [ratio(rounds(seed, 1.0)).is_different for seed in range(200)]
    assert sum(told) <= 20, "one in twenty, and some for chance"


@pytest.mark.parametrize("b", [0.94, 1.06])
def test_the_interval_has_the_truth_in_it_as_often_as_is_said(b: float) -> None:
    found = [ratio(rounds(seed, b)) for seed in range(200)]
    assert sum(x.low <= b <= x.high for x in found) >= 180
    assert all(abs(x.ratio / b - 1) < 0.1 for x in found)


def test_more_rounds_tell_more() -> None:
    few, many = (ratio(rounds(7, 1.05, count)) for count in (10, 80))
    assert many.high - many.low < (few.high - few.low) / 2
    assert many.is_different


def test_one_round_that_was_disturbed_moves_little() -> None:
    calm = [1.02, 1.01, 1.03, 1.02, 1.01, 1.03, 1.02, 1.02, 1.01, 1.03]
    spoiled = [*calm[:-1], 3.0]
    assert abs(estimate(spoiled).ratio - estimate(calm).ratio) < 0.005
    assert estimate(spoiled).low > 1


@pytest.mark.parametrize(
    ("count", "cut"),
    # Wilcoxon's table, two-sided, 5 %.
    [(5, -1), (6, 0), (7, 2), (8, 3), (10, 8), (12, 13), (15, 25), (20, 52), (25, 89)],
)
def test_the_interval_is_that_of_wilcoxons_table(count: int, cut: int) -> None:
    assert largest_unlikely(count) == cut


def test_too_few_rounds_show_nothing() -> None:
    found = estimate([1.5] * 5)
    assert (found.low, found.high) == (0.0, math.inf)
    assert not found.is_different
    assert "at least 6 rounds" in words(found)


@pytest.mark.parametrize(
    ("ratios", "said"),
    [
        ([1.02, 1.021, 1.03, 1.025, 1.028, 1.022], "B is worse, by 2.0 to 3.0 %"),
        ([0.9, 0.91, 0.92, 0.93, 0.94, 0.95], "B is better, by 5.0 to 10.0 %"),
        ([0.98, 1.01, 1.0, 0.99, 1.02, 1.0], "no difference shown (-2.0 to +2.0 %)"),
    ],
)
def test_the_verdict_is_a_sentence(ratios: list[float], said: str) -> None:
    assert words(estimate(ratios)) == said


def test_what_is_done_later_counts_and_what_is_always_done_does_not() -> None:
    a = Slice("A", 1000, 0, 0, 2.0, {"A": 0.3, "B": 0.02}, [1.0, 5.0])
    b = Slice("B", 1000, 0, 0, 2.0, {"A": 0.04, "B": 0.3}, [2.0, 9.0])
    found = Round([a, b, b, a])
    assert found.cost("A", rest=0.01) == pytest.approx((0.68 - 0.08) / 2)
    assert found.cost("B", rest=0.0) == pytest.approx(0.64 / 2)
    assert (found.at("A", 0.5), found.at("B", 0.0)) == (5.0, 2.0)
    assert found.is_sound
    a.failed = 1
    assert not found.is_sound


def test_what_took_no_time_is_not_compared() -> None:
    assert compared([(0.0, 1.0)]) is None
    assert compared([]) is None
