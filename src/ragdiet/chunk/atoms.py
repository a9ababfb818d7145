"""A document's paragraphs with their token counts, from which those of any slice follow."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, pairwise
from typing import NamedTuple

from ragdiet.chunk.borders import Border, borders_of, gaps_of
from ragdiet.chunk.fit import fit
from ragdiet.protocols import TokenCounter
from ragdiet.sentences import split_sentences
from ragdiet.tokens import LONGEST_RUN, adds_up_at_spaces
from ragdiet.types import Span

_BLANK_LINES = re.compile(r"\n\s*\n\s*")
_FENCES = ("```", "~~~")


class Place(NamedTuple):
    """Where the text may be cut: ``tokens`` up to there, the ``end`` of what lies before, the ``start`` of the rest."""

    tokens: int
    end: int
    start: int
    border: Border


@dataclass(frozen=True, slots=True)
class Atoms:
    """What chunks are made of as a rule: paragraphs. Only where one must be cut are its sentences looked for.

    ``borders`` has the n + 1 borders before, between and after the atoms. ``cuts`` has the n + 1 offsets
    where the text is cut for counting: one in each gap between atoms, where counts add up if they do
    anywhere. ``total[i]`` counts the tokens up to ``cuts[i]``. ``apart[i]`` counts the cuts up to it at
    which they may not add up. Within an atom no part has more than ``size`` tokens.
    """

    text: str
    spans: list[Span]
    borders: list[Border]
    cuts: list[int]
    total: list[int]
    apart: list[int]
    size: int
    counter: TokenCounter
    sentences: Callable[[int, int], list[Span]]
    _within: dict[int, list[Place]] = field(default_factory=dict)

    def tokens(self, first: int, end: int) -> int:
        """Of atoms first..end-1 as one slice; a close estimate."""
        return self.total[end] - self.total[first]

    def span(self, first: int, end: int) -> Span:
        """Of atoms first..end-1."""
        return self.spans[first][0], self.spans[end - 1][1]

    def at(self, offsets: Iterable[int]) -> list[int]:
        """For each offset the atom it lies in, or the next one."""
        ends = [end for _, end in self.spans]
        return [bisect_right(ends, offset) for offset in offsets]

    def before(self, number: int) -> Place:
        """The border before that atom, or after the last."""
        end = self.spans[number - 1][1] if number else 0
        start = self.spans[number][0] if number < len(self.spans) else end
        return Place(self.total[number], end, start, self.borders[number])

    def within(self, number: int) -> list[Place]:
        """The borders within that atom: between its sentences, and in those of more than ``size`` tokens."""
        if number not in self._within:
            self._within[number] = self._places(number)
        return self._within[number]

    def _places(self, number: int) -> list[Place]:
        text = self.text
        spans = self.sentences(*self.spans[number])
        gaps = gaps_of(text, spans)
        borders = borders_of(text, spans, gaps)
        counts = [self.tokens(number, number + 1)]
        if len(spans) > 1:
            cuts = [self.cuts[number], *_inner_cuts(spans, gaps), self.cuts[number + 1]]
            counts = self.counter.count_batch([text[start:end] for start, end in pairwise(cuts)])
        parts = [[(span, count)] for span, count in zip(spans, counts, strict=True)]
        if max(counts) > self.size:
            long = [place for place, count in enumerate(counts) if count > self.size]
            for place, own in zip(
                long, fit(text, [spans[place] for place in long], self.size, self.counter), strict=True
            ):
                parts[place] = own
        places: list[Place] = []
        tokens = self.total[number]
        last = 0
        for own, border in zip(parts, borders, strict=False):
            for (start, end), count in own:
                if places or last:
                    kind = border if start == own[0][0][0] else _within_sentence(text, last, start)
                    places.append(Place(tokens, last, start, kind))
                tokens += count
                last = end
        return places


def atoms_of(text: str, begins: Sequence[int], sections: Sequence[int], size: int, counter: TokenCounter) -> Atoms:
    """The paragraphs of a text that is not blank.

    ``begins`` are offsets, ascending, where an atom must begin; ``sections`` are those of the headings.
    """
    spans = _paragraphs(text, begins)
    gaps = gaps_of(text, spans)
    cuts = [spans[0][0], *_inner_cuts(spans, gaps), spans[-1][1]]
    counts = counter.count_batch([text[start:end] for start, end in pairwise(cuts)])
    ends = [end for _, end in spans]
    is_sum = adds_up_at_spaces(counter)
    unsafe = {gap: not (is_sum and 0 < len(gap) <= LONGEST_RUN) for gap in set(gaps)}
    return Atoms(
        text,
        spans,
        borders_of(text, spans, gaps, [bisect_right(ends, offset) for offset in sections]),
        cuts,
        total=list(accumulate(counts, initial=0)),
        apart=list(accumulate([unsafe[gap] for gap in gaps])),
        size=size,
        counter=counter,
        sentences=_sentence_finder(text),
    )


def exact_counts(atoms: Atoms, slices: Sequence[Span]) -> list[int]:
    """Tokens of the slices. Only the ends of a slice are counted again where counts add up within it."""
    text, cuts = atoms.text, atoms.cuts
    counts = [0] * len(slices)
    texts: list[str] = []
    owners: list[int] = []
    for number, (start, end) in enumerate(slices):
        first, last = bisect_left(cuts, start), bisect_left(cuts, end) - 1
        begins_with = first if cuts[first] == start else first - 1
        if first <= last and atoms.apart[begins_with] == atoms.apart[last]:
            counts[number] = atoms.total[last] - atoms.total[first]
            parts = (start, cuts[first]), (cuts[last], end)
        else:
            parts = (start, start), (start, end)
        for begin, stop in parts:
            if begin < stop:
                texts.append(text[begin:stop])
                owners.append(number)
    for number, count in zip(owners, atoms.counter.count_batch(texts), strict=True):
        counts[number] += count
    return counts


def _paragraphs(text: str, begins: Sequence[int]) -> list[Span]:
    """What lies between blank lines and ``begins``, without white space around it."""
    blank = [0, *chain.from_iterable([match.span() for match in _BLANK_LINES.finditer(text)]), len(text)]
    pieces = list(zip(blank[::2], blank[1::2], strict=True))
    if begins:
        pieces = list(_split(pieces, begins))
    # Most have no white space around them, only the first and the last can be blank.
    bare = [
        _stripped(text, *piece)
        if piece[0] < piece[1] and (text[piece[0]].isspace() or text[piece[1] - 1].isspace())
        else piece
        for piece in pieces
    ]
    return [piece for piece in bare if piece[0] < piece[1]]


def _split(pieces: Iterable[Span], begins: Sequence[int]) -> Iterator[Span]:
    number = 0
    for start, end in pieces:
        while number < len(begins) and begins[number] < end:
            if begins[number] > start:
                yield start, begins[number]
                start = begins[number]
            number += 1
        yield start, end


def _stripped(text: str, start: int, end: int) -> Span:
    piece = text[start:end].rstrip()
    return start + len(piece) - len(piece.lstrip()), start + len(piece)


def _inner_cuts(spans: Sequence[Span], gaps: Sequence[str]) -> list[int]:
    """After the last line break of a gap, else before it: there no token of cl100k goes over the cut."""
    after = {gap: max(gap.rfind("\n"), gap.rfind("\r")) + 1 for gap in set(gaps)}
    return [end + after[gap] for (_, end), gap in zip(spans, gaps[1:], strict=False)]


def _within_sentence(text: str, end: int, start: int) -> Border:
    return Border.HARD if end == start and text[start - 1].isalnum() else Border.WITHIN


def _sentence_finder(text: str) -> Callable[[int, int], list[Span]]:
    """Finds the sentences of a paragraph. What lies within a fence is known by the text before it alone."""
    if not any(fence in text for fence in _FENCES):
        return lambda start, end: [(start + first, start + last) for first, last in split_sentences(text[start:end])]
    known: list[Span] = []

    def clipped(start: int, end: int) -> list[Span]:
        if not known:
            known.extend(split_sentences(text))
        first = bisect_right(known, start, key=_start) - 1
        return [
            (max(start, first), min(end, last)) for first, last in known[first : bisect_left(known, end, key=_start)]
        ]

    return clipped


def _start(span: Span) -> int:
    return span[0]
