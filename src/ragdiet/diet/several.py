"""Whether a question's wording says that one passage will not answer it.

English wording; a question in another language is taken for one that needs a single passage.
"""

from __future__ import annotations

import re

_QUESTION_WORD = r"(?:what|which|who|whom|whose|when|where|why|how)"
# Bounded, so that a long text takes time in proportion.
_NAME = r"[A-ZÀ-Þ][\w'’.&-]{0,40}(?: [A-ZÀ-Þ0-9][\w'’.&-]{0,40}){0,5}"

_COMPARES = re.compile(
    r"\b(?:both|either|neither|versus|vs|compare[ds]?|comparing|comparison|in common|differences?|differs?|"
    r"different from|similar|alike|the same)\b"
    r"|\b(?:more|less|fewer|first|older|younger|newer|larger|smaller|bigger|greater|higher|lower|taller|shorter|longer|"
    r"deeper|wider|heavier|lighter|earlier|sooner|later|faster|slower|nearer|closer|cheaper|dearer|richer|stronger|"
    r"easier|harder|better|worse)\b[^?]{0,120}\bor\b",
    re.IGNORECASE,
)
_TWO_NAMES = re.compile(rf"{_NAME},? (?:and|or) (?:the )?{_NAME}")
_TWO_QUESTIONS = re.compile(rf"\band (?:(?:in|on|at|of|to|for|by|from) )?{_QUESTION_WORD}\b", re.IGNORECASE)
_DESCRIBED = re.compile(
    r"\b(?:the|an?|another|other|someone|this) (?:[\w'’-]{1,30} ){0,6}?"
    r"(?:who|that|which|whose|whom|where|(?:based|located|written|directed|founded|published|presented|led|known) "
    r"(?:in|on|by|as))\b",
    re.IGNORECASE,
)
_BEGINS = re.compile(
    rf"\W*(?:(?:in|on|at|of|to|for|by|from|with|under|during|since) )?{_QUESTION_WORD}\b"
    r"|\W*(?:is|are|was|were|do|does|did|has|have|had|can|could|may|must|should|will|would)\b"
    r"|\W*(?:please|tell|explain|describe|show|list|give|name|find|i|we)\b",
    re.IGNORECASE,
)
_ASKS_LATE = re.compile(rf"(?:\S+ ){{3,}}?{_QUESTION_WORD}\b", re.IGNORECASE)


def asks_for_several(question: str) -> bool:
    """Whether it compares, names two, asks two, or describes one thing by way of which another is to be found.

    >>> asks_for_several("Who is older, Ada Byron or Mary Shelley?")
    True
    >>> asks_for_several("What is the capital of the canton where the pass lies?")
    True
    >>> asks_for_several("The designer of the bridge was born in which town?")
    True
    >>> asks_for_several("How long is the notice period?")
    False
    """
    text = " ".join(question.split())
    begins = _BEGINS.match(text)
    rest = text[begins.end() :] if begins else text
    return bool(
        _COMPARES.search(text)
        or _TWO_NAMES.search(text)
        or _TWO_QUESTIONS.search(text)
        or _DESCRIBED.search(rest)
        or (not begins and _ASKS_LATE.match(text))
    )
