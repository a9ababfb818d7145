"""Thresholds with a proven bound on the risk of what passes them, from labelled examples.

Learn then Test (Angelopoulos, Bates, Candes, Jordan and Lei 2021, arxiv.org/abs/2110.01052) in a fixed sequence:
thresholds are tried from the strictest on, each by the exact test that the risk of what passes it is at most ``alpha``;
the first that fails ends it. With probability 1 - ``delta`` over the examples the risk at the threshold found is at
most ``alpha``, however many were tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ragdiet.errors import InvalidArgument

_MOST_TESTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """``threshold``: what scores as much or more may pass. ``passed`` examples did, ``wrong`` of them were wrong, and
    ``bound`` is the risk that is not exceeded with probability 1 - delta."""

    threshold: float
    passed: int
    wrong: int
    bound: float


def upper_bound(wrong: int, trials: int, delta: float) -> float:
    """The one-sided exact bound of Clopper and Pearson (1934): the share of wrong ones is above it with probability
    ``delta`` at most. 1 where nothing was tried.

    >>> round(upper_bound(0, 59, 0.05), 4)
    0.0495
    """
    if not 0 <= wrong <= trials:
        raise InvalidArgument(f"{wrong} of {trials} cannot be wrong")
    check_share("delta", delta)
    if wrong == trials:
        return 1.0
    low, high = wrong / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(wrong, trials, middle) > delta else (low, middle)
    return high


def certify(
    scores: Sequence[float], is_right: Sequence[bool], *, alpha: float, delta: float, thresholds: Sequence[float]
) -> Certified | None:
    """The lowest of ``thresholds`` at which at most ``alpha`` of what passes is wrong, with probability 1 - ``delta``;
    None where not even the strictest can be vouched for.

    ``thresholds`` must have been chosen without a look at these examples. The strictest that too few pass for any
    verdict (fewer than ln(delta) / ln(1 - alpha)) are no test: they are skipped, which is decided by the number alone.
    """
    if len(scores) != len(is_right):
        raise InvalidArgument(f"{len(scores)} scores and {len(is_right)} labels: give one label for each score")
    if any(math.isnan(score) for score in scores):
        raise InvalidArgument("a score is NaN: nothing can be said of it")

    def passed(threshold: float) -> list[bool]:
        return [right for score, right in zip(scores, is_right, strict=True) if score >= threshold]

    return certify_outcomes(passed, alpha=alpha, delta=delta, thresholds=thresholds)


def certify_outcomes(
    outcomes: Callable[[float], Sequence[bool]], *, alpha: float, delta: float, thresholds: Sequence[float]
) -> Certified | None:
    """The same of a policy that is more than a threshold: ``outcomes`` says whether each answer that it gives with one
    is right."""
    check_share("alpha", alpha)
    check_share("delta", delta)
    fewest = math.log(delta) / math.log1p(-alpha)
    found = None
    for threshold in sorted(set(thresholds), reverse=True):
        passed = outcomes(threshold)
        if len(passed) < fewest:
            continue
        wrong = len(passed) - sum(passed)
        if wrong == len(passed) or _at_most(wrong, len(passed), alpha) > delta:
            break
        found = threshold, len(passed), wrong
    if found is None:
        return None
    threshold, number, wrong = found
    return Certified(threshold=threshold, passed=number, wrong=wrong, bound=upper_bound(wrong, number, delta))


def worth_a_test(
    scores: Sequence[float], outcomes: Callable[[float], Sequence[bool]], *, delta: float
) -> tuple[float, ...]:
    """Thresholds for ``certify_outcomes`` from other examples, with their ``outcomes``: up to 100 of their scores, from
    the one down at which their answers look safest. What is stricter passes too few to prove anything, and the first
    test that fails is the last."""
    tried = sorted({round(score, 4) for score in scores if score > 0})
    tried = tried[:: max(1, len(tried) // _MOST_TESTS)]

    def bound(threshold: float) -> float:
        passed = outcomes(threshold)
        return upper_bound(len(passed) - sum(passed), len(passed), delta)

    safest = min(tried, key=bound, default=0.0)
    return tuple(threshold for threshold in tried if threshold <= safest)


def _at_most(wrong: int, trials: int, share: float) -> float:
    """The chance of ``wrong`` or fewer of so many trials, each of which goes wrong with the chance ``share``."""
    logs = [
        math.lgamma(trials + 1)
        - math.lgamma(k + 1)
        - math.lgamma(trials - k + 1)
        + k * math.log(share)
        + (trials - k) * math.log1p(-share)
        for k in range(wrong + 1)
    ]
    return math.fsum(math.exp(log) for log in logs)


def check_share(name: str, value: float) -> None:
    """Raises InvalidArgument for what is no share between 0 and 1."""
    if not 0 < value < 1:
        raise InvalidArgument(f"{name} is {value}: give a share above 0 and below 1, such as 0.05")
