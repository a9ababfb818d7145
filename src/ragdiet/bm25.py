"""BM25 as Lucene computes it (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework";
Kamphuis et al. 2020, "Which BM25 Do You Mean?").

score(question, text) = sum over the question's terms t of idf(t) * weight(t, text)

The weight depends on the text alone and is stored with it; the idf moves with the corpus and is
computed when a question is asked. The scores are thus exact, and no row changes when idf does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

K1 = 1.5
B = 0.75


def weight(count: float, length: int, average_length: float) -> float:
    """tf / (tf + k1 (1 - b + b dl / avgdl)), in [0, 1).

    ``count`` is the term's occurrences, ``length`` and ``average_length`` are in terms with repeats.

    >>> round(weight(2, 100, 100.0), 4)
    0.5714
    """
    return count / (count + _saturation(length, average_length))


def weights(counts: Mapping[int, int], length: int, average_length: float) -> dict[int, float]:
    """The weight of each term of a text, by term number."""
    saturation = _saturation(length, average_length)
    return {term: count / (count + saturation) for term, count in counts.items()}


def counts(stored: Mapping[int, float], length: int, average_length: float) -> dict[int, int]:
    """The term counts that ``weights`` was given: its inverse, for another average length.

    >>> counts(weights({7: 3, 9: 1}, 4, 10.0), 4, 10.0)
    {7: 3, 9: 1}
    """
    saturation = _saturation(length, average_length)
    return {term: round(value * saturation / (1 - value)) for term, value in stored.items()}


def idf(document_frequency: int, texts: int) -> float:
    """ln(1 + (N - df + 0.5) / (df + 0.5)), always positive.

    >>> round(idf(1, 3), 4)
    0.9808
    """
    return math.log1p((texts - document_frequency + 0.5) / (document_frequency + 0.5))


def _saturation(length: int, average_length: float) -> float:
    return K1 * (1 - B + B * length / average_length)
