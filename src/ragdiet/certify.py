"""Thresholds with a proven bound on the risk of what passes them, from labelled examples.

Learn then Test (Angelopoulos, Bates, Candes, Jordan and Lei 2021, arxiv.org/abs/2110.01052) in a fixed sequence:
thresholds are tried from the strictest on, each by the exact test that the risk of what passes it is at most ``alpha``;
the first that fails ends it. With probability 1 - ``delta`` over the examples the risk at the threshold found is at
most ``alpha``, however many were tried.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ragdiet.errors import InvalidArgument


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
    _check_share("delta", delta)
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
    _check_share("alpha", alpha)
    _check_share("delta", delta)
    if len(scores) != len(is_right):
        raise InvalidArgument(f"{len(scores)} scores and {len(is_right)} labels: give one label for each score")
    if any(math.isnan(score) for score in scores):
        raise InvalidArgument("a score is NaN: nothing can be said of it")
    fewest = math.log(delta) / math.log1p(-alpha)
    found = None
    for threshold in sorted(set(thresholds), reverse=True):
        passed = [right for score, right in zip(scores, is_right, strict=True) if score >= threshold]
        if len(passed) < fewest:
            continue
        wrong = passed.count(False)
        bound = upper_bound(wrong, len(passed), delta)
        if bound > alpha:
            break
        found = Certified(threshold=threshold, passed=len(passed), wrong=wrong, bound=bound)
    return found


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


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise InvalidArgument(f"{name} is {value}: give a share above 0 and below 1, such as 0.05")
