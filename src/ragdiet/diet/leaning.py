"""Whether the wording of a question needs what was said before it. English."""

from __future__ import annotations

import re
from collections.abc import Iterator

PREPOSITIONS = "in|for|at|on|from|to|by|under|with|since|during|before|after|as|per|of|within|without|about"
SHORT = 4
"""Words of a question that is too short to hold what its pronoun stands for."""

AUXILIARY = "is|are|was|were|do|does|did|has|have|had|can|could|may|must|should|will|would"
START = re.compile(r"^(?:and|or|but|so|then|also|ok|okay)\b[\s,]*", re.IGNORECASE)
ABOUT = re.compile(r"^(?:what|how) about\b\s*", re.IGNORECASE)
ASKS = re.compile(
    rf"\b(?:what|which|who|whom|whose|when|where|why|how|{AUXILIARY}|shall|list|name|explain|describe|compare|tell|"
    r"give|show|define)\b",
    re.IGNORECASE,
)
PERSON = re.compile(r"\b(?:he|she|him|his|her|hers)\b", re.IGNORECASE)
THING = re.compile(r"\b(?:it|its|they|them|their|theirs)\b", re.IGNORECASE)
PREPOSITIONAL = re.compile(rf"^(?P<preposition>{PREPOSITIONS})\s+(?P<object>\S.*)", re.IGNORECASE)
_POINTER = re.compile(
    r"\b(?:this|that|these|those)(?=\s*[?.,!]|$)|\b(?:this|that|these|those) (?:is|are|was|were|means?|apply|applies|"
    r"cost|costs|work|works|happen|happens|ones?|cases?|amount|rule|period|years?|months?|weeks?|days?|times?|dates?|"
    r"country|city|place|person|company|product|plan|way|number|project|team|document|section|policy|contract|option)\b"
    r"|^(?:is|was|does|did|will|would|can|could|has) (?:this|that)\b"
    rf"|\b(?:{AUXILIARY}) (?:these|those)\b(?! (?:who|which|that|of|in|with|without|on|from)\b)",
    re.IGNORECASE,
)
_ELSE = re.compile(
    r"\b(?:else|instead|again|another|the (?:other|same|first|second|third|last) (?:ones?|option)|"
    r"the (?:former|latter|others)|as well|too|mentioned|above|previous|earlier|more details?)"
    r"(?=\s*[?.,!]|$)|^(?:why|how|when|where|who|how so|why not|how come|how much|how many|how long)\s*\?*$"
    r"|\b(?:what|who|where|when|how) else\b|^what if\b|^(?:until|since|till|by|from) when\b"
    r"|\byou (?:said|mentioned|just)\b|\btell me more\b|\banything else\b|^(?:why|how) (?:is|was) that\b"
    r"|^(?:show|give|tell|do|list|find)\b.*\bthe same\b",
    re.IGNORECASE,
)
# A noun is left out: "Which version?", "Who decides?", "Does Honda?", "How many does Ghent have?", "Which is longer?"
_LEFT_OUT = re.compile(
    rf"^(?:which|what|whose|who) \w+\s*\?*$|^(?:{AUXILIARY}) (?:the )?\w+\s*\?*$|^how many (?:{AUXILIARY})\b"
    rf"|^(?:up )?(?:{PREPOSITIONS}) (?:what|which|whom|how) ?\w*\s*\?*$"
    r"|^which (?:ones?|is|are|was|were)\b|^(?!.*\b(?:the|an?) \w+ one\s*\?*$).*\bone\s*\?*$",
    re.IGNORECASE,
)
_THERE = re.compile(
    r"(?<!is )(?<!are )(?<!was )(?<!were )(?<!be )(?<!will )(?<!has )(?<!have )"
    rf"\bthere\b(?! (?:{AUXILIARY}|be|been)\b)",
    re.IGNORECASE,
)
# "It" stands for nothing in these.
_EMPTY_IT = re.compile(
    r"\b(?:is|was|will|would|does|how long does|how much does) it (?:be )?(?:possible|allowed|necessary|ok|true|legal|"
    r"safe|required|take|cost|mean|matter)\b(?= (?:to|that|if|for|in|when)\b)|\bwhat time is it\b"
    r"|\b(?:is|was|will|would|can) it (?:be )?\w+ (?:to (?!the\b|an?\b|my\b|our\b)\w|that )",
    re.IGNORECASE,
)
# A clause before the pronoun holds what it stands for: "a laptop when it breaks".
_CLAUSE = re.compile(
    r"\b(?:if|when|before|after|because|while|once|until|so that|and|or|but|than|though|although|that|who|which)\b|,",
    re.IGNORECASE,
)
_OWNER = re.compile(r"\b(?:does|do|did|has|have|can|must|which|what|is|are)\s+(?:an?|the|\w+s)\s+\w+", re.IGNORECASE)
_WORDED = r"(?:[A-Z]\.|[A-ZÀ-Þ](?:[\w'’&-]|\.(?=\w))*)"
_RUN = re.compile(rf"\b{_WORDED}(?:\s+(?:(?:of|de|van|von|the|der)\s+)?{_WORDED})*")
_I = re.compile(r"I(?:['’]\w+)?")
_BEGINS = re.compile(r"(?:^|[.?!:]\s+|\]\s+)$")
_NO_NAME = frozenset(
    "the a an in on at by for from to of with since during before after as per under within and or but so then also no "
    "yes not only all some any each every it he she they we you there this that these those my our your their his her "
    "its if last next please thanks hello what which who whom whose when where why how is are was were do does did has "
    "have had can could may must should shall will would list name explain describe compare tell give show "
    "define".split()
)


