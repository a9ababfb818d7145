"""Which chunks hold a phrase. The index knows no order, so it brings those with all of its terms, and the
text decides: in the chunk, its heading or its document's title."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragdiet.analysis import corpus_terms, term_numbers
from ragdiet.errors import InvalidQuestion
from ragdiet.retrieve.statements import statement

if TYPE_CHECKING:
    import psycopg

    from ragdiet.analysis import Analyzer
    from ragdiet.retrieve.question import ParsedQuestion, Phrase


_MOST_READ = 20_000
"""Chunks whose text is read for a phrase: some 4 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseMatches:
    """Numbers of chunks: ``required``, one of which a hit must be (None: any), and ``forbidden`` ones."""

    required: tuple[int, ...] | None
    forbidden: tuple[int, ...]


def phrase_matches(
    connection: psycopg.Connection, corpus_id: int, question: ParsedQuestion, analyzer: Analyzer
) -> PhraseMatches:
    """Chunks with every phrase of the question, and those with any that it excludes.

    Reads the text of each chunk that has all the terms: about 0.2 ms for one of a hundred words. Raises
    InvalidQuestion where they are more than 20,000.
    """
    required = None
    if question.phrases:
        required = tuple(_holding(connection, corpus_id, question.phrases, analyzer))
    forbidden = {
        chunk_id
        for phrase in question.excluded_phrases
        for chunk_id in _holding(connection, corpus_id, [phrase], analyzer)
    }
    return PhraseMatches(required=required, forbidden=tuple(sorted(forbidden)))


def _holding(
    connection: psycopg.Connection, corpus_id: int, phrases: Sequence[Phrase], analyzer: Analyzer
) -> list[int]:
    """Chunks with all the phrases, in ascending order."""
    terms = term_numbers(term for phrase in phrases for term in phrase.terms)
    stored = corpus_terms(np.array([*terms], np.int32), corpus_id)
    limits = {"corpus": corpus_id, "terms": stored.tolist(), "most": _MOST_READ + 1}
    rows = connection.execute(statement("phrases.sql"), limits).fetchall()
    if len(rows) > _MOST_READ:
        said = " and ".join(f'"{" ".join(phrase.terms)}"' for phrase in phrases)
        raise InvalidQuestion(
            f"the words of {said} stand together in more than {_MOST_READ:,} chunks, too many to read: add a rarer "
            "word to the phrase, or leave the quotation marks out"
        )
    found = []
    for chunk_id, *texts in rows:
        sequences = [analyzer.sequence(text) for text in texts if text]
        if all(any(phrase.stands_in(sequence) for sequence in sequences) for phrase in phrases):
            found.append(chunk_id)
    return sorted(found)
