"""What makes a prefix differ from ask to ask, so that a provider caches nothing of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragdiet.diet.lint.finding import LONGEST_EXCERPT, Fault
from ragdiet.diet.lint.parts import Part, is_quoted
from ragdiet.diet.lint.shape import uuids

_DAY = (
    r"(?:\d|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|Jan(?:uary)?\b|Feb(?:ruary)?\b|March|April|May\b|June|July|"
    r"Aug(?:ust)?\b|Sep(?:tember)?\b|Oct(?:ober)?\b|Nov(?:ember)?\b|Dec(?:ember)?\b)"
)
_VARYING = re.compile(
    # a moment that is told
    r"(?<!if )(?<!when )(?<!whether )\b(?:today(?:['’]s date)? is|(?:the )?current (?:date|time|day|year|date and time)"
    rf"(?: is|:)|it is (?:now|currently)|the (?:date|time) (?:today|now) is)\W{{0,3}}(?:the )?{_DAY}|"
    rf"^(?:date|time|now|timestamp|today)(?: and time)?: *{_DAY}|"
    # a moment to the minute
    r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?|"
    # who asks, and in which conversation
    r"\b(?:session|request|trace|conversation|thread|correlation|message|user)[ _-]?id(?: is|:|=) *(?=[\w-]*\d)[\w-]+|"
    r"\b(?:the )?user(?:['’]s)? name(?: is|:) +(?-i:[A-Z])\w+|"
    # a place to be filled
    r"\{\{? *\$?(?:current_?|todays?_?)?(?:date|time|today|now|datetime|timestamp|user_?\w{0,20}|session\w{0,20}|"
    r"request_id|uuid)(?:_?(?:now|today|id|utc))? *\}?\}",
    re.IGNORECASE | re.MULTILINE,
)
_SAMPLE = re.compile(
    r"(?:such as|like|e\.g\.|example|format|for instance|written(?: as)?)\b[^\n.]{0,20}\Z", re.IGNORECASE
)
_LOOKED_BEFORE = 40


SHORTEST_CACHED = 512
"""Tokens: no model's provider caches a shorter prefix."""


def unstable(part: Part, prefix: str, *, is_cacheable: bool) -> Iterator[Fault]:
    """Moments, names of the asker and of the conversation, and places to be filled with these; what is shown as a
    sample or between quotes is none. ``prefix`` is what cannot be cached for it, where it is long enough for that."""
    found = [match.span() for match in _VARYING.finditer(part.text)]
    done = 0
    for start, end in sorted({*found, *(match.span() for match in uuids(part.text))}):
        before = part.text[max(0, start - _LOOKED_BEFORE) : start].rpartition("\n")[2]
        if start >= done and not _SAMPLE.search(before) and not is_quoted(before, len(before)):
            done = end
            excerpt = part.text[start : start + LONGEST_EXCERPT].partition("\n")[0]
            yield Fault(
                kind="unstable",
                place=part.place(start),
                excerpt=excerpt,
                advice="what differs from ask to ask belongs in the question: a prefix that holds it is never cached",
                before=prefix if is_cacheable else excerpt,
                whole=prefix,
            )
