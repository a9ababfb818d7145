"""What a question's wording says, and what it leaves open: its subject, and whether it is two questions.

Cues are English: in a collection of another language a question is looked at for its stop words alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ragdiet.analysis.words import words

if TYPE_CHECKING:
    from ragdiet.analysis import Analyzer

# They ask, point and please, and stand in a question about anything.
_SUBJECTLESS = frozenset(
    "what which who whom whose when where why how is are was were am be been being do does did done can could should "
    "would may might must shall will have has had please tell me us about explain describe show give say know let "
    "i we you my our your it its this that these those they them there here he she him her his their one any some "
    "all else other more much many also just so than from want need like would thing things something anything "
    "everything stuff info information detail details overview summary summarize summarise question questions topic "
    "subject don doesn didn isn understand hello hi hey thanks thank ok okay yes help".split()
)
# Of something that is only pointed at they say nothing either: "How does this work?", "How long does it take?"
_OF_WHAT_IS_POINTED_AT = frozenset(
    "work works working use used using mean means meaning happen happens go going start get make find apply cost "
    "costs long far big old take takes get rules point idea matter important good bad better next again now new "
    "example answer document documents page file text".split()
)
_POINTING = frozenset("it its this that these those they them their there here thing things something stuff".split())

_WHAT = (
    r"(?:(?:in|on|at|of|to|for|by|from|under|with|during|until|since)\s+)?"
    r"(?:what|which|who|whom|whose|when|where|why|how)"
)
_BEGINS_AS_QUESTION = re.compile(
    rf"\W*(?:{_WHAT}|is|are|was|were|does|do|did|can|could|should|must|may)\b", re.IGNORECASE
)
_BETWEEN_QUESTIONS = re.compile(
    rf"\?+\s+(?:(?:and|also|plus)\b[\s,:]*)*(?=\w)|(?:[,;]?\s+(?:and|plus)|;)\s+(?:also\s+)?(?={_WHAT}\s+\w)",
    re.IGNORECASE,
)
# The second of two questions that only speaks of the first does not stand alone.
_LEANS = re.compile(
    r"\b(?:it|its|he|him|his|she|her|hers|they|them|their|theirs|this|that|these|those|there|so|one|ones|former|latter"
    r"|others?|same|else|both)\b",
    re.IGNORECASE,
)


def subject_terms(question: str, analyzer: Analyzer) -> tuple[str, ...]:
    """Terms of what the question is about, each once, in its order; none for one that is about nothing.

    >>> from ragdiet.analysis import analyzer
    >>> subject_terms("Can you tell me how the notice period works?", analyzer())
    ('notic', 'period', 'work')
    >>> subject_terms("How does this work?", analyzer())
    ()
    """
    said = words(question)
    if analyzer.language == "english":
        lower = {word.lower() for word in said}
        empty = _SUBJECTLESS | _OF_WHAT_IS_POINTED_AT if lower & _POINTING else _SUBJECTLESS
        shouted = question.isupper()
        # A word in capitals among small letters is a name: the WHO, the US.
        said = [word for word in said if word.lower() not in empty or _is_name(word, shouted)]
    return tuple(dict.fromkeys(analyzer.terms(" ".join(said))))


def parts(question: str) -> tuple[str, ...]:
    """The questions that an English text asks one after the other, where each can be asked alone; else none.

    >>> parts("What is the notice period and who approves travel?")
    ('What is the notice period?', 'Who approves travel?')
    >>> parts("Are cats and dogs allowed, and who pays for them?")
    ()
    """
    found = [part.strip(" \t\n?.,;") for part in _BETWEEN_QUESTIONS.split(question)]
    found = [part for part in found if part]
    if len(found) < 2 or any(_LEANS.search(part) for part in found[1:]):
        return ()
    if not all(_BEGINS_AS_QUESTION.match(part) for part in found):
        return ()
    return tuple(f"{part[0].upper()}{part[1:]}?" for part in found)


def _is_name(word: str, shouted: bool) -> bool:
    return len(word) > 1 and word.isupper() and not shouted
