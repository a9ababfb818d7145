"""Which turns of a conversation a question leans on, and the question as it would be asked without them.

A question that stands alone takes no history. One that leans is rewritten, without a model, where that is
safe: a pronoun becomes the one thing that was asked about or answered, a fragment ("And in Germany?") takes its
place in the question before it. Such a question then stands alone too, and the history costs nothing. Where it
is not safe, the turns that it leans on go along, and the search looks for both questions' words.

English wording. In other languages the last exchange always goes along, and a short question is searched
with the one before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragdiet.diet.cues import subject

if TYPE_CHECKING:
    from ragdiet.protocols import TokenCounter
    from ragdiet.types import Turn

HISTORY_TOKENS = 200
"""Tokens at most of the turns that go along: a third of the default budget of the sources."""

_SHORT = 4
_MOST_FOLLOW_UPS = 6
_START = re.compile(r"^(?:and|or|but|so|then|also|ok|okay)\b[\s,]*", re.IGNORECASE)
_ABOUT = re.compile(r"^(?:what|how) about\b\s*", re.IGNORECASE)
_ASKS = re.compile(
    r"\b(?:what|which|who|whom|whose|when|where|why|how|is|are|was|were|do|does|did|has|have|had|can|could|may|must|"
    r"should|shall|will|would|list|name|explain|describe|compare|tell|give|show|define)\b",
    re.IGNORECASE,
)
_PERSON = re.compile(r"\b(?:he|she|him|his|her|hers)\b", re.IGNORECASE)
_THING = re.compile(r"\b(?:it|its|they|them|their|theirs)\b", re.IGNORECASE)
_POINTER = re.compile(
    r"\b(?:this|that|these|those)(?=\s*[?.,!]|$)|\b(?:this|that|these|those) (?:is|are|was|were|means?|apply|applies|"
    r"cost|costs|work|works|happen|happens|one|ones|case|cases|amount|rule|period)\b"
    r"|^(?:is|was|does|did|will|would|can|could|has) (?:this|that)\b",
    re.IGNORECASE,
)
_ELSE = re.compile(
    r"\b(?:else|instead|again|another|the (?:other|same|first|second|third|last) (?:ones?|option)|"
    r"the (?:former|latter|others)|as well|too|mentioned|above|previous|earlier|more details?)"
    r"(?=\s*[?.,!]|$)|^(?:why|how|when|where|who|how so|why not|how come|how much|how many|how long)\s*\?*$"
    r"|\b(?:what|who|where|when|how) else\b|^what if\b|^(?:until|since|till|by|from) when\b"
    r"|\byou (?:said|mentioned|just)\b|\btell me more\b|\banything else\b|^(?:why|how) (?:is|was) that\b",
    re.IGNORECASE,
)
# "It" stands for nothing in these.
_EMPTY_IT = re.compile(
    r"\b(?:is|was|will|would|does|how long does|how much does) it (?:be )?(?:possible|allowed|necessary|ok|true|legal|"
    r"safe|required|take|cost|mean|matter)\b(?= (?:to|that|if|for|in|when)\b)|\bwhat time is it\b",
    re.IGNORECASE,
)
# A clause before the pronoun holds what it stands for: "a laptop when it breaks".
_CLAUSE = re.compile(r"\b(?:if|when|before|after|because|while|once|until|so that|and|that|who|which)\b", re.IGNORECASE)
_PREPOSITIONS = "in|for|at|on|from|to|by|under|with|since|during|before|after|as|per|of|within|without"
_PREPOSITIONAL = re.compile(rf"^(?P<preposition>{_PREPOSITIONS})\s+\S", re.IGNORECASE)
_NAME = re.compile(r"\b[A-ZÀ-Þ][\w'’&.-]*(?:\s+(?:(?:of|de|van|von|the|der)\s+)?[A-ZÀ-Þ][\w'’&-]*)*")
_YEAR = re.compile(r"\b(?:1\d|20)\d\d\b")
_LEADING = re.compile(
    r"^(?:(?:please|can|could|would|you|tell|me|explain|describe|what|which|who|when|where|why|how|long|much|many|often|"
    r"is|are|was|were|do|does|did|has|have|had|will|can|should|must|may|i|we)\s+)+",
    re.IGNORECASE,
)
_NOUN_PHRASE = re.compile(
    rf"^(?:the|an?|our|my|your)?\s*(?:(?!(?:{_PREPOSITIONS})\b)[\w'’-]+\s*){{1,4}}(?:\s*(?:in|of|for|at)\s+(?:the\s+)?[\w'’-]+)*",
    re.IGNORECASE,
)
_MARKS = re.compile(r"\s*\[\d{1,4}\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """``question`` is what models are asked, ``searched`` what is looked for, ``history`` the turns that go along,
    oldest first, a user's first; ``reason`` says what was done, "" where the question stands alone."""

    question: str
    searched: str
    history: tuple[Turn, ...] = ()
    reason: str = ""


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
    if _START.match(text) or _ABOUT.match(text) or _ELSE.search(text) or _POINTER.search(text):
        return True
    if _PREPOSITIONAL.match(text) and not _ASKS.search(text):
        return True
    return _pronoun(text) is not None


