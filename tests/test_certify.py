"""Certified thresholds: what they promise holds, and what cannot be promised is not."""

import math
import random
from fractions import Fraction

import pytest

from ragdiet.certify import certify, upper_bound
from ragdiet.errors import InvalidArgument

GRID = [step / 100 for step in range(100, -1, -1)]


@pytest.mark.parametrize(("wrong", "trials", "delta"), [(0, 10, 0.05), (1, 20, 0.05), (5, 100, 0.1), (400, 5000, 0.1)])
def test_the_bound_is_that_of_clopper_and_pearson(wrong: int, trials: int, delta: float) -> None:
    share = Fraction(upper_bound(wrong, trials, delta)).limit_denominator(10**6)
    as_few = sum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(wrong + 1))
    assert float(as_few) == pytest.approx(delta, rel=1e-3)


def test_where_all_are_wrong_or_none_was_tried_nothing_is_bounded() -> None:
    assert upper_bound(10, 10, 0.1) == upper_bound(0, 0, 0.1) == 1.0


def test_the_bound_holds_as_often_as_it_says() -> None:
    draws = random.Random(7)
    broken = 0
    for _ in range(400):
        scores = [draws.random() for _ in range(300)]
        right = [draws.random() < 0.6 + 0.4 * score for score in scores]  # the risk above t is 0.4 (1 - (1 + t) / 2)
        found = certify(scores, right, alpha=0.1, delta=0.1, thresholds=GRID)
        broken += found is not None and 0.4 * (1 - (1 + found.threshold) / 2) > 0.1
    assert broken <= 400 * 0.1 + 18  # three standard deviations of the binomial


def test_more_labels_let_more_pass() -> None:
    def threshold(count: int) -> float:
        scores = [(number % 100) / 100 for number in range(count)]
        right = [score > 0.5 or number % 3 == 0 for number, score in enumerate(scores)]
        found = certify(scores, right, alpha=0.1, delta=0.1, thresholds=GRID)
        assert found is not None
        assert found.wrong <= found.passed * 0.1
        return found.threshold

    assert threshold(10_000) < threshold(1_000) < threshold(100)


def test_too_few_labels_certify_nothing() -> None:
    assert certify([1.0] * 20, [True] * 20, alpha=0.05, delta=0.1, thresholds=GRID) is None
    assert certify([1.0] * 45, [True] * 45, alpha=0.05, delta=0.1, thresholds=GRID) is not None
    assert certify([1.0] * 999, [False] * 999, alpha=0.05, delta=0.1, thresholds=GRID) is None
    assert certify([], [], alpha=0.05, delta=0.1, thresholds=GRID) is None


@pytest.mark.parametrize(
    ("scores", "right", "alpha", "delta"),
    [([0.5], [], 0.1, 0.1), ([float("nan")], [True], 0.1, 0.1), ([], [], 0.0, 0.1), ([], [], 0.1, 1.0)],
)
def test_what_cannot_be_reckoned_with_is_said(
    scores: list[float], right: list[bool], alpha: float, delta: float
) -> None:
    with pytest.raises(InvalidArgument):
        certify(scores, right, alpha=alpha, delta=delta, thresholds=GRID)
