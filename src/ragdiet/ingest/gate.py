"""Whether another embedding space finds the documents that labelled questions ask for as well as the old one."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias

from ragdiet.errors import InvalidArgument
from ragdiet.types import Hit, RetrievalScore

Labelled: TypeAlias = Sequence[tuple[str, Collection[str]]]
"""Questions, each with the ids of the documents that answer it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a space may be switched to: ``reason`` says why not."""

    reason: str = ""
    before: RetrievalScore | None = None
    after: RetrievalScore | None = None


def judge_of(
    labelled: Labelled, old: Callable[[str], Sequence[Hit]], new: Callable[[str], Sequence[Hit]], margin: float
) -> Callable[[], Verdict]:
    """Asks the ``labelled`` questions of the search in use and of the ``new`` one, which may score ``margin`` less.

    Raises InvalidArgument where the questions prove nothing.
    """
    checked = checked_labels(labelled)

    def judge() -> Verdict:
        before, after = retrieval_score(old, checked), retrieval_score(new, checked)
        lacking = shortfall(before, after, margin)
        return Verdict(reason=lacking and f"the gate was missed: {lacking}", before=before, after=after)

    return judge


def checked_labels(labelled: Labelled) -> Labelled:
    """``labelled``, or InvalidArgument where it proves nothing."""
    if not labelled:
        raise InvalidArgument("the gate has no labelled question: give [(question, {document_id, ...}), ...]")
    for question, wanted in labelled:
        if not wanted or isinstance(wanted, str):
            raise InvalidArgument(f"the question {question[:60]!r} has no documents: give a set of document ids")
    return labelled


def retrieval_score(search: Callable[[str], Sequence[Hit]], labelled: Labelled) -> RetrievalScore:
    """The mean scores of what ``search`` finds, in its order."""
    scores = [score([hit.document_id for hit in search(question)], wanted) for question, wanted in labelled]
    return RetrievalScore(recall=fmean(recall for recall, _ in scores), ndcg=fmean(ndcg for _, ndcg in scores))


def score(found: Sequence[str], wanted: Collection[str]) -> tuple[float, float]:
    """Recall and nDCG of documents, which may be found several times: the first time counts.

    nDCG with binary gains and the discount log2(rank + 1) (Järvelin and Kekäläinen 2002).

    >>> recall, ndcg = score(["x", "a", "a"], {"a", "b"})
    >>> recall, round(ndcg, 4)
    (0.5, 0.3869)
    """
    ranked = list(dict.fromkeys(found))
    gained = sum(1 / math.log2(rank + 1) for rank, name in enumerate(ranked, 1) if name in wanted)
    best = sum(1 / math.log2(rank + 1) for rank in range(1, len(set(wanted)) + 1))
    return len(set(wanted) & set(ranked)) / len(set(wanted)), gained / best


def shortfall(before: RetrievalScore, after: RetrievalScore, margin: float) -> str:
    """What ``after`` lacks to be as good as ``before`` less ``margin``; empty where it lacks nothing."""
    pairs = (("recall", before.recall, after.recall), ("nDCG", before.ndcg, after.ndcg))
    return ", ".join(f"{name} {new:.3f} against {old:.3f}" for name, old, new in pairs if new < old - margin)
