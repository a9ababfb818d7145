"""Terms as numbers: what the keyword index stores of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TERM_SPACE = 1_000_000_000
"""Terms are numbered 1 to this: the greatest dimension of pgvector's sparsevec."""

_CORPUS_STEP = 618_033_989
"""Golden section of the term space: the steps of many corpora lie far apart."""


def term_number(term: str) -> int:
    """A stable number in 1..1e9 for a term. Two of a million terms meet about 500 times."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest()) % TERM_SPACE + 1


def corpus_terms(numbers: NDArray[np.int32], corpus_id: int) -> NDArray[np.int32]:
    """Term numbers as a corpus stores them, int32, same shape: moved by a step of the corpus's own.

    So the terms of one corpus are others than those of the next, and the one inverted index over all of them
    finds a corpus's chunks without reading through those of everybody else. The step of ``-corpus_id`` leads back.

    >>> corpus_terms(np.array([1, 999_999_999], np.int32), 2).tolist()
    [236067979, 236067977]
    >>> corpus_terms(np.array([236067979, 236067977], np.int32), -2).tolist()
    [1, 999999999]
    """
    moved = (numbers.astype(np.int64) - 1 + corpus_id * _CORPUS_STEP) % TERM_SPACE + 1
    return moved.astype(np.int32)


def term_numbers(terms: Iterable[str]) -> Counter[int]:
    """Occurrences by term number."""
    return Counter(map(term_number, terms))