def follow_up(
    question: str,
    history: Sequence[Turn],
    counter: TokenCounter,
    *,
    most_tokens: int = HISTORY_TOKENS,
    language: str = "english",
) -> FollowUp:
    """The question with no more of the history than it needs, at most ``most_tokens`` of it."""
    turns = [turn for turn in history if turn.text.strip()]
    if not turns or not leans(question, language):
        return FollowUp(question=question, searched=question)
    asked = [place for place, turn in enumerate(turns) if turn.role == "user"]
    if not asked:
        return FollowUp(question=question, searched=question)
    first = len(asked) - 1
    while first and language == "english" and leans(turns[asked[first]].text) and len(asked) - first < _MOST_FOLLOW_UPS:
        first -= 1
    if language == "english":
        whole = _unfolded(question, turns[asked[first] :])
        if whole is not None:
            return FollowUp(question=whole, searched=whole, reason=f"asked as {whole!r}, which stands alone")
    kept = _within(turns[asked[first] :], counter, most_tokens)
    searched = question
    if language == "english" or len(question.split()) <= _SHORT:
        about = subject(turns[asked[first]].text)
        searched = f"{question.rstrip('?!. ')} {about}" if about else question
    reason = f"leans on {len(kept)} turns" + (f", searched as {searched!r}" if searched != question else "")
    return FollowUp(question=question, searched=searched, history=kept, reason=reason)


def _unfolded(question: str, turns: Sequence[Turn]) -> str | None:
    """The question rewritten by the turns, the first of which is a user's: each of theirs by those before it."""
    before: str | None = None
    answer = ""
    for turn in turns:
        if turn.role == "assistant":
            answer = f"{answer} {turn.text}"
        elif not leans(turn.text):
            before, answer = turn.text, ""
        elif before is not None:
            before, answer = rewritten(turn.text, before, answer), ""
    return None if before is None else rewritten(question, before, answer)


def rewritten(question: str, before: str, answer: str = "") -> str | None:
    """A question that leans, as one that stands alone, out of the one ``before`` it; None where that is not safe.

    >>> rewritten("And in Germany?", "What is the notice period in France?")
    'What is the notice period in Germany?'
    >>> rewritten("How long is it?", "What is the notice period in France?")
    'How long is the notice period in France?'
    """
    text = _START.sub("", " ".join(question.split()))
    before = " ".join(before.split())
    about = _ABOUT.match(text)
    fragment = text[about.end() :] if about else text
    if _ELSE.search(text) or _POINTER.search(text):
        return None
    if about or not _ASKS.search(fragment):
        return None if _pronoun(fragment) else _in_its_place(fragment.rstrip("?!. "), before)
    pronoun = _pronoun(text)
    if pronoun is None:
        return None if len(text.split()) <= _SHORT else _sentence(text)
    meant = _person(before, answer) if _PERSON.fullmatch(pronoun.group()) else _thing(before)
    if meant is None or len(_PERSON.findall(text)) + len(_THING.findall(text)) > 1:
        return None
    owns = pronoun.group().lower() in ("its", "their", "his") or (
        pronoun.group().lower() == "her" and re.match(r"\s+\w", text[pronoun.end() :]) is not None
    )
    ending = ("’" if meant.endswith("s") else "’s") if owns else ""
    return _sentence(f"{text[: pronoun.start()]}{meant}{ending}{text[pronoun.end() :]}")


