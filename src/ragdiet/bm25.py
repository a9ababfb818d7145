"""BM25 as Lucene computes it (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework";
Kamphuis et al. 2020, "Which BM25 Do You Mean?").

score(question, text) = sum over the question's terms t of idf(t) * weight(t, text)

The weight depends on the text alone and is stored with it; the idf moves with the corpus and is
computed when a question is asked. The scores are thus exact, and no row changes when idf does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

K1 = 1.5
B = 0.75


def weight(count: float, length: int, average_length: float) -> float:
    """tf / (tf + k1 (1 - b + b dl / avgdl)), in [0, 1).

    ``count`` is the term's occurrences, ``length`` and ``average_length`` are in terms with repeats.

    >>> round(weight(2, 100, 100.0), 4)
    0.5714
    """
    return count / (count + saturation(length, average_length))


def idf(document_frequency: int, texts: int) -> float:
    """ln(1 + (N - df + 0.5) / (df + 0.5)), always positive.

    >>> round(idf(1, 3), 4)
    0.9808
    """
    return math.log1p((texts - document_frequency + 0.5) / (document_frequency + 0.5))


@overload
def saturation(length: int, average_length: float) -> float: ...
@overload
def saturation(length: NDArray[np.float64], average_length: float) -> NDArray[np.float64]: ...
def saturation(length: int | NDArray[np.float64], average_length: float) -> float | NDArray[np.float64]:
    """k1 (1 - b + b dl / avgdl): the count at which a term of this text weighs one half."""
    return K1 * (1 - B + B * length / average_length)
