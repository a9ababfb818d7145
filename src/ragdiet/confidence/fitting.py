"""Ridge logistic regression, and how well chances order and calibrate.

With few labels a fit from nothing follows their accidents. ``prior`` holds it to a model that was fitted on many:
the ridge then pulls each weight to that model's, and not to 0 (a Gaussian prior: Chelba and Acero 2004,
"Adaptation of maximum entropy capitalizer: little data can help a lot").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
RIDGE = 5.0

_MOST_STEPS = 100
_ROUNDS = 5
_SETTLED = 1e-9


@dataclass(frozen=True, kw_only=True)
class Fit:
    """``beta``: weights of the standardised signals, then the bias. A NaN signal counts as its mean."""

    beta: Floats
    mean: Floats
    scale: Floats

    @classmethod
    def to(
        cls,
        signals: Floats,
        labels: Bools | Floats,
        weights: Floats | None = None,
        *,
        ridge: float = RIDGE,
        prior: Fit | None = None,
    ) -> Self:
        """By Newton's method (IRLS; Hastie et al. 2009, 4.4.1), its steps halved where they overshoot. The bias is
        not shrunk. ``signals`` is (rows, signals); one that never varies, or is never known, gets the prior's weight
        or none. ``labels`` may be chances."""
        weights = np.ones(len(labels)) if weights is None else weights
        if prior is None:
            mean, scale = moments(signals)
            centre = np.zeros(signals.shape[1] + 1)
        else:
            mean, scale, centre = prior.mean, prior.scale, prior.beta
        matrix = np.column_stack([_standard(signals, mean, scale), np.ones(len(signals))])
        penalty = np.array([ridge] * signals.shape[1] + [0.0])
        beta = centre.copy()
        loss = _loss(matrix, labels, weights, penalty, beta - centre, beta)
        for _ in range(_MOST_STEPS):
            chance = _chance(matrix @ beta)
            gradient = matrix.T @ (weights * (chance - labels)) + penalty * (beta - centre)
            curvature = (matrix * (weights * chance * (1 - chance))[:, None]).T @ matrix + np.diag(penalty)
            step = np.linalg.solve(curvature + _SETTLED * np.eye(len(beta)), gradient)
            while np.abs(step).max() > _SETTLED:
                tried = _loss(matrix, labels, weights, penalty, beta - step - centre, beta - step)
                if tried <= loss:
                    break
                step = step / 2
            else:
                break
            beta, loss = beta - step, tried
        return cls(beta=beta, mean=mean, scale=scale)

    def chances(self, signals: Floats) -> Floats:
        """float64, (rows,), from signals (rows, signals)."""
        return _chance(_standard(signals, self.mean, self.scale) @ self.beta[:-1] + self.beta[-1])

    def terms(self, names: Sequence[str]) -> dict[str, Any]:
        """As the model's JSON file has it."""
        rows = zip(names, self.beta, self.mean, self.scale, strict=False)
        return {
            "bias": round(float(self.beta[-1]), 4),
            "terms": {
                name: {"weight": round(float(beta), 4), "mean": round(float(mean), 4), "scale": round(float(scale), 4)}
                for name, beta, mean, scale in rows
            },
        }


def fit_both(
    signals: tuple[Floats, Floats],
    labels: Bools,
    weights: Floats | None = None,
    *,
    start: tuple[Fit, Fit],
    ridge: float = RIDGE,
    holds_to_start: bool = False,
) -> tuple[Fit, Fit]:
    """Two models of which a label says only whether both hold: their chances multiply.

    By expectation maximisation (Dempster, Laird and Rubin 1977): where not both hold, each holds with the chance that
    the two models, so far, give it. With ``holds_to_start`` the ridge pulls to ``start``, else to 0.
    """
    weights = np.ones(len(labels)) if weights is None else weights
    one, other = start
    for _ in range(_ROUNDS):
        first, second = one.chances(signals[0]), other.chances(signals[1])
        neither = np.maximum(1 - first * second, _SETTLED)
        prior = start if holds_to_start else (None, None)
        one = Fit.to(
            signals[0], np.where(labels, 1.0, first * (1 - second) / neither), weights, ridge=ridge, prior=prior[0]
        )
        other = Fit.to(
            signals[1], np.where(labels, 1.0, second * (1 - first) / neither), weights, ridge=ridge, prior=prior[1]
        )
    return one, other


def auroc(scores: Floats, labels: Bools) -> float:
    """The chance that a positive scores above a negative, ties counted half (Hanley and McNeil 1982); NaN where there
    are none of one kind.

    >>> auroc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True]))
    0.875
    """
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    positives = int(labels.sum())
    pairs = positives * (len(labels) - positives)
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / pairs) if pairs else float("nan")


def calibration_error(chance: Floats, labels: Bools, weights: Floats | None = None, bins: int = 10) -> float:
    """Expected calibration error over equal bins (Naeini et al. 2015), weighted.

    >>> round(calibration_error(np.array([0.9, 0.9, 0.2]), np.array([True, False, False])), 3)
    0.333
    """
    weights = np.ones(len(labels)) if weights is None else weights
    place = np.minimum((chance * bins).astype(int), bins - 1)
    gap = np.bincount(place, weights * (chance - labels), minlength=bins)
    return float(np.abs(gap).sum() / weights.sum())


def area_under_risk(scores: Floats, labels: Bools, weights: Floats | None = None) -> float:
    """Area under the risk-coverage curve (Geifman and El-Yaniv 2017): the mean share of wrong ones among the best
    scored, over all shares of them; 0 is best.

    >>> round(area_under_risk(np.array([0.9, 0.8, 0.1]), np.array([True, True, False])), 3)
    0.111
    """
    weights = np.ones(len(labels)) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    covered = np.cumsum(weights[order])
    risk = np.cumsum(weights[order] * ~labels[order]) / covered
    return float((risk * weights[order]).sum() / covered[-1])


def moments(signals: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of each signal, of the rows that know it; 1 for the deviation of one that never varies."""
    known = ~np.isnan(signals)
    count = np.maximum(known.sum(axis=0), 1)
    values = np.where(known, signals, 0.0)
    mean = values.sum(axis=0) / count
    scale = np.sqrt((np.where(known, signals - mean, 0.0) ** 2).sum(axis=0) / count)
    return mean, np.where(scale > _SETTLED, scale, 1.0)


def _standard(signals: Floats, mean: Floats, scale: Floats) -> Floats:
    return np.nan_to_num((signals - mean) / scale)


def _chance(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))))


def _loss(matrix: Floats, labels: Bools | Floats, weights: Floats, penalty: Floats, off: Floats, beta: Floats) -> float:
    logits = matrix @ beta
    return float((weights * (np.logaddexp(0, logits) - labels * logits)).sum() + (penalty * off**2).sum() / 2)
