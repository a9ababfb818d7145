"""Deterministic checks of a question and its history before anything is spent on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragdiet.errors import InvalidArgument, InvalidQuestion
from ragdiet.guard.characters import visible

if TYPE_CHECKING:
    from ragdiet.types import Turn

MOST_CHARACTERS = 8_000
"""About 2,000 tokens: a longer text is a document, not a question."""

MOST_HISTORY = 400_000
"""Characters of all turns, about 100,000 tokens: of a longer conversation the last turns will do."""


def checked_question(question: object, *, needs_words: bool = True) -> str:
    """The question without surrounding white space, control characters and unseen ones; InvalidQuestion where it
    holds no word, or, unless it ``needs_words``, nothing at all."""
    if not isinstance(question, str):
        raise InvalidQuestion(f"the question is a {type(question).__name__}: give it as text")
    if len(question) > MOST_CHARACTERS:
        raise InvalidQuestion(
            f"the question has {len(question):,} characters, the most is {MOST_CHARACTERS:,}: ingest long texts as "
            "documents and ask a short question about them"
        )
    if _has_surrogate(question):
        raise InvalidQuestion("the question holds half of a surrogate pair: decode it again, as UTF-8")
    kept = visible(question).strip()
    if not (any(character.isalnum() for character in kept) if needs_words else kept):
        raise InvalidQuestion("the question holds no words: ask with at least one word or number")
    return kept


def checked_history(history: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns without control and unseen characters; InvalidArgument where they cannot be sent."""
    characters = sum(len(turn.text) for turn in history)
    if characters > MOST_HISTORY:
        raise InvalidArgument(
            f"the history has {characters:,} characters, the most is {MOST_HISTORY:,}: give the last turns alone"
        )
    if any(_has_surrogate(turn.text) for turn in history):
        raise InvalidArgument("the history holds half of a surrogate pair: decode it again, as UTF-8")
    return tuple(replace(turn, text=visible(turn.text, lines=True)) for turn in history)


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
