"""Chunks of at most so many tokens, cut at the strongest border that leaves them well filled."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import ceil
from types import MappingProxyType

from ragdiet.chunk.outline import Outline
from ragdiet.errors import InvalidArgument
from ragdiet.protocols import TokenCounter
from ragdiet.sentences import split_sentences
from ragdiet.tokens import default_counter
from ragdiet.types import Chunk, Document, Span

_SMALLEST_SIZE = 8
_LEAST_FILL = 0.25
_SMALLEST_SECTION = 0.125
# A heading closes the chunk before it from this fill on: outermost sections, those in them, all others.
_FILL_AT_HEADING = (0.125, 0.25, 0.5)

# What a border is worth as a share of the size: a blank line is taken in place of a later sentence end
# unless that leaves the chunk emptier by 45% of its size.
_HARD, _GLUED, _WITHIN, _SENTENCE, _LINE, _PARAGRAPH, _HEADING = range(7)
_WORTH = (0.0, 0.0, 0.05, 0.15, 0.25, 0.6, 0.8)

_BREAKS = tuple(map(re.compile, (r"\n\s*?\n", r"\n", r"[.!?]\s|[。！？]", r"[,;:)\]}—–]\s|[、，；：]", r"\s")))
_WORD = re.compile(r"\w")
_LINE_ENDS = frozenset("\n\r\v\f\x85\u2028\u2029")
_LONGEST_TITLE = 60


@dataclass(frozen=True, slots=True)
class _Atoms:
    """What is not cut any further: sentences, and pieces of those that are longer than a chunk.

    ``own`` counts an atom's tokens, ``total`` is the running sum of them with the white space between.
    ``borders[i]`` is the strength of the border before atom i. ``sections`` holds, for each border a
    section begins at, the border it ends at and the fill from which it closes the chunk before.
    """

    spans: list[Span]
    own: list[int]
    total: list[int]
    borders: list[int]
    sections: dict[int, tuple[int, float]]

    def tokens(self, first: int, end: int) -> int:
        """Of atoms first..end-1 as one slice; a close estimate, as tokens may merge across borders."""
        return self.own[first] + self.total[end] - self.total[first + 1]


class RecursiveChunker:
    """Cuts a document into exact slices of at most ``size`` tokens.

    Borders in order of strength: heading, blank line, line, sentence, clause or space, anywhere. A
    section that is not tiny begins a chunk of its own; smaller pieces are merged up to the cap.
    ``overlap`` repeats at most so many tokens of the chunk before, whole sentences of the same section.
    """

    def __init__(self, size: int = 256, overlap: int = 0, counter: TokenCounter | None = None) -> None:
        if size < _SMALLEST_SIZE:
            raise InvalidArgument(f"size is {size} tokens: give at least {_SMALLEST_SIZE}")
        if not 0 <= overlap <= size // 2:
            raise InvalidArgument(f"overlap is {overlap} tokens: give 0 to {size // 2}, half of the size")
        self._size = size
        self._overlap = overlap
        self._counter = counter or default_counter()
        self.version = f"recursive-{size}-{overlap}-{self._counter.name}-v1"

    def chunk(self, document: Document) -> tuple[Chunk, ...]:
        """Chunks in the order of the text; together they hold all of it but white space."""
        text = document.text
        sentences = split_sentences(text)
        if not sentences:
            return ()
        outline = Outline(document, self._counter)
        atoms = self._atoms(text, sentences, outline)
        slices = [(atoms.spans[first][0], atoms.spans[end - 1][1]) for first, end in self._cuts(atoms)]
        counted = dict(zip(atoms.spans, atoms.own, strict=True))
        starts = [start for start, _ in sentences]
        # The estimates nearly always hold; the few slices that prove too long are cut again.
        return tuple(
            Chunk(
                ordinal=ordinal,
                text=text[start:end],
                start=start,
                end=end,
                tokens=tokens,
                context=outline.context(start, end),
                sentences=tuple(_within(sentences, starts, start, end)),
                meta=outline.meta(start),
            )
            for ordinal, ((start, end), tokens) in enumerate(self._fitting(text, slices, counted))
        )

    def _fitting(
        self, text: str, spans: Iterable[Span], known: Mapping[Span, int] = MappingProxyType({})
    ) -> list[tuple[Span, int]]:
        """Spans with their exact token counts; those over the size are cut until they fit."""
        pieces = list(spans)
        unknown = iter(
            self._counter.count_batch([text[start:end] for start, end in pieces if (start, end) not in known])
        )
        counts = [known[span] if span in known else next(unknown) for span in pieces]
        while any(count > self._size for count in counts):
            parts = [
                tuple(_parts(text, span, ceil(1.1 * count / self._size))) if count > self._size else (span,)
                for span, count in zip(pieces, counts, strict=True)
            ]
            fresh = [part for own, count in zip(parts, counts, strict=True) if count > self._size for part in own]
            recounted = iter(self._counter.count_batch([text[start:end] for start, end in fresh]))
            counts = [
                next(recounted) if count > self._size else count
                for own, count in zip(parts, counts, strict=True)
                for _ in own
            ]
            pieces = [part for own in parts for part in own]
        return list(zip(pieces, counts, strict=True))

    def _atoms(self, text: str, sentences: Sequence[Span], outline: Outline) -> _Atoms:
        fitting = self._fitting(text, sentences)
        spans = [span for span, _ in fitting]
        own = [count for _, count in fitting]
        gaps = ["", *(text[end:start] for (_, end), (start, _) in pairwise(spans))]
        # An upper bound as a rule: ".\n" is one token where "a\nb" is three.
        alone = self._counter.count("a") + self._counter.count("b")
        cost = {gap: max(0, self._counter.count(f"a{gap}b") - alone) for gap in set(gaps)}
        total = list(accumulate((own_ + cost[gap] for own_, gap in zip(own, gaps, strict=True)), initial=0))
        starts = {start for start, _ in sentences}
        borders = [_HEADING]
        for (before, span), gap in zip(pairwise(spans), gaps[1:], strict=True):
            if span[0] in starts:
                borders.append(_strength(text, before, gap, span, is_paragraph=borders[-1] >= _PARAGRAPH))
            else:
                borders.append(_WITHIN if gap or not text[span[0] - 1].isalnum() else _HARD)
        borders.append(_HEADING)
        return _Atoms(spans, own, total, borders, _sections(text, spans, borders, outline))

    def _cuts(self, atoms: _Atoms) -> Iterator[tuple[int, int]]:
        """Each chunk as its first atom and the one after its last."""
        start = 0
        headings = [*sorted(atoms.sections), len(atoms.spans)]
        while start < len(atoms.spans):
            first = self._overlapped(atoms, start)
            end = self._cut(atoms, first, start, headings)
            yield first, end
            start = end

    def _overlapped(self, atoms: _Atoms, start: int) -> int:
        """Where a chunk begins whose own text begins at ``start``."""
        if not self._overlap or not start or atoms.borders[start] == _HEADING:
            return start
        first = bisect_left(atoms.total, atoms.total[start] - self._overlap)
        while first < start and (
            atoms.borders[first] < _SENTENCE or atoms.tokens(first, start + 1) > self._size or first == 0
        ):
            first += 1
        return first

    def _cut(self, atoms: _Atoms, first: int, start: int, headings: Sequence[int]) -> int:
        size = self._size
        fits = bisect_right(atoms.total, size - atoms.own[first] + atoms.total[first + 1]) - 1
        for number in range(bisect_right(headings, start), bisect_right(headings, fits)):
            heading = headings[number]
            if heading == len(atoms.spans):
                return heading
            section_end, least_fill = atoms.sections[heading]
            is_tiny = section_end <= fits and atoms.tokens(heading, section_end) < _SMALLEST_SECTION * size
            if not is_tiny and atoms.tokens(first, heading) >= least_fill * size:
                return heading

        # What is left of the section must not be a sliver.
        section_end = headings[bisect_right(headings, fits)]
        latest = bisect_right(atoms.total, atoms.total[section_end] - _LEAST_FILL * size) - 1
        if latest > fits or latest <= start or atoms.tokens(first, latest) < _LEAST_FILL * size:
            latest = fits
        earliest = bisect_left(atoms.total, atoms.total[first] + _LEAST_FILL * size)
        earliest = min(latest, max(earliest, start + 1))
        return max(
            range(latest, earliest - 1, -1),
            key=lambda end: _WORTH[atoms.borders[end]] + atoms.tokens(first, end) / size,
        )


def _strength(text: str, before: Span, gap: str, after: Span, *, is_paragraph: bool) -> int:
    """Of the border between two sentences; ``is_paragraph``: the first begins a paragraph."""
    breaks = sum(line[-1:] in _LINE_ENDS for line in gap.splitlines(keepends=True))
    if not breaks:
        return _SENTENCE
    if not _WORD.search(text, *after):
        return _GLUED  # a closing fence or bracket, a line of marks
    if breaks == 1:
        return _LINE
    # A title or an introduction ("as follows:") leads on to what comes after it.
    leads_on = text[before[1] - 1] == ":" or (
        is_paragraph
        and before[1] - before[0] <= _LONGEST_TITLE
        and text[before[0]].isalnum()
        and text[before[1] - 1].isalnum()
    )
    return _GLUED if leads_on else _PARAGRAPH


def _sections(text: str, spans: Sequence[Span], borders: list[int], outline: Outline) -> dict[int, tuple[int, float]]:
    """Sections by the border they begin at, see `_Atoms`; marks their borders in ``borders``."""
    ends = [end for _, end in spans]
    begins = [bisect_right(ends, offset) for offset in outline.offsets]
    levels = sorted(set(outline.levels))
    if len(levels) > 1 and outline.levels.count(levels[0]) == 1:
        del levels[0]  # the title of the whole
    sections: dict[int, tuple[int, float]] = {}
    below: list[tuple[int, int]] = []
    for number in range(len(begins) - 1, -1, -1):
        begin, level = begins[number], outline.levels[number]
        while below and below[-1][1] > level:
            below.pop()
        end = below[-1][0] if below else len(spans)
        below.append((begin, level))
        rank = min(max(0, bisect_left(levels, level)), len(_FILL_AT_HEADING) - 1)
        if begin < len(spans):
            sections[begin] = (end, _FILL_AT_HEADING[rank])
    for begin in sorted(sections):
        borders[begin] = _HEADING if borders[begin] != _GLUED else _GLUED
        after = begin + 1
        named = bool(_WORD.search(text, *spans[begin]))
        # A heading may have a line of marks below or above it.
        while after < len(spans) and not (named and _WORD.search(text, *spans[after])):
            borders[after] = _GLUED
            named = named or bool(_WORD.search(text, *spans[after]))
            after += 1
        if after < len(spans):
            borders[after] = _GLUED
    return {begin: section for begin, section in sections.items() if borders[begin] == _HEADING}


def _parts(text: str, span: Span, number: int) -> Iterator[Span]:
    """The span in about ``number`` (at least 2) stripped parts of like length."""
    start, end = span
    if end - start == 1:
        raise InvalidArgument(
            f"the token counter gives one character {text[start]!r} more tokens than a chunk may have: raise the size"
        )
    number = min(max(2, number), end - start)
    width = (end - start) / number
    cuts = [_break_near(text, start + width * part, width / 4) for part in range(1, number)]
    for left, right in pairwise((start, *cuts, end)):
        part = text[left:right]
        if stripped := part.strip():
            first = left + part.index(stripped[0])
            yield first, first + len(stripped)


def _break_near(text: str, target: float, reach: float) -> int:
    low, high = ceil(target - reach), int(target + reach)
    for pattern in _BREAKS:
        if ends := [match.end() for match in pattern.finditer(text, low, high)]:
            return min(ends, key=lambda end: abs(end - target))
    cut = int(target)
    while cut > low and unicodedata.category(text[cut]).startswith("M"):
        cut -= 1  # an accent or vowel sign stays with its letter
    return cut


def _within(sentences: Sequence[Span], starts: Sequence[int], start: int, end: int) -> Iterator[Span]:
    """Sentences, or what the chunk holds of them, relative to the chunk."""
    for first, last in sentences[bisect_right(starts, start) - 1 : bisect_left(starts, end)]:
        yield max(first, start) - start, min(last, end) - start
