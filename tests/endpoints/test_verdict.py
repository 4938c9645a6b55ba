"""The verdict on a new pool: a named test against values that others have published."""

import pytest

from proxy.endpoints import verdict
from proxy.endpoints.verdict import Outcomes, at_most, fisher, judge, sentence


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # Fisher's tea: of 8 cups all 4 found by chance, 1 in 70; 3 or more, 17 in 70.
        (Outcomes(0, 4), Outcomes(4, 4), 1 / 70),
        (Outcomes(1, 4), Outcomes(3, 4), 17 / 70),
        # R: fisher.test(matrix(c(15, 2, 3, 10), 2), alternative = "greater"), the
        # convicted twins: 0.0004652.
        (Outcomes(3, 18), Outcomes(10, 12), 0.0004652),
        (Outcomes(0, 10), Outcomes(0, 10), 1.0),
    ],
)
def test_it_is_fishers_exact_test(monkeypatch, old, new, expected):
    assert fisher(old, new) == pytest.approx(expected, rel=1e-3)
    monkeypatch.setattr(verdict, "_EXACT_UP_TO", 0)
    assert fisher(old, new) == pytest.approx(expected, rel=1e-3)


def test_the_binomial_tail():
    assert at_most(0, 59, 0.05) == pytest.approx(0.95**59)
    assert at_most(10, 10, 0.3) == pytest.approx(1.0)
    assert at_most(1, 3, 0.5) == pytest.approx(0.5)
    assert (at_most(0, 3, 1.0), at_most(3, 3, 1.0), at_most(0, 3, 0.0)) == (0, 1, 1)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ((1, 212), (0, 23), "old 0.5 % of 212, new 0.0 % of 23: too few to tell"),
        ((1, 250), (0, 23), "old 0.4 % of 250, new 0.0 % of 23: too few to tell"),
        ((1, 212), (0, 100), "old 0.5 % of 212, new 0.0 % of 100: no worse: widen"),
        ((1, 212), (4, 23), "old 0.5 % of 212, new 17.4 % of 23: worse: roll back"),
        ((0, 0), (0, 500), "old 0.0 % of 0, new 0.0 % of 500: too few to tell"),
        (
            (40, 4000),
            (30, 3000),
            "old 1.0 % of 4000, new 1.0 % of 3000: no worse: widen",
        ),
    ],
)
def test_the_sentence(old, new, said):
    assert sentence(Outcomes(*old), Outcomes(*new)) == said


def test_more_calls_never_turn_a_sure_no_into_a_doubt():
    for calls in range(100, 3000, 100):
        assert judge(Outcomes(1, 200), Outcomes(0, calls)) == "no worse"
        assert judge(Outcomes(1, 200), Outcomes(calls // 5, calls)) == "worse"
