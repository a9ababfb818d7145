"""How long an answer a question asks for, told by its wording: a sentence for the prompt, and a cap.

Output tokens cost four to five times what input tokens do, so a question of fact is asked to be answered in
a sentence. The caps are no more than a net, set by judgement and not by measurement: generous beside the length
asked for, since a reply that is cut off is paid for and cannot be used. English wording; any other question has
the kind "other".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

AnswerKind: TypeAlias = Literal[
    "yes or no", "fact", "list", "definition", "explanation", "comparison", "steps", "other"
]

LONGEST = 1_000
"""Tokens at most of a reply that is asked for again because the first one was cut off."""


def expected_reply(max_tokens: int) -> int:
    """Tokens of a reply, as expected before any was seen: a third of its cap."""
    return max(1, max_tokens // 3)


@dataclass(frozen=True, slots=True)
class AnswerLength:
    """``ask`` is the sentence for the prompt, ``max_tokens`` the cap."""

    kind: AnswerKind
    ask: str
    max_tokens: int


_LENGTHS = {
    length.kind: length
    for length in (
        AnswerLength("yes or no", "Answer yes or no and why, in one sentence.", 200),
        AnswerLength("fact", "Answer in one short sentence.", 200),
        AnswerLength("list", "Answer with a list, one short line each.", 500),
        AnswerLength("definition", "Answer in one or two sentences.", 250),
        AnswerLength("explanation", "Answer in two or three sentences.", 350),
        AnswerLength("comparison", "Answer in two or three sentences.", 350),
        AnswerLength("steps", "Answer in short steps, one line each.", 600),
        AnswerLength("other", "Answer in one to three sentences.", 300),
    )
}

_UNITS = (
    r"year|date|day|month|century|decade|time|deadline|percent(?:age)?|number|population|amount|age|price|cost|fee|rate|"
    r"salary|limit|distance|height|length|size|speed|temperature|weight|name|city|country|state|place|town|region|"
    r"county|continent|capital|colou?r|currency|address|email|phone|version|title|person|company|type|kind"
)
_PLURAL = r"[a-z]{2,}(?<!s)(?<!i)(?<!u)s"
_NOUNS = r"[a-z]{2,}(?<![siu])s"
# The first that matches tells; what names its kind outright comes before what only looks like it.
_WORDINGS: tuple[tuple[AnswerKind, tuple[str, ...]], ...] = (
    (
        "comparison",
        (
            r"\bdifferen(?:ces?|t)\b.*\b(?:between|from|to|than)\b",
            r"\b(?:differs?|compare[ds]?|comparing|comparison|versus|vs|in common|pros and cons)\b",
            r"\badvantages? .*\bover\b",
        ),
    ),
    (
        "steps",
        (
            r"^how (?:(?:do|can|should|would|could|must) (?:i|we|you|one|someone|an? \w+|\w+s)\b|to\b)",
            r"\bsteps?\b.*\bto\b",
            r"\b(?:procedure|process|instructions?) (?:for|to|of)\b",
        ),
    ),
    (
        "list",
        (
            r"^(?:list|enumerate)\b|^(?:name|give)\b(?! (?:me )?(?:a|an|the)\b)",
            r"\b(?:list|examples) of\b",
            r"^(?:what|which|who) (?:are|were)\b(?!.*\bcalled\b)",
            rf"^(?:in )?(?:what|which) (?:\w+ )?{_NOUNS} (?:are|were|have|do|did|can|must|should|need|may|will)\b",
            rf"\ball (?:the |of the )?{_NOUNS}\b",
        ),
    ),
    (
        "explanation",
        (
            r"\bwhy\b|^explain\b|^describe\b|\bhow come\b",
            r"\bwhat (?:happens|happened|causes?|caused|(?:is|was) the reason)\b",
        ),
    ),
    (
        "fact",
        (
            r"\bhow (?:many|much|long|old|far|tall|high|big|large|often|fast|deep|wide|heavy|soon|late|early)\b",
            r"\b(?:when|where|who|whom|whose)\b",
            rf"\b(?:what|which) (?:\w+ ){{0,2}}(?:{_UNITS})\b",
            rf"\b(?:what|which) (?:is|was) (?:the|its|their|his|her|our|my) (?:[\w-]+ ){{0,4}}(?:{_UNITS})\b",
        ),
    ),
    ("explanation", (r"^(?:in what way|how)\b",)),
    (
        "definition",
        (
            r"\b(?:mean|means|meant|meaning|definition|define[ds]?)\b|\bstands? for\b",
            r"^what (?:is|was|'s) (?:an? )?[\w'-]+(?: [\w'-]+){0,3}\??$",
        ),
    ),
    (
        "yes or no",
        (
            r"^(?:is|are|was|were|am|do|does|did|has|have|had|can|could|may|might|must|shall|should|will|would)\b",
            r"^(?:is|are|do|does|did|ca|wo|should)n't\b",
        ),
    ),
)
_KINDS = tuple((kind, re.compile("|".join(wordings))) for kind, wordings in _WORDINGS)
_LEAD_IN = re.compile(r"^(?:please|hi|hello|hey|ok|okay|so|and|but|then|also|well)\b[\s,]*", re.IGNORECASE)
_INDIRECT = re.compile(
    r"^(?:(?:can|could|would|will) you (?:please )?(?:tell|explain|show|give|list|describe|name)(?: (?:to )?(?:me|us))?"
    r"|do you know|tell (?:me|us)|i (?:want|need|would like|'?d like) to know)\b[\s,:]*",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def answer_length(question: str) -> AnswerLength:
    """The length that the wording asks for.

    >>> answer_length("How long is the notice period?").kind, answer_length("Can I carry days over?").kind
    ('fact', 'yes or no')
    >>> answer_length("How do I book a train?").ask
    'Answer in short steps, one line each.'
    """
    text = " ".join(question.replace("’", "'").lower().split())
    while lead := _LEAD_IN.match(text):
        text = text[lead.end() :]
    if indirect := _INDIRECT.match(text):
        text = _told(indirect.group()) + text[indirect.end() :]
    asks_yes_or_no = _KINDS[-1][1].match(text)
    for kind, pattern in _KINDS:
        # "Is there a fee when I leave?" holds a word that asks, and does not ask with it.
        if pattern.search(text) and not (asks_yes_or_no and kind in ("fact", "list", "explanation", "definition")):
            return _LENGTHS[kind]
    return _LENGTHS["other"]


def _told(request: str) -> str:
    """The verb of an indirect question, where it says what kind of answer is wanted."""
    return next((f"{verb} " for verb in ("explain", "describe", "list", "name") if verb in request.lower()), "")