def _pronoun(text: str) -> re.Match[str] | None:
    """The pronoun that nothing in the question itself explains."""
    empty = [match.span() for match in _EMPTY_IT.finditer(text)]
    for match in re.finditer(f"{_PERSON.pattern}|{_THING.pattern}", text, re.IGNORECASE):
        before = text[: match.start()]
        if any(start <= match.start() < end for start, end in empty):
            continue
        if _NAME.search(before[1:]) or (_CLAUSE.search(before) and len(before.split()) > _SHORT):
            continue
        owns = match.group().lower() in ("its", "their", "his", "her")
        if owns and re.search(
            r"\b(?:does|do|did|has|have|can|must|which|what|is|are)\s+(?:an?|the|\w+s)\s+\w+", before
        ):
            continue
        return match
    return None


def _in_its_place(fragment: str, before: str) -> str | None:
    """The earlier question with the fragment for the part of its own kind."""
    if not fragment:
        return None
    prepositional = _PREPOSITIONAL.match(fragment)
    stem = before.rstrip("?!. ")
    if prepositional:
        preposition = prepositional["preposition"].lower()
        fragment = fragment[:1].lower() + fragment[1:]
        slots = list(re.finditer(rf"\b{preposition}\s+(?:{_NAME.pattern}|(?:the\s+|an?\s+)?[\w'’-]+)$", stem))
        if len(re.findall(rf"\b{preposition}\b", stem, re.IGNORECASE)) > len(slots):
            return None
        return f"{stem[: slots[0].start()] if slots else f'{stem} '}{fragment}?"
    for kind in (_YEAR, _NAME):
        found = [match for match in kind.finditer(stem) if match.start()]
        if kind.fullmatch(fragment) and len(found) == 1:
            return f"{stem[: found[0].start()]}{fragment}{stem[found[0].end() :]}?"
    return None


def _person(before: str, answer: str) -> str | None:
    """The one name that the answer has and the question has not, else the question's only one."""
    asked = [name.group() for name in _NAME.finditer(before) if name.start()]
    if re.match(r"who\b", before, re.IGNORECASE):
        said = [name.group() for name in _NAME.finditer(_MARKS.sub("", answer))]
        people = list(dict.fromkeys(name for name in said if " " in name and not any(name in one for one in asked)))
        return people[0] if len(people) == 1 else None
    people = list(dict.fromkeys(asked))
    return people[0] if len(people) == 1 else None


def _thing(before: str) -> str | None:
    """What the earlier question is about, where that is one noun phrase."""
    text = before.rstrip("?!. ")
    rest = text[led.end() :] if (led := _LEADING.match(text)) else text
    phrase = _NOUN_PHRASE.match(rest)
    if not rest or phrase is None or phrase.end() < len(rest) or _ASKS.search(rest) or _pronoun(rest):
        return None
    return rest if re.match(r"what|which|tell|explain|describe", text, re.IGNORECASE) and " " in text else None


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('?!. ')}?"


def _within(turns: Sequence[Turn], counter: TokenCounter, most_tokens: int) -> tuple[Turn, ...]:
    """The latest turns that fit, whole, from a user's turn on; of an exchange that is too long, the question."""
    kept: list[Turn] = []
    left = most_tokens
    for turn, tokens in zip(reversed(turns), reversed(counter.count_batch([turn.text for turn in turns])), strict=True):
        if tokens <= left:
            kept.append(turn)
            left -= tokens
        elif turn.role == "user":
            break
    kept.reverse()
    while kept and kept[0].role != "user":
        kept.pop(0)
    return tuple(kept)
