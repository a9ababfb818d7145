"""Words of a text as the keyword leg, the diet and the confidence signals see them.

A term is a word in lower case, not a stop word, stemmed by Snowball, and stored as a number. What is
no plain word (identifiers, versions, numbers, addresses, scripts without spaces) follows the rules of
``ragdiet.analysis.words``. The same rules are applied to documents and to questions.
"""

from __future__ import annotations

import threading
from collections import Counter
from functools import lru_cache
from itertools import chain
from typing import TypeVar

from ragdiet.analysis.languages import language, without_accents
from ragdiet.analysis.numbering import term_number
from ragdiet.analysis.words import parts_in_order, pieces, words
from ragdiet.errors import InvalidArgument

_T = TypeVar("_T")

RULES = 2
"""Raised when the same text would give other terms."""

_MOST_WORDS = 250_000
_MOST_PARTS = 50_000
_LONGEST_WORD_KEPT = 64  # a longer one is a run of Chinese or a digest, and hardly comes again


class Analyzer:
    """Turns text into terms, by the rules of one language.

    A collection has one analyzer, whatever the languages of its documents: scripts that are written
    without spaces are recognised by their characters, so they are found in a collection of any
    language, and a word of another language is found in the form it has there. There is no "auto": a
    question is too short to tell its language by, and other rules for it than for the document would
    find nothing.

    ``version`` names the rules; a document whose terms were made by others is indexed anew.

    >>> Analyzer("english").terms("The aircraft's wings, and swept wings")
    ['aircraft', 'wing', 'swept', 'wing']
    """

    def __init__(self, name: str = "english") -> None:
        import Stemmer

        if name not in Stemmer.algorithms():
            raise InvalidArgument(f"no stemmer for {name!r}; the languages are: {', '.join(Stemmer.algorithms())}")
        self.language = name
        snowball = ".".join(Stemmer.version().split(".")[:2])
        self.version = f"{name}-{RULES}-snowball{snowball}"
        self.cache_identity = self.version  # the words met so far are no part of it
        self._terms = _Terms(name)
        self.stop_words = self._terms.rules.stop_words
        self.letters = self._terms.rules.stemmed
        self._numbers = _Numbers(self._terms)
        self._stem_of_part = lru_cache(maxsize=_MOST_PARTS)(self._terms.stem_of_part)

    def terms(self, text: str) -> list[str]:
        """Stems in the order of the text, with repeats."""
        return list(chain.from_iterable(map(self._terms.__getitem__, words(text))))

    def numbers(self, text: str) -> list[int]:
        """The terms' numbers, in the order of the text, with repeats."""
        return list(chain.from_iterable(map(self._numbers.__getitem__, words(text))))

    def sequence(self, text: str) -> list[str]:
        """Stems of all that stands in a text, in order, words on the stop list and single letters too: what a
        quoted phrase is compared by.

        >>> Analyzer().sequence("Chapter 5 of the e-book")
        ['chapter', '5', 'of', 'the', 'e', 'book']
        """
        return list(map(self._stem_of_part, parts_in_order(text)))

    def stem(self, word: str) -> str:
        """Of one plain word in lower case, whether or not it is a stop word."""
        return self._terms.stem(word)

    def term_counts(self, text: str) -> Counter[str]:
        return Counter(self.terms(text))


class _Terms(dict[str, tuple[str, ...]]):
    """The terms of each word met; none of a stop word."""

    def __init__(self, name: str) -> None:
        import Stemmer

        self.rules = language(name)
        self._stemmer = Stemmer.Stemmer(name, 0)
        self._lock = threading.Lock()

    def __missing__(self, word: str) -> tuple[str, ...]:
        return _kept(self, word, self.of(word))

    def of(self, word: str) -> tuple[str, ...]:
        """The terms of a word, found anew."""
        rules = self.rules
        # Most words are plain, and take this shorter way to what their pieces give.
        if word.isascii() and word.isalpha() and (word.islower() or word[1:].islower()):
            lowered = rules.lower(word)
            return () if len(word) < 2 or lowered in rules.stop_words else (self.stem(lowered),)
        found = (
            without_accents(piece, rules.distinct) if is_whole else self.stem(piece)
            for piece, is_whole in pieces(word, rules.lower, decimal_comma=rules.decimal_comma)
            if is_whole or piece not in rules.stop_words
        )
        return tuple(term for term in found if term)  # of accents alone nothing is left

    def stem_of_part(self, part: str) -> str:
        return self.stem(self.rules.lower(part))

    def stem(self, word: str) -> str:
        """Of a word in lower case."""
        with self._lock:  # a Snowball stemmer keeps state and is not safe to share
            stem: str = self._stemmer.stemWord(without_accents(word, self.rules.stemmed))
        return without_accents(stem, self.rules.distinct)


class _Numbers(dict[str, tuple[int, ...]]):
    """The numbers of the terms of each word met."""

    def __init__(self, terms: _Terms) -> None:
        self._terms = terms

    def __missing__(self, word: str) -> tuple[int, ...]:
        return _kept(self, word, tuple(map(term_number, self._terms.of(word))))


def _kept(known: dict[str, _T], word: str, found: _T) -> _T:
    if len(known) > _MOST_WORDS:
        known.clear()
    if len(word) <= _LONGEST_WORD_KEPT:
        known[word] = found
    return found


@lru_cache(maxsize=64)
def analyzer(language: str = "english") -> Analyzer:
    """The shared analyzer of a language."""
    return Analyzer(language)
