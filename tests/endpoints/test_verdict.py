"""The verdict on a new pool: a named test against values that others have published."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.endpoints import verdict
from proxy.endpoints.verdict import (
    LEVEL,
    MARGIN,
    Outcomes,
    at_least,
    at_most,
    fisher,
    judge,
    sentence,
)


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
        ((1, 1), (50, 100), "old 100.0 % of 1, new 50.0 % of 100: too few to tell"),
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


# -- how often the old pool fails is not known either --------------------------------


@pytest.mark.parametrize(
    ("failed", "calls", "expected"),
    [
        # R: binom.test(k, n, alternative = "greater")$conf.int[1]
        (1, 1, 0.05),
        (1, 20, 1 - 0.95 ** (1 / 20)),
        (10, 10, 0.05 ** (1 / 10)),
        (3, 10, 0.08726443),
        (0, 50, 0.0),
    ],
)
def test_the_lower_end_is_that_of_clopper_and_pearson(failed, calls, expected):
    assert at_least(Outcomes(failed, calls)) == pytest.approx(expected, abs=1e-6)


def test_of_many_calls_the_quicker_way_says_the_same(monkeypatch):
    for failed in (1, 20, 400, 1000, 1990):
        outcomes = Outcomes(failed, 2000)
        exact = at_least(outcomes)
        with monkeypatch.context() as patched:
            patched.setattr(verdict, "_EXACT_UP_TO", 0)
            assert at_least(outcomes) == pytest.approx(exact, abs=0.001)


outcomes_of_few = st.integers(1, 19).flatmap(
    lambda n: st.builds(Outcomes, st.integers(0, n), st.just(n))
)
outcomes_of_many = st.integers(1, 400).flatmap(
    lambda n: st.builds(Outcomes, st.integers(0, n), st.just(n))
)


@given(outcomes_of_few, outcomes_of_many)
def test_what_has_failed_more_often_is_never_called_no_worse(old, new):
    if new.rate > old.rate + MARGIN:
        assert judge(old, new) != "no worse"


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("olds", [1, 3, 10, 19])
@pytest.mark.parametrize("news", [20, 100])
def test_what_does_fail_more_often_is_seldom_called_no_worse(rate, olds, news):
    """Exactly: every outcome of both pools with its chance.  Few old calls must not
    make it likelier that a pool worse by more than the margin is widened."""
    wrong = 0.0
    for old in range(olds + 1):
        for new in range(news + 1):
            if judge(Outcomes(old, olds), Outcomes(new, news)) == "no worse":
                wrong += chance(old, olds, rate) * chance(new, news, rate + MARGIN)
    assert wrong <= LEVEL


def chance(failed, calls, rate):
    return math.comb(calls, failed) * rate**failed * (1 - rate) ** (calls - failed)
