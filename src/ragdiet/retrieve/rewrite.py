"""A question rewritten for a second search."""

from __future__ import annotations

import re

_QUESTION_WORDS = frozenset(
    "what which who whom whose when where why how many much long often far old do does did is are was were has have "
    "had can could should would may might shall will the a an of in on at to for from by with about please tell me "
    "give show list explain describe i we you my our your there it its".split()
)
_WORD = re.compile(r"[^\s?!,;:()\"“”]+")


def rewritten(question: str) -> str:
    """The question's telling words in their order; the question itself when nothing would be left.

    >>> rewritten("How long is the notice period?")
    'notice period'
    """
    kept = [
        word for word in _WORD.findall(question) if word.lower().removesuffix("'s").rstrip(".") not in _QUESTION_WORDS
    ]
    return " ".join(kept) or question
