"""How strong the borders between paragraphs or sentences are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from itertools import pairwise

from ragdiet.types import Span

_WORD = re.compile(r"\w")
_LINE_ENDS = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
_LONGEST_TITLE = 60


class Border(IntEnum):
    """What lies between two atoms, from what is best kept together to what is best cut."""

    HARD = 0  # within a word
    GLUED = 1  # after a title or an introduction, before a line of marks
    WITHIN = 2  # within a sentence
    SENTENCE = 3
    LINE = 4
    PARAGRAPH = 5
    HEADING = 6


def gaps_of(text: str, spans: Sequence[Span]) -> list[str]:
    """What lies before each span; nothing before the first."""
    return ["", *[text[end:start] for (_, end), (start, _) in pairwise(spans)]]


def borders_of(text: str, spans: Sequence[Span], gaps: Sequence[str], begins: Sequence[int] = ()) -> list[Border]:
    """The border before each span (paragraphs, or sentences of one) and the one after the last.

    ``gaps`` is what `gaps_of` gives, ``begins`` are the spans with which sections begin.
    """
    by_breaks = _, line, paragraph = (Border.SENTENCE, Border.LINE, Border.PARAGRAPH)
    usual = {gap: by_breaks[min(_line_breaks(gap), 2)] for gap in set(gaps)}
    borders = [usual[gap] for gap in gaps]
    borders[0] = Border.HEADING
    # Most lines begin with a letter and most paragraphs end with a stop: these need no second look.
    for number, (border, (start, end)) in enumerate(zip(borders, spans, strict=True)):
        if border < line or number == 0:
            continue
        if not text[start].isalnum() and not _first_line_has_words(text, start, end):
            borders[number] = Border.GLUED  # a closing fence or bracket, a line of marks
        elif border == paragraph and text[spans[number - 1][1] - 1] != ".":
            is_paragraph = borders[number - 1] >= paragraph
            if _leads_on(text, *spans[number - 1], is_paragraph=is_paragraph):
                borders[number] = Border.GLUED
    borders.append(Border.HEADING)
    _mark_headings(text, spans, borders, begins)
    return borders


def _mark_headings(text: str, spans: Sequence[Span], borders: list[Border], begins: Sequence[int]) -> None:
    """Makes the borders at which sections begin headings, and glues each heading to the text under it."""
    for begin in sorted({begin for begin in begins if begin < len(spans)}):
        if borders[begin] != Border.GLUED:
            borders[begin] = Border.HEADING
        after = begin + 1
        named = bool(_WORD.search(text, *spans[begin]))
        # A heading may have a line of marks below or above it.
        while after < len(spans) and not (named and _WORD.search(text, *spans[after])):
            borders[after] = Border.GLUED
            named = named or bool(_WORD.search(text, *spans[after]))
            after += 1
        if after < len(spans):
            borders[after] = Border.GLUED


def _first_line_has_words(text: str, start: int, end: int) -> bool:
    line_end = text.find("\n", start, end)
    return bool(_WORD.search(text, start, end if line_end < 0 else line_end))


def _line_breaks(gap: str) -> int:
    return sum(line[-1] in _LINE_ENDS for line in gap.splitlines(keepends=True))


def _leads_on(text: str, start: int, end: int, *, is_paragraph: bool) -> bool:
    """Whether the span is a title or an introduction ("as follows:") to what comes after a blank line."""
    return text[end - 1] == ":" or (
        is_paragraph
        and end - start <= _LONGEST_TITLE
        and text[start].isalnum()
        and text[end - 1].isalnum()
        and "\n" not in text[start:end]
    )
