"""Deterministic checks of a question before anything is spent on it."""

from __future__ import annotations

import unicodedata

from ragdiet.errors import InvalidQuestion

MOST_CHARACTERS = 8_000
"""About 2,000 tokens: a longer text is a document, not a question."""


def checked_question(question: object, *, needs_words: bool = True) -> str:
    """The question without surrounding white space and control characters; InvalidQuestion where it holds no word,
    or, unless it ``needs_words``, nothing at all."""
    if not isinstance(question, str):
        raise InvalidQuestion(f"the question is a {type(question).__name__}: give it as text")
    if len(question) > MOST_CHARACTERS:
        raise InvalidQuestion(
            f"the question has {len(question):,} characters, the most is {MOST_CHARACTERS:,}: ingest long texts as "
            "documents and ask a short question about them"
        )
    if any("\ud800" <= character <= "\udfff" for character in question):
        raise InvalidQuestion("the question holds half of a surrogate pair: decode it again, as UTF-8")
    kept = "".join(" " if unicodedata.category(character) == "Cc" else character for character in question).strip()
    if not (any(character.isalnum() for character in kept) if needs_words else kept):
        raise InvalidQuestion("the question holds no words: ask with at least one word or number")
    return kept
