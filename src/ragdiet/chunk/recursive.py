"""Chunks of at most so many tokens, cut at the strongest border that leaves them well filled."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from ragdiet.chunk.assemble import assemble, check_size
from ragdiet.chunk.atoms import Atoms
from ragdiet.chunk.borders import Border
from ragdiet.chunk.outline import Outline
from ragdiet.chunk.strongest import strongest_cuts
from ragdiet.protocols import TokenCounter
from ragdiet.tokens import default_counter
from ragdiet.types import Chunk, Document, Span

_MOST_OVERLAP = 64
# A heading closes the chunk before it from this fill on: outermost sections, those in them, all others.
_FILL_AT_HEADING = (0.125, 0.25, 0.5)


class RecursiveChunker:
    """Cuts a document into exact slices of at most ``size`` tokens.

    Borders in order of strength: heading, blank line, line, sentence, clause or space, anywhere. A
    section that is not tiny begins a chunk of its own; smaller pieces are merged up to the cap.
    ``overlap`` repeats at most so many tokens of the chunk before, whole sentences of the same section; by
    default a quarter of the size, at most 64.
    """

    def __init__(self, size: int = 256, overlap: int | None = None, counter: TokenCounter | None = None) -> None:
        overlap = min(_MOST_OVERLAP, size // 4) if overlap is None else overlap
        check_size(size, overlap)
        self._size = size
        self._overlap = overlap
        self._counter = counter or default_counter()
        self.version = f"recursive-{size}-{overlap}-{self._counter.name}-v4"

    def chunk(self, document: Document) -> tuple[Chunk, ...]:
        """Chunks in the order of the text; together they hold all of it but white space."""
        return assemble(document, self._size, self._counter, self._slices)

    def _slices(self, atoms: Atoms, outline: Outline) -> Iterator[Span]:
        sections = _sections(atoms, atoms.at(outline.offsets), outline.levels)
        return strongest_cuts(atoms, self._size, overlap=self._overlap, sections=sections)


def _sections(atoms: Atoms, begins: Sequence[int], levels: Sequence[int]) -> dict[int, tuple[int, float]]:
    """By the border each section begins at: the border it ends at, and the fill from which it begins a chunk."""
    outermost = sorted(set(levels))
    if len(outermost) > 1 and levels.count(outermost[0]) == 1:
        del outermost[0]  # the title of the whole
    sections: dict[int, tuple[int, float]] = {}
    below: list[tuple[int, int]] = []
    for begin, level in zip(reversed(begins), reversed(levels), strict=True):
        while below and below[-1][1] > level:
            below.pop()
        end = below[-1][0] if below else len(atoms.spans)
        below.append((begin, level))
        rank = min(max(0, bisect_left(outermost, level)), len(_FILL_AT_HEADING) - 1)
        if atoms.borders[begin] == Border.HEADING and begin < len(atoms.spans):
            sections[begin] = (end, _FILL_AT_HEADING[rank])
    return sections
