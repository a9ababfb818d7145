"""How strong the borders between a document's atoms are, and where its sections begin."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from enum import IntEnum

from ragdiet.chunk.atoms import Atoms
from ragdiet.chunk.outline import Outline

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


def borders_of(atoms: Atoms, begins: Sequence[int]) -> list[Border]:
    """The border before each atom, and the one after the last; ``begins`` are those that have headings."""
    text, spans = atoms.text, atoms.spans
    by_breaks = _, line, paragraph = (Border.SENTENCE, Border.LINE, Border.PARAGRAPH)
    usual = {gap: by_breaks[min(_line_breaks(gap), 2)] for gap in set(atoms.gaps)}
    borders = [usual[gap] for gap in atoms.gaps]
    borders[0] = Border.HEADING
    # Most lines begin with a letter, and need no second look.
    for number, (border, (start, end)) in enumerate(zip(borders, spans, strict=True)):
        if border == paragraph or (border == line and not text[start].isalnum()):
            if not _WORD.search(text, start, end):
                borders[number] = Border.GLUED  # a closing fence or bracket, a line of marks
            elif border == paragraph:
                is_paragraph = borders[number - 1] >= paragraph
                if _leads_on(text, *spans[number - 1], is_paragraph=is_paragraph):
                    borders[number] = Border.GLUED
    for number in atoms.parts:
        is_word = not atoms.gaps[number] and text[spans[number][0] - 1].isalnum()
        borders[number] = Border.HARD if is_word else Border.WITHIN
    borders.append(Border.HEADING)
    _mark_headings(atoms, borders, begins)
    return borders


def section_borders(atoms: Atoms, outline: Outline) -> list[int]:
    """The border at which the section of each heading begins, in the outline's order."""
    ends = [end for _, end in atoms.spans]
    return [bisect_right(ends, offset) for offset in outline.offsets]


def _mark_headings(atoms: Atoms, borders: list[Border], begins: Sequence[int]) -> None:
    """Makes the borders at which sections begin headings, and glues each heading to the text under it."""
    for begin in sorted({begin for begin in begins if begin < len(atoms.spans)}):
        if borders[begin] != Border.GLUED:
            borders[begin] = Border.HEADING
        after = begin + 1
        named = bool(_WORD.search(atoms.text, *atoms.spans[begin]))
        # A heading may have a line of marks below or above it.
        while after < len(atoms.spans) and not (named and _WORD.search(atoms.text, *atoms.spans[after])):
            borders[after] = Border.GLUED
            named = named or bool(_WORD.search(atoms.text, *atoms.spans[after]))
            after += 1
        if after < len(atoms.spans):
            borders[after] = Border.GLUED


def _line_breaks(gap: str) -> int:
    return sum(line[-1] in _LINE_ENDS for line in gap.splitlines(keepends=True))


def _leads_on(text: str, start: int, end: int, *, is_paragraph: bool) -> bool:
    """Whether the atom is a title or an introduction ("as follows:") to what comes after a blank line."""
    return text[end - 1] == ":" or (
        is_paragraph and end - start <= _LONGEST_TITLE and text[start].isalnum() and text[end - 1].isalnum()
    )
