"""The dense leg's share of the fused score, learnt from a user's own labelled questions.

Each question is searched with each of WEIGHTS and judged by nDCG@10 (Järvelin and Kekäläinen 2002, "Cumulated
gain-based evaluation of IR techniques"). A gain is measured on questions that had no part in the choice: five-fold
cross-validation, and over the questions a paired bootstrap (Sakai 2006, "Evaluating evaluation metrics based on
the bootstrap") for its 99% interval. A gain whose interval holds 0 is luck as far as anyone can tell: the weight stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ragdiet.errors import InvalidArgument
from ragdiet.retrieve.learnt import keep_weight, learnt_weight
from ragdiet.types import Hit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragdiet.protocols import Database
    from ragdiet.retrieve.hybrid import HybridRetriever
    from ragdiet.types import Space

WEIGHTS = tuple(tenth / 10 for tenth in range(1, 10))
FEWEST_QUESTIONS = 20
DEPTH = 10
"""Places of a ranking that count."""

_FOLDS = 5
_RESAMPLES = 10_000

Grades: TypeAlias = Mapping[str | int, float]
"""What a question wants: grades above 0 by document id (text) or by chunk id (a number)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What was learnt. ``before`` and ``after`` are mean nDCG@10 over ``questions``, with the old weight and,
    on questions that were held out, with a learnt one; ``gain`` is between ``gain_low`` and ``gain_high`` with a
    confidence of 99%. ``is_better``: the whole interval lies above 0; else ``dense_weight`` is the old one."""

    dense_weight: float
    old_weight: float
    before: float
    after: float
    gain_low: float
    gain_high: float
    questions: int
    is_better: bool

    @property
    def gain(self) -> float:
        return self.after - self.before


def learn_weight(
    database: Database,
    retriever: HybridRetriever,
    space: Space,
    labelled: Iterable[tuple[str, Grades]],
    vector: Callable[[str], NDArray[np.float32]],
    *,
    tenant: str,
    collection: str,
    corpus_id: int,
) -> Tuning:
    """Tune the weight of a collection, and keep it for later searches where it is better.

    ``vector`` gives a question's, float32, (dimensions,), unit length. Raises as ``tune`` does.
    """
    stored = database.run(partial(learnt_weight, corpus_id=corpus_id, space=space.name), tenant=tenant)
    tuning = tune(
        labelled,
        lambda question, weight: retriever.retrieve(
            question, vector(question), k=DEPTH, tenant=tenant, collection=collection, dense_weight=weight
        ),
        old_weight=space.fusion_weight if stored is None else stored,
    )
    if tuning.is_better:
        keep = partial(
            keep_weight,
            corpus_id=corpus_id,
            space=space.name,
            dense_weight=tuning.dense_weight,
            questions=tuning.questions,
        )
        database.run(keep, tenant=tenant, repeatable=True)
    return tuning


def tune(
    labelled: Iterable[tuple[str, Grades]], search: Callable[[str, float], Sequence[Hit]], *, old_weight: float
) -> Tuning:
    """The weight that serves ``labelled`` best. ``search`` gives the hits of a question under a dense weight.

    Raises InvalidArgument for fewer than FEWEST_QUESTIONS questions, one that wants nothing, and labels of
    which no search finds any.
    """
    questions = list(labelled)
    _check(questions)
    weights = sorted({*WEIGHTS, old_weight})
    quality = np.zeros((len(questions), len(weights)))
    for row, (question, grades) in enumerate(questions):
        for column, weight in enumerate(weights):
            quality[row, column] = _ndcg(_names(search(question, weight), grades), grades)
    if not quality.any():
        raise InvalidArgument(
            "no labelled document or chunk came up for any question: check that the ids are those of this collection"
        )
    return choose(quality, weights, old_weight)


def choose(quality: NDArray[np.float64], weights: Sequence[float], old_weight: float) -> Tuning:
    """The best of ``weights``, which hold ``old_weight``, by ``quality``, (questions, weights)."""
    old = quality[:, weights.index(old_weight)]
    held_out = np.empty(len(quality))
    folds = np.random.default_rng(0).permutation(len(quality)) % _FOLDS
    for fold in range(_FOLDS):
        out = folds == fold
        held_out[out] = quality[out, _best(quality[~out], weights, old_weight)]
    low, high = _interval(held_out - old)
    is_better = bool(low > 0)
    return Tuning(
        dense_weight=weights[_best(quality, weights, old_weight)] if is_better else old_weight,
        old_weight=old_weight,
        before=float(old.mean()),
        after=float(held_out.mean()),
        gain_low=low,
        gain_high=high,
        questions=len(quality),
        is_better=is_better,
    )


def _best(quality: NDArray[np.float64], weights: Sequence[float], old_weight: float) -> int:
    """The column with the greatest mean; of equals the one whose weight is nearest to the old one."""
    means = quality.mean(axis=0).round(12)
    return min(range(len(weights)), key=lambda column: (-means[column], abs(weights[column] - old_weight)))


def _interval(gains: NDArray[np.float64]) -> tuple[float, float]:
    """The 99% interval of the mean gain by the percentile bootstrap over questions."""
    random = np.random.default_rng(0)
    size = len(gains)
    means = [gains[random.integers(size, size=size)].mean() for _ in range(_RESAMPLES)]
    low, high = np.quantile(means, (0.005, 0.995))
    return float(low), float(high)


def _check(questions: Sequence[tuple[str, Grades]]) -> None:
    if len(questions) < FEWEST_QUESTIONS:
        raise InvalidArgument(
            f"{len(questions)} labelled questions cannot tell a gain from luck: give at least {FEWEST_QUESTIONS}"
        )
    for question, grades in questions:
        if not any(grade > 0 for grade in grades.values()):
            raise InvalidArgument(f"question {question!r} wants nothing: grade a document or chunk above 0, or drop it")


def _names(hits: Sequence[Hit], grades: Grades) -> list[str | int]:
    """The hits as the grades name them: by chunk where these are numbers, else by document, each once."""
    if any(isinstance(name, int) for name in grades):
        return [hit.chunk_id for hit in hits]
    return list(dict.fromkeys(hit.document_id for hit in hits))


def _ndcg(names: Sequence[str | int], grades: Grades) -> float:
    """
    >>> round(_ndcg(["x", "a"], {"a": 1}), 4)
    0.6309
    """
    gained = sum(max(0, grades.get(name, 0)) / math.log2(rank + 1) for rank, name in enumerate(names[:DEPTH], 1))
    wanted = sorted((max(0, grade) for grade in grades.values()), reverse=True)[:DEPTH]
    return gained / sum(grade / math.log2(rank + 1) for rank, grade in enumerate(wanted, 1))
