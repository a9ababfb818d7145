"""Which term stands how often in which chunk, for a whole batch of chunks at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragdiet import bm25

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TERM_BITS = 30
_TERM_MASK = (1 << _TERM_BITS) - 1


@dataclass(frozen=True, slots=True)
class Postings:
    """The terms of some texts, one text after the other, each text's in ascending order.

    ``terms`` int32 (n,) and ``counts`` int64 (n,); ``ends`` int64 (texts,) says where each text's end;
    ``lengths`` int64 (texts,) are in terms with repeats.
    """

    terms: NDArray[np.int32]
    counts: NDArray[np.int64]
    ends: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def frequencies(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Each term, ascending, and in how many texts it stands."""
        return np.unique(self.terms, return_counts=True)

    def weights(self, average_length: float) -> NDArray[np.float32]:
        """The BM25 weight of each term of each text, float32 (n,)."""
        sizes = np.diff(self.ends, prepend=0)
        saturation = np.repeat(bm25.saturation(self.lengths.astype(np.float64), average_length), sizes)
        return (self.counts / (self.counts + saturation)).astype(np.float32)


def postings(texts: Sequence[NDArray[np.int32]]) -> Postings:
    """Count the terms of each text; terms are numbers below 2**30, as `ragdiet.analysis` gives them.

    >>> found = postings([np.array([7, 3, 7], np.int32), np.array([], np.int32), np.array([3], np.int32)])
    >>> found.terms.tolist(), found.counts.tolist(), found.ends.tolist(), found.lengths.tolist()
    ([3, 7, 3], [1, 2, 1], [2, 2, 3], [3, 0, 1])
    """
    lengths = np.array([len(terms) for terms in texts], np.int64)
    rows = np.repeat(np.arange(len(texts), dtype=np.int64), lengths)
    terms = np.concatenate(texts) if len(texts) else np.array([], np.int32)
    keys, counts = np.unique(rows << _TERM_BITS | terms, return_counts=True)
    ends = np.searchsorted(keys, np.arange(1, len(texts) + 1, dtype=np.int64) << _TERM_BITS)
    return Postings((keys & _TERM_MASK).astype(np.int32), counts, ends, lengths)
