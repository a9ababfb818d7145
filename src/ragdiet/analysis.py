"""Words of a text as the keyword leg, the diet and the confidence signals see them.

A term is a lower-cased word of two or more characters, not a stop word, stemmed by Snowball, and
stored as a number. The same rules are applied to documents and to questions.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ragdiet.errors import InvalidArgument

if TYPE_CHECKING:
    import Stemmer
    from numpy.typing import NDArray

TERM_SPACE = 1_000_000_000
"""Terms are numbered 1 to this: the greatest dimension of pgvector's sparsevec."""

_CORPUS_STEP = 618_033_989
"""Golden section of the term space: the steps of many corpora lie far apart."""

_WORD = re.compile(r"\b\w\w+\b")
_MOST_STEMS = 500_000
# Lucene's English stop set: short on purpose, since BM25's idf already discounts common words.
_STOP_WORDS = frozenset(
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these "
    "they this to was will with".split()
)


class Analyzer:
    """Turns text into terms.

    >>> Analyzer("english").terms("The aircraft's wings, and swept wings")
    ['aircraft', 'wing', 'swept', 'wing']
    """

    def __init__(self, language: str = "english") -> None:
        import Stemmer

        if language not in Stemmer.algorithms():
            raise InvalidArgument(f"no stemmer for {language!r}; the languages are: {', '.join(Stemmer.algorithms())}")
        self.language = language
        stop_words = _STOP_WORDS if language == "english" else frozenset[str]()
        self._stems = _Stems(Stemmer.Stemmer(language, 0), stop_words)

    def terms(self, text: str) -> list[str]:
        """Stems in the order of the text, with repeats."""
        stems = self._stems
        return [stem for word in _WORD.findall(text.lower()) if (stem := stems[word][0])]

    def numbers(self, text: str) -> list[int]:
        """The terms' numbers, in the order of the text, with repeats."""
        stems = self._stems
        return [number for word in _WORD.findall(text.lower()) if (number := stems[word][1])]

    def term_counts(self, text: str) -> Counter[str]:
        return Counter(self.terms(text))


class _Stems(dict[str, tuple[str, int]]):
    """The stem of each word met, and its term's number; of a stop word "" and 0."""

    def __init__(self, stemmer: Stemmer.Stemmer, stop_words: frozenset[str]) -> None:
        self._stemmer = stemmer
        self._stop_words = stop_words
        self._lock = threading.Lock()

    def __missing__(self, word: str) -> tuple[str, int]:
        if word in self._stop_words:
            found = ("", 0)
        else:
            with self._lock:  # a Snowball stemmer keeps state and is not safe to share
                stem = self._stemmer.stemWord(word)
            found = (stem, term_number(stem))
        if len(self) > _MOST_STEMS:
            self.clear()
        self[word] = found
        return found


def term_number(term: str) -> int:
    """A stable number in 1..1e9 for a term. Two of a million terms meet about 500 times."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest()) % TERM_SPACE + 1


def corpus_terms(numbers: NDArray[np.int32], corpus_id: int) -> NDArray[np.int32]:
    """Term numbers as a corpus stores them, int32, same shape: moved by a step of the corpus's own.

    So the terms of one corpus are others than those of the next, and the one inverted index over all of them
    finds a corpus's chunks without reading through those of everybody else.

    >>> corpus_terms(np.array([1, 999_999_999], np.int32), 2).tolist()
    [236067979, 236067977]
    """
    moved = (numbers.astype(np.int64) - 1 + corpus_id * _CORPUS_STEP) % TERM_SPACE + 1
    return moved.astype(np.int32)


def term_numbers(terms: Iterable[str]) -> Counter[int]:
    """Occurrences by term number."""
    return Counter(map(term_number, terms))


@lru_cache(maxsize=32)
def analyzer(language: str = "english") -> Analyzer:
    """The shared analyzer of a language."""
    return Analyzer(language)
