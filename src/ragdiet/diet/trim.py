"""Of each hit only the stretch that bears on the question: one run of whole sentences, verbatim.

A sentence is worth (s - threshold * best) * length, with s its relevance (``diet.relevance``) plus 0.3
of that of each neighbour in its hit, ``best`` the greatest s of all hits, and length in characters. The
run kept of a hit is the one whose worth sums to most (Bentley 1984, "Programming Pearls: Algorithm
Design Techniques"): a sentence that says little stays between two that say much, and goes at the ends.

With a threshold of 0.6 and five sentences of 100 characters in one hit::

    relevance                 0.0    2.0    1.0    2.0    0.0
    s                         0.6    2.3    2.2    2.3    0.6      best 2.3
    worth                     -78     92     82     92    -78
    kept                             ----   ----   ----

Runs are ordered by their best sentence alone: with its neighbours' shares, measured, passages that hold
an answer in one sentence fall behind. The effect of the whole: ``python -m benchmarks.chunking``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragdiet.analysis import analyzer
from ragdiet.diet.passages import Part, read_passages
from ragdiet.diet.relevance import relevance
from ragdiet.errors import InvalidArgument, InvalidQuestion
from ragdiet.types import Hit, Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

THRESHOLD = 0.6
_NEIGHBOUR = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is kept of a hit: ``hit.text[start:end]``. ``score`` is its best sentence's relevance, which
    compares within one call."""

    hit: Hit
    start: int
    end: int
    score: float

    @property
    def text(self) -> str:
        return self.hit.text[self.start : self.end]


def trim(
    question: str,
    hits: Sequence[Hit],
    question_vector: NDArray[np.float32] | None = None,
    *,
    threshold: float = THRESHOLD,
    language: str = "english",
) -> tuple[Run, ...]:
    """At most one run of each hit, best first; a hit with nothing worth keeping has none.

    ``hits`` are best first: a sentence that an earlier run of the same document holds is not kept
    again, so overlapping chunks are paid for once. ``question_vector``, float32, (dimensions,), makes
    the hits' sentence vectors count; without it words decide, and the hits' own scores. ``threshold``
    in [0, 1) is the share of the best score from which on a sentence is worth its length: more keeps less.
    Where no sentence has a score, nothing is known and the hits are kept whole.

    Raises InvalidQuestion for a blank question, InvalidArgument for a threshold out of range and for NaN
    in vectors, DimensionMismatch for vectors of another length than the question's.
    """
    if not question.strip():
        raise InvalidQuestion("the question is empty: ask something")
    if not 0 <= threshold < 1:
        raise InvalidArgument(f"threshold is {threshold}: give a share from 0 to below 1")
    hits = [hit for hit in hits if hit.text.strip()]
    parts = read_passages(hits, question_vector)
    if not parts:
        return ()
    owner = np.repeat(np.arange(len(parts)), [len(part.spans) for part in parts])
    scores = relevance(question, parts, analyzer(language))
    smoothed = _with_neighbours(scores, owner)
    lengths = np.array([end - start for part in parts for start, end in part.spans], np.float64)
    worth = (smoothed - threshold * smoothed.max()) * lengths if scores.any() else lengths

    kept: dict[str | int, list[Span]] = {}
    runs: list[Run] = []
    borders = np.flatnonzero(np.diff(owner)) + 1
    split = zip(hits, parts, np.split(worth, borders), np.split(scores, borders), strict=True)
    for number, (hit, part, own, own_scores) in enumerate(split):
        # A hit made by hand may have no offsets: nothing is known to overlap with it.
        is_placed = hit.end - hit.start == len(hit.text)
        earlier = kept.setdefault(part.document if is_placed else number, [])
        first, end = _worthiest(_barred(own, part, earlier))
        if first < end:
            start, stop = part.spans[first][0], part.spans[end - 1][1]
            earlier.append((part.offset + start, part.offset + stop))
            runs.append(Run(hit=hit, start=start, end=stop, score=float(own_scores[first:end].max())))
    return tuple(sorted(runs, key=lambda run: -run.score))


def _with_neighbours(scores: NDArray[np.float64], owner: NDArray[np.intp]) -> NDArray[np.float64]:
    joined = np.where(owner[1:] == owner[:-1], _NEIGHBOUR, 0.0)
    smoothed = scores.copy()
    smoothed[1:] += joined * scores[:-1]
    smoothed[:-1] += joined * scores[1:]
    return smoothed


def _barred(worth: NDArray[np.float64], part: Part, earlier: Sequence[Span]) -> NDArray[np.float64]:
    """The worth of a part's sentences, with those that earlier runs hold so low that no run crosses one."""
    if not earlier:
        return worth
    spans = np.array(part.spans) + part.offset
    first, last = np.array(earlier).T
    held = ((first <= spans[:, :1]) & (spans[:, 1:] <= last)).any(axis=1)
    return np.where(held, -1.0 - np.fmax(worth, 0.0).sum(), worth)


def _worthiest(worth: NDArray[np.float64]) -> Span:
    """The run with the greatest positive sum, as its first index and the one after its last; else empty."""
    sums = np.concatenate(([0.0], np.cumsum(worth)))
    end = int(np.argmax(sums - np.minimum.accumulate(sums)))
    return int(np.argmin(sums[: end + 1])), end
