"""A question without the words that only make it one, for the keyword leg."""

from __future__ import annotations

import re
from collections.abc import Set

_FORM_WORDS = frozenset(
    "what which who whom whose when where why how many much do does did is are was were be been being has have had "
    "can could should would must".split()
)
_FILLING_WORDS = _FORM_WORDS | frozenset(
    "long often far old may might shall will the a an of in on at to for from by with about please tell me give show "
    "list explain describe i we you my our your there it its".split()
)
_WORD = re.compile(r"[^\s?!,;:()\"“”]+")


def without_question_words(question: str) -> str:
    """The question without its form words; the question itself when nothing would be left.

    >>> without_question_words("Which laws must be obeyed?")
    'laws obeyed'
    """
    return _without(question, _FORM_WORDS)


def rewritten(question: str) -> str:
    """The question's telling words alone, for a second, wider search.

    >>> rewritten("How long is the notice period?")
    'notice period'
    """
    return _without(question, _FILLING_WORDS)


def _without(question: str, words: Set[str]) -> str:
    kept = [word for word in _WORD.findall(question) if word.lower().removesuffix("'s").rstrip(".") not in words]
    return " ".join(kept) or question
