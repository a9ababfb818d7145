"""Ranking measures, as trec_eval and ranx define them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def ndcg(ranked: Sequence[str], grades: Mapping[str, int], k: int = 10) -> float:
    """Gain over the best possible gain, linear in the grade, discounted by log2(rank + 1).

    >>> round(ndcg(["x", "a"], {"a": 1}), 4)
    0.6309
    """
    gained = sum(grades.get(name, 0) / math.log2(rank + 1) for rank, name in enumerate(ranked[:k], 1))
    best = sum(grade / math.log2(rank + 1) for rank, grade in enumerate(sorted(grades.values(), reverse=True)[:k], 1))
    return gained / best if best else 0.0


def recall(ranked: Sequence[str], grades: Mapping[str, int], k: int = 10) -> float:
    """Share of the relevant documents among the first ``k``."""
    relevant = {name for name, grade in grades.items() if grade > 0}
    return len(relevant & set(ranked[:k])) / len(relevant)


def reciprocal_rank(ranked: Sequence[str], grades: Mapping[str, int], k: int = 10) -> float:
    """1 / rank of the first relevant document among the first ``k``, else 0."""
    return next((1 / rank for rank, name in enumerate(ranked[:k], 1) if grades.get(name, 0) > 0), 0.0)
