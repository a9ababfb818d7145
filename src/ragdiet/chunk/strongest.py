"""Ranges of atoms that fit a size, each ended at the strongest border that leaves it well filled."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from ragdiet.chunk.atoms import Atoms
from ragdiet.chunk.borders import Border

_LEAST_FILL = 0.25
_SMALLEST_SECTION = 0.125

# What a border is worth as a share of the size: a blank line is taken in place of a later sentence end
# unless that leaves the chunk emptier by 45% of its size.
_WORTH = {
    Border.HARD: 0.0,
    Border.GLUED: 0.0,
    Border.WITHIN: 0.05,
    Border.SENTENCE: 0.15,
    Border.LINE: 0.25,
    Border.PARAGRAPH: 0.6,
    Border.HEADING: 0.8,
}


def strongest_cuts(
    atoms: Atoms,
    borders: Sequence[Border],
    size: int,
    *,
    start: int = 0,
    end: int | None = None,
    overlap: int = 0,
    sections: Mapping[int, tuple[int, float]] = MappingProxyType({}),
) -> Iterator[tuple[int, int]]:
    """Atoms ``start`` to ``end`` as (first atom, the one after the last), of about ``size`` tokens at most.

    ``sections`` has, for each border a section begins at, the border it ends at and the share of the size
    from which on it closes what comes before it. ``overlap`` is in tokens of whole sentences.
    """
    stop = len(atoms.spans) if end is None else end
    headings = [*sorted(sections), stop]
    worth = [_WORTH[border] * size for border in Border]
    begin, before = start, -1
    score = [
        tokens + worth[border]
        for tokens, border in zip(atoms.total[begin : stop + 1], borders[begin : stop + 1], strict=True)
    ]
    while start < stop:
        first = _overlapped(atoms, borders, start, size, overlap)
        if first <= before:
            first = start  # it would repeat all of the chunk before
        earliest, latest = _range(atoms, size, first, start, headings, sections)
        end = begin + max(range(latest - begin, earliest - begin - 1, -1), key=score.__getitem__)
        yield first, end
        before, start = first, end


def _overlapped(atoms: Atoms, borders: Sequence[Border], start: int, size: int, overlap: int) -> int:
    """Where a chunk begins whose own text begins at ``start``."""
    if not overlap or not start or borders[start] == Border.HEADING:
        return start
    first = bisect_left(atoms.total, atoms.total[start] - overlap)
    while first < start and (borders[first] < Border.SENTENCE or atoms.tokens(first, start + 1) > size or first == 0):
        first += 1
    return first


def _range(
    atoms: Atoms,
    size: int,
    first: int,
    start: int,
    headings: Sequence[int],
    sections: Mapping[int, tuple[int, float]],
) -> tuple[int, int]:
    """Between which borders the chunk ends that begins at atom ``first`` and whose own text does at ``start``."""
    total = atoms.total
    fits = max(start + 1, bisect_right(total, size + total[first]) - 1)
    number = bisect_right(headings, start)
    while headings[number] <= fits:
        heading = headings[number]
        if heading == headings[-1]:
            return heading, heading
        section_end, least_fill = sections[heading]
        is_tiny = section_end <= fits and atoms.tokens(heading, section_end) < _SMALLEST_SECTION * size
        if not is_tiny and atoms.tokens(first, heading) >= least_fill * size:
            return heading, heading
        number += 1

    # What is left of the section must not be a sliver.
    latest = bisect_right(total, total[headings[number]] - _LEAST_FILL * size) - 1
    if latest > fits or latest <= start or atoms.tokens(first, latest) < _LEAST_FILL * size:
        latest = fits
    earliest = bisect_left(total, total[first] + _LEAST_FILL * size)
    return min(latest, max(earliest, start + 1)), latest
