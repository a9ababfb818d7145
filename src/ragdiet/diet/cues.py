"""What the wording of a question tells: its subject, and the kind of answer it asks for.

English question words only; for other languages the cues are silent and nothing else changes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_QUESTION_WORDS = frozenset(
    "who whom whose what which when where why how do does did were has have had can could should would please".split()
)
_NUMBER = re.compile(
    r"\d+|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozens?|hundreds?|thousands?|"
    r"[mb]illions?|half|thirds?|quarters?|percent)\b",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December|"
    r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|[Cc]entur(?:y|ies)|1\d{3}s?|20\d\ds?|\d+(?:st|nd|rd|th)|\d\d?:\d\d|"
    r"(?:\d+|one|two|three|four|five|six|seven|ten) (?:second|minute|hour|day|week|month|year)s?)\b"
)
_NAME = re.compile(r"(?<=[\w,;:'’)-] )[\"“'‘(]?[A-ZÀ-Þ][\w'’.-]+|\A[A-Z][\w'’.-]+ [A-Z]\w+")
_PLACE = re.compile(r"\b(?:in|at|near|from|of|to|on|[Cc]ity|[Ii]sland|[Rr]iver)\s+(?:the\s+)?[A-Z]\w+")

_ASKED = (
    (
        _NUMBER,
        re.compile(
            r"\bhow (?:many|much|long|old|far|tall|high|big|large|often|fast|deep|wide|heavy)\b"
            r"|\b(?:what|which)\b.*\b(?:percent|percentage|number|population|amount|age|price|cost|fee|rate|salary|"
            r"limit|distance|height|length|size|speed|temperature|weight)\b"
        ),
    ),
    (
        _DATE,
        re.compile(r"\bwhen\b|\b(?:what|which)\b.*\b(?:year|date|day|month|century|decade|time|deadline)\b"),
    ),
    (_NAME, re.compile(r"\b(?:who|whose|whom)\b")),
    (
        _PLACE,
        re.compile(
            r"\bwhere\b|\b(?:what|which) (?:city|country|state|place|town|region|county|continent|island|river)\b"
        ),
    ),
)
_WORD = re.compile(r"\w+(?:['’-]\w+)*")


def subject(question: str) -> str:
    """The question without the words that only shape it. "WHO" among small letters is a name and stays.

    >>> subject("What did the WHO recommend?")
    'the WHO recommend'
    """
    return " ".join(
        word
        for word in re.findall(r"\w+", question)
        if word.lower() not in _QUESTION_WORDS or (len(word) > 1 and word.isupper() and not question.isupper())
    )


def answers_kind(question: str, sentences: Sequence[str]) -> NDArray[np.float64]:
    """1 for each sentence that holds what answers look like, a number, date, name or place, and not only such as the
    question says itself; else 0, as where its wording does not tell what it asks for. float64, (sentences,).

    >>> answers_kind("How long was the bridge of 1931 closed?", ["It was built in 1931.", "For 30 days.", "Long."])
    array([0., 1., 0.])
    """
    lowered = question.lower()
    patterns = [pattern for pattern, asked in _ASKED if asked.search(lowered)]
    said = set(re.findall(r"\w+", lowered))

    def is_new(found: str) -> bool:
        return not said.issuperset(re.findall(r"\w+", found.lower()))

    return np.array(
        [
            any(is_new(match.group()) for pattern in patterns for match in pattern.finditer(sentence))
            for sentence in sentences
        ],
        dtype=np.float64,
    )


def plain_words(text: str) -> str:
    """Words in lower case with a blank before, between and after, so that ``in`` finds whole words."""
    return f" {' '.join(_WORD.findall(text.lower()))} "
