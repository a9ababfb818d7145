"""Sentence spans as lines of a page: how far indented, how far apart, and what a line begins and ends with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ragdiet.types import Span

BREAK = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
FENCE = re.compile(r"`{3,}|~{3,}")
HEADING = re.compile(r"(#{1,6})\s+\S")
ITEM = re.compile(r"(?:[-*+•◦▪‣–]|\(?(?:\d{1,3}|[A-Za-z]|[ivx]{1,5})\)|(?:\d{1,3}|[a-z]|[ivx]{1,5})\.)[ \t]+\S")
SENTENCE_END = re.compile(r"[.!?。！？؟।…][^\w\s]*\Z")
_COLONS = (":", "：", "︰", ":**", ":*", ":__", ":</p>")
_TAB = 4


@dataclass(frozen=True, slots=True)
class Line:
    """A span. ``breaks`` are the line breaks before it, 0 where it goes on in the line of another; the first
    of all begins a line. ``indent`` is in columns; ``is_whole`` tells that the span is one line."""

    text: str
    indent: int
    breaks: int
    is_whole: bool

    @property
    def leads_on(self) -> bool:
        """Whether it ends as what introduces something does."""
        return self.text.endswith(_COLONS)


def read_lines(text: str, spans: Sequence[Span]) -> list[Line]:
    return [_line(text, before, start, end) for (_, before), (start, end) in pairwise([(0, 0), *spans])]


def _line(text: str, before: int, start: int, end: int) -> Line:
    gap = text[before:start]
    breaks = len(BREAK.findall(gap)) if gap and gap != " " else 0
    if before == 0 and not breaks:
        breaks = 1
    margin = BREAK.split(gap)[-1] if breaks else ""
    content = text[start:end]
    return Line(
        text=content,
        indent=len(margin.expandtabs(_TAB)),
        breaks=breaks,
        is_whole=BREAK.search(content) is None,
    )
