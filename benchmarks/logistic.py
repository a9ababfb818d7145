"""Ridge logistic regression, and how well chances order and calibrate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
RIDGE = 5.0


@dataclass(frozen=True, kw_only=True)
class Logistic:
    """``beta``: weights of the standardised signals, then the bias. A NaN signal counts as its mean."""

    beta: Floats
    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, signals: Floats, labels: Bools, weights: Floats) -> Self:
        """By Newton's method (IRLS; Hastie et al. 2009, 4.4.1). The bias is not shrunk."""
        mean, scale = np.nanmean(signals, axis=0), np.nanstd(signals, axis=0)
        matrix = np.column_stack([np.nan_to_num((signals - mean) / scale), np.ones(len(signals))])
        penalty = np.diag([RIDGE] * signals.shape[1] + [0.0])
        beta = np.zeros(matrix.shape[1])
        for _ in range(100):
            chance = 1 / (1 + np.exp(-matrix @ beta))
            gradient = matrix.T @ (weights * (chance - labels)) + penalty @ beta
            curvature = (matrix * (weights * chance * (1 - chance))[:, None]).T @ matrix + penalty
            step = np.linalg.solve(curvature, gradient)
            beta -= step
            if np.abs(step).max() < 1e-9:
                return cls(beta=beta, mean=mean, scale=scale)
        raise RuntimeError("the fit did not converge: look for a signal that separates the labels entirely")

    def chances(self, signals: Floats) -> Floats:
        """float64, (rows,), from signals (rows, signals)."""
        standard = np.nan_to_num((signals - self.mean) / self.scale)
        return np.asarray(1 / (1 + np.exp(-(standard @ self.beta[:-1] + self.beta[-1]))))

    def terms(self, names: Sequence[str]) -> dict[str, Any]:
        """As LogisticConfidence reads it from JSON."""
        rows = zip(names, self.beta, self.mean, self.scale, strict=False)
        return {
            "bias": round(float(self.beta[-1]), 4),
            "terms": {
                name: {"weight": round(float(beta), 4), "mean": round(float(mean), 4), "scale": round(float(scale), 4)}
                for name, beta, mean, scale in rows
            },
        }


def auroc(scores: Floats, labels: Bools) -> float:
    """The chance that a positive scores above a negative, ties counted half (Hanley and McNeil 1982).

    >>> auroc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True]))
    0.875
    """
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    positives = int(labels.sum())
    negatives = len(labels) - positives
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def calibration_error(chance: Floats, labels: Bools, weights: Floats, bins: int = 10) -> float:
    """Expected calibration error over equal bins (Naeini et al. 2015), weighted."""
    place = np.minimum((chance * bins).astype(int), bins - 1)
    gap = np.bincount(place, weights * (chance - labels), minlength=bins)
    return float(np.abs(gap).sum() / weights.sum())