def leans(question: str, language: str = "english") -> bool:
    """Whether the wording needs what was said before.

    >>> leans("And in Germany?"), leans("How long is it?"), leans("How long is the notice period in Germany?")
    (True, True, False)
    """
    text = " ".join(question.split())
    if language != "english":
        return True
    if not text:
        return False
    if START.match(text) or ABOUT.match(text) or points(text) or _LEFT_OUT.search(text) or _THERE.search(text):
        return True
    if PREPOSITIONAL.match(text) and not ASKS.search(text):
        return True
    return pronoun(text) is not None


def points(text: str) -> bool:
    """Whether it points at what was said, in a way that no word can be put in the place of."""
    return bool(_ELSE.search(text) or _POINTER.search(text))


def pronoun(text: str) -> re.Match[str] | None:
    """The pronoun that nothing in the question itself explains.

    >>> pronoun("How do I connect to it from abroad?").group()
    'it'
    >>> pronoun("What happens to a laptop when it breaks?") is None
    True
    """
    empty = [match.span() for match in _EMPTY_IT.finditer(text)]
    for match in re.finditer(f"{PERSON.pattern}|{THING.pattern}", text, re.IGNORECASE):
        before, word = text[: match.start()], match.group().lower()
        if any(start <= match.start() < end for start, end in empty):
            continue
        in_clause = _CLAUSE.search(before) and len(before.split()) > SHORT
        if in_clause or (word not in ("it", "them") and any(names(before))):
            continue
        if word in ("its", "their", "his", "her") and _OWNER.search(before):
            continue
        return match
    return None


def names(text: str) -> Iterator[tuple[int, int]]:
    """Where names stand: words in capitals that follow one another. The word that begins a sentence is in capitals
    anyway, and only counts where another follows or nothing else does.

    >>> text = "Does Toyota sell hybrids? Managers and I asked Jane Whitby."
    >>> [text[start:end] for start, end in names(text)]
    ['Toyota', 'Jane Whitby']
    """
    for run in _RUN.finditer(text):
        start, end = run.span()
        if _BEGINS.search(text[:start]):
            while start < end and (first := text[start:end].split()[0]).lower() in _NO_NAME:
                start += len(first) + 1
            if start == run.start() and first == run.group() and (start or text[end:].strip("?!. ")):
                continue
        if start < end and not _I.fullmatch(text, start, end):
            yield start, end
