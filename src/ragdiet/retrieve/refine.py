"""The first hits in a better order, from vectors that come with them: no model runs and nothing is read.

score = fused
        + w / 2 (best sentence - chunk) / deviation        a chunk's cosine becomes the mean of both
        + LATE_WEIGHT (late - mean late)                   late interaction, see `ragdiet.retrieve.late`
        + CLOSENESS_WEIGHT standardised(closeness)         mean cosine with the best five

w is the dense leg's share and ``deviation`` that of its scores, by which they were standardised, so the
first line is the fusion as it would be with the mean of both cosines. A chunk of many sentences hides the one
that answers; the best of its sentences alone is too easily met (Dai and Callan 2019, "Deeper Text Understanding
for IR", take the best passage of a document). Closeness is pseudo-relevance feedback by neighbours (Diaz 2005,
"Regularizing ad hoc retrieval scores"): what resembles the best hits is more likely to be wanted as well.
A hit that lacks what a line needs gets nothing from it, neither more nor less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ragdiet.retrieve.late import late_scores
from ragdiet.types import Hit

if TYPE_CHECKING:
    from numpy.typing import NDArray

REFINED = 30
"""Hits that are put in order anew."""

LATE_WEIGHT = 14.0
"""Fused score for a point of late interaction, whose deviation among the first hits is about 0.05."""

CLOSENESS_WEIGHT = 0.2
_BEST = 5
_NO_SPREAD = 1e-6


def refined(
    hits: Sequence[Hit],
    vector: NDArray[np.float32],
    *,
    dense_weight: float,
    dense_deviation: float | None,
    question_tokens: NDArray[np.float32] | None = None,
    token_bits: Sequence[bytes] = (),
) -> list[Hit]:
    """``hits`` with the first REFINED of them in their new order, under their new scores.

    ``vector``: the question's, float32, (dimensions,), unit length. ``dense_deviation``: that of the dense
    leg's best scores, None where it had none. ``question_tokens``, float32, (tokens, dimensions), and
    ``token_bits``, one for each of ``hits`` and b"" where none are stored, switch late interaction on.
    Scores of the hits behind are lowered where they must be to stay behind.
    """
    first = hits[:REFINED]
    if not first:
        return []
    scores = np.array([hit.score for hit in first])
    if dense_deviation:
        scores += dense_weight / 2 * _sentence_gains(first, vector) / dense_deviation
    if question_tokens is not None and token_bits:
        scores += LATE_WEIGHT * _neutral_where_unknown(late_scores(question_tokens, token_bits[:REFINED]))
    scores += CLOSENESS_WEIGHT * _standardised(_closeness(first, scores))
    order = sorted(range(len(first)), key=lambda place: (-scores[place], first[place].chunk_id))
    ordered = [replace(first[place], score=float(scores[place])) for place in order]
    rest = hits[REFINED:]
    last = ordered[-1].score
    lowered = max(0.0, rest[0].score - last) if rest else 0.0
    return ordered + [replace(hit, score=min(last, hit.score - lowered)) for hit in rest]


def _sentence_gains(hits: Sequence[Hit], vector: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosine of the best sentence less that of the chunk."""
    gains = np.zeros(len(hits))
    for place, hit in enumerate(hits):
        if hit.sentence_vectors is not None and len(hit.sentence_vectors):
            gains[place] = (hit.sentence_vectors.astype(np.float32) @ vector).max() - hit.dense_score
    return gains


def _closeness(hits: Sequence[Hit], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each hit's mean cosine with the best five others, NaN where a hit has no vectors."""
    closeness = np.full(len(hits), np.nan)
    known = [
        place for place, hit in enumerate(hits) if hit.sentence_vectors is not None and len(hit.sentence_vectors) > 0
    ]
    if len(known) < 2:
        return closeness
    means = np.stack([_mean_direction(hits[place]) for place in known])
    best = np.argsort(-scores[known], kind="stable")[:_BEST]
    cosines = means @ means[best].T
    others = np.ones(cosines.shape, bool)
    others[best, np.arange(len(best))] = False
    closeness[known] = np.where(others, cosines, 0).sum(axis=1) / others.sum(axis=1)
    return closeness


def _mean_direction(hit: Hit) -> NDArray[np.float32]:
    assert hit.sentence_vectors is not None
    mean: NDArray[np.float32] = hit.sentence_vectors.astype(np.float32).mean(axis=0)
    return mean / max(float(np.linalg.norm(mean)), _NO_SPREAD)


def _neutral_where_unknown(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Less their mean, with NaN at the mean."""
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(len(values))
    return np.where(known, values - values[known].mean(), 0.0)


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = _neutral_where_unknown(values)
    known = np.isfinite(values)
    deviation = centred[known].std() if known.any() else 0.0
    return centred / deviation if deviation > _NO_SPREAD else np.zeros(len(values))
