"""Slices that fit a size, each ended at the strongest border that leaves it well filled."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from ragdiet.chunk.atoms import Atoms, Place
from ragdiet.chunk.borders import Border
from ragdiet.types import Span

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
    size: int,
    *,
    start: int = 0,
    end: int | None = None,
    overlap: int = 0,
    sections: Mapping[int, tuple[int, float]] = MappingProxyType({}),
) -> Iterator[Span]:
    """Atoms ``start`` to ``end`` as slices of about ``size`` tokens at most.

    ``sections`` has, for each border a section begins at, the border it ends at and the share of the size
    from which on it closes what comes before it. ``overlap`` is in tokens of whole sentences.
    """
    stop = len(atoms.spans) if end is None else end
    headings = [*sorted(sections), stop]
    chunk = _Cutter(atoms, size, start, stop)
    own, before = atoms.before(start), -1
    while start < stop:
        tokens, first = _overlapped(atoms, start, own, size, overlap)
        if first <= before:  # it would repeat all of the chunk before
            tokens, first = own.tokens, own.start
        heading, most = _range(atoms, size, tokens, start, headings, sections)
        if heading is None:
            start, own = chunk.best(start, own, tokens + _LEAST_FILL * size, most, tokens + size)
        else:
            start, own = heading, atoms.before(heading)
        yield first, own.end
        before = first


class _Cutter:
    """Finds the borders at which chunks of the atoms ``start`` to ``stop`` end."""

    def __init__(self, atoms: Atoms, size: int, start: int, stop: int) -> None:
        self._atoms = atoms
        self._start, self._stop = start, stop
        self._worth = [_WORTH[border] * size for border in Border]
        self._most_within = _WORTH[Border.LINE] * size
        borders = zip(atoms.total[start : stop + 1], atoms.borders[start : stop + 1], strict=True)
        self._score = [tokens + self._worth[border] for tokens, border in borders]

    def best(self, start: int, own: Place, least: float, most: float, limit: int) -> tuple[int, Place]:
        """The strongest border from ``least`` to ``most`` tokens, else the last up to ``limit``, else the next one.

        Given with the atom that goes on there, as ``start`` is for ``own``, where the chunk's own text begins.
        """
        found = self._strongest(start, own, least, most)
        return found or self._last(start, own, limit)

    def _strongest(self, start: int, own: Place, least: float, most: float) -> tuple[int, Place] | None:
        atoms, total = self._atoms, self._atoms.total
        after = bisect_right(total, most, start, self._stop + 1)
        first = max(start + 1, bisect_left(total, least, start, after))
        number = max(range(after - 1, first - 1, -1), key=lambda each: self._score[each - self._start], default=None)
        found = None if number is None else (number, atoms.before(number))
        score = -1.0 if number is None else self._score[number - self._start]
        # A paragraph is looked into only where a border within it can be better.
        for number in range(min(after, self._stop) - 1, start - 1, -1):
            if min(total[number + 1], most) + self._most_within <= score:
                break
            for place in _between(atoms.within(number), own, least, most):
                if place.tokens + self._worth[place.border] > score:
                    score, found = place.tokens + self._worth[place.border], (number, place)
        return found

    def _last(self, start: int, own: Place, limit: int) -> tuple[int, Place]:
        atoms = self._atoms
        number = bisect_right(atoms.total, limit, start, self._stop + 1) - 1
        for each in range(min(number, self._stop - 1), start - 1, -1):
            if places := _between(atoms.within(each), own, own.tokens, limit):
                return each, places[-1]
            if each > start:
                return each, atoms.before(each)
        places = [place for place in atoms.within(start)[:] if place.start > own.start]
        return (start, places[0]) if places else (start + 1, atoms.before(start + 1))


def _between(places: Sequence[Place], own: Place, least: float, most: float) -> Sequence[Place]:
    """Those of ``least`` to ``most`` tokens that come after ``own``."""
    first = max(bisect_left(places, least, key=_tokens), bisect_right(places, own.start, key=_offset))
    return places[first : bisect_right(places, most, key=_tokens)]


def _tokens(place: Place) -> int:
    return place.tokens


def _offset(place: Place) -> int:
    return place.start


def _overlapped(atoms: Atoms, start: int, own: Place, size: int, overlap: int) -> tuple[int, int]:
    """Where a chunk begins whose own text begins at ``own`` in atom ``start``: the tokens up to there, and offset."""
    if not overlap or own.border == Border.HEADING:
        return own.tokens, own.start
    least = max(own.tokens - overlap, _goes_on(atoms, start, own, size, overlap) - size)
    number = max(0, bisect_right(atoms.total, least, hi=start + 1) - 1)
    while number <= start:
        place = atoms.before(number)
        if place.tokens >= least and place.border >= Border.SENTENCE and number:
            return (place.tokens, place.start) if place.start < own.start else (own.tokens, own.start)
        for place in _between(atoms.within(number), atoms.before(number), least, own.tokens):
            if place.start < own.start and place.border >= Border.SENTENCE:
                return place.tokens, place.start
        number += 1
    return own.tokens, own.start


def _goes_on(atoms: Atoms, start: int, own: Place, size: int, overlap: int) -> int:
    """Up to how many tokens a chunk must reach whose own text begins at ``own``: the next sentence at least,
    all that is glued to what it begins with if that has a chance to fit."""
    total = atoms.total
    after = start + 1
    while atoms.borders[after] == Border.GLUED and total[after] <= own.tokens + size:
        after += 1
    is_glued = after > start + 1
    if total[after] <= own.tokens + (size if is_glued else size - overlap):
        return total[after]
    places = _between(atoms.within(start), own, own.tokens, total[start + 1])
    return places[0].tokens if places else total[start + 1]


def _range(
    atoms: Atoms,
    size: int,
    before: int,
    start: int,
    headings: Sequence[int],
    sections: Mapping[int, tuple[int, float]],
) -> tuple[int | None, float]:
    """The heading at which the chunk ends that begins after ``before`` tokens, and its own text in atom ``start``;
    or None, and the tokens after which it must end at the latest."""
    total = atoms.total
    number = bisect_right(headings, start)
    while total[headings[number]] <= before + size:
        heading = headings[number]
        if heading == headings[-1]:
            return heading, 0
        section_end, least_fill = sections[heading]
        is_tiny = total[section_end] <= before + size and atoms.tokens(heading, section_end) < _SMALLEST_SECTION * size
        if not is_tiny and total[heading] - before >= least_fill * size:
            return heading, 0
        number += 1
    # What is left of the section must not be a sliver.
    return None, min(before + size, total[headings[number]] - _LEAST_FILL * size)
