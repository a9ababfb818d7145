"""The words of a corpus, by its index: how common they are, and how they are written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from ragdiet.analysis import corpus_terms, term_number
from ragdiet.analysis.words import parts_in_order
from ragdiet.retrieve.statements import statement

if TYPE_CHECKING:
    import psycopg

    from ragdiet.analysis import Analyzer


class Vocabulary:
    """The terms of one corpus. Reads by primary key, in the transaction of ``connection``."""

    def __init__(self, connection: psycopg.Connection, corpus_id: int, analyzer: Analyzer) -> None:
        self._connection = connection
        self._corpus_id = corpus_id
        self.analyzer = analyzer

    def frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """In how many chunks each term stands, of those that stand in any.

        Terms are numbered by a hash: of a thousand that stand nowhere, one in ten is said to, in a corpus of
        100,000 terms. ``written`` tells.
        """
        numbered = self._numbered(terms)
        rows = self._connection.execute(
            statement("frequencies.sql"), {"corpus": self._corpus_id, "terms": [*numbered]}
        ).fetchall()
        return {term: df for number, df in rows for term in numbered[number]}

    def written(self, terms: Iterable[str]) -> dict[str, set[str]]:
        """How each term is written in three chunks that hold it, in lower case; none of a term that stands nowhere."""
        numbered = self._numbered(terms)
        numbers = [*numbered]
        rows = self._connection.execute(statement("examples.sql"), {"corpus": self._corpus_id, "terms": numbers})
        found: dict[str, set[str]] = {}
        for place, *texts in rows:
            of_place = numbered[numbers[place - 1]]
            for word in {word.lower() for text in texts if text for word in parts_in_order(text)}:
                if (term := self.analyzer.stem(word)) in of_place:
                    found.setdefault(term, set()).add(word)
        return found

    def _numbered(self, terms: Iterable[str]) -> dict[int, list[str]]:
        """Terms by the number that the corpus stores."""
        listed = [*dict.fromkeys(terms)]
        numbers = corpus_terms(np.array([*map(term_number, listed)], np.int32), self._corpus_id).tolist()
        found: dict[int, list[str]] = {}
        for number, term in zip(numbers, listed, strict=True):
            found.setdefault(number, []).append(term)
        return found
