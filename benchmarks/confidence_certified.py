"""What certificates keep: over many sets of labels, how often the true risk is above what was promised.

The held-out half is the population: each set of labels is drawn from it with replacement, so that the risk of a
threshold in the population is the true one, without error. Thresholds worth a test come from the fit half. A threshold
set by hand is the least at which the labels themselves show no more than alpha wrong.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ragdiet.certify import certify_outcomes, worth_a_test
from ragdiet.confidence.fitting import Bools, Floats

DRAWS = 200
ALPHAS = (0.05, 0.10, 0.20)
DELTA = 0.1
LABELS = (200, 1_000)
_FEWEST = 20
"""Answers that a threshold by hand is read off: fewer would convince nobody."""


def certificates(scores: Floats, right: Bools, fit: Bools, population: Bools) -> list[dict[str, Any]]:
    """A row for each alpha and number of labels."""
    source = np.random.default_rng(11)
    known, truth = partial(_given, scores[fit], right[fit]), partial(_given, scores[population], right[population])
    thresholds = worth_a_test(scores[fit].tolist(), known, delta=DELTA)
    grid = np.unique(np.round(scores[fit & (scores > 0)], 3))[::5]
    indices = np.flatnonzero(population)
    rows = []
    for alpha in ALPHAS:
        oracle = next((_coverage(truth(t), len(indices)) for t in grid if _risk(truth(t)) <= alpha), 0.0)
        for number in LABELS:
            proven: list[list[bool]] = []
            by_hand: list[list[bool]] = []
            for _ in range(DRAWS):
                drawn = source.choice(indices, number)
                outcomes = partial(_given, scores[drawn], right[drawn])
                if found := certify_outcomes(outcomes, alpha=alpha, delta=DELTA, thresholds=thresholds):
                    proven.append(truth(found.threshold))
                set_by_hand = (t for t in grid if len(seen := outcomes(t)) >= _FEWEST and _risk(seen) <= alpha)
                if (threshold := next(set_by_hand, None)) is not None:
                    by_hand.append(truth(threshold))
            rows.append(
                {
                    "alpha": alpha,
                    "labels": number,
                    "draws": DRAWS,
                    "certified": len(proven),
                    "certified_broken": sum(_risk(given) > alpha for given in proven),
                    "certified_coverage": _mean([_coverage(given, len(indices)) for given in proven]),
                    "by_hand": len(by_hand),
                    "by_hand_broken": sum(_risk(given) > alpha for given in by_hand),
                    "by_hand_coverage": _mean([_coverage(given, len(indices)) for given in by_hand]),
                    "oracle_coverage": oracle,
                }
            )
    return rows


def _given(scores: Floats, right: Bools, threshold: float) -> list[bool]:
    return list(right[scores >= threshold].tolist())


def _risk(given: list[bool]) -> float:
    return 1 - sum(given) / len(given) if given else 0.0


def _coverage(given: list[bool], questions: int) -> float:
    return len(given) / questions


def _mean(values: list[float]) -> float:
    return round(float(np.mean(values)), 4) if values else 0.0
