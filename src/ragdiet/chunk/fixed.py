"""Windows of so many tokens, whatever the text: the plain baseline."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate

from ragdiet.chunk.assemble import assemble, check_size
from ragdiet.chunk.atoms import Atoms
from ragdiet.chunk.outline import Outline
from ragdiet.protocols import TokenCounter
from ragdiet.tokens import default_counter
from ragdiet.types import Chunk, Document, Span

# A word, which is a whole number of tokens; what has no spaces goes in pieces of 16 characters.
_WORD = re.compile(r"\s*+(\S{1,64}+(?!\S)|\S{1,16})")


class FixedChunker:
    """Cuts a document into windows of ``size`` tokens, down to the last whole word that fits.

    ``overlap`` repeats at most so many tokens of the window before.
    """

    def __init__(self, size: int = 256, overlap: int = 0, counter: TokenCounter | None = None) -> None:
        check_size(size, overlap)
        self._size = size
        self._overlap = overlap
        self._counter = counter or default_counter()
        self.version = f"fixed-{size}-{overlap}-{self._counter.name}-v1"

    def chunk(self, document: Document) -> tuple[Chunk, ...]:
        """Chunks in the order of the text; together they hold all of it but white space."""
        return assemble(document, self._size, self._counter, self._slices)

    def _slices(self, atoms: Atoms, outline: Outline) -> Iterator[Span]:
        words = _Words(atoms, self._counter)
        text, end = atoms.text, atoms.spans[-1][1]
        start, tokens = reached = (atoms.spans[0][0], 0)
        # A word at the beginning of a window may have a token more than after its space.
        while tokens + self._size - 1 < atoms.total[-1]:
            cut = words.last_until(tokens + self._size - 1)
            if cut <= reached and start < reached[0]:
                start, tokens = reached  # nothing new fits beside what would be repeated
                continue
            if cut <= reached:
                cut = words.first_from(tokens + 1)
            if cut[0] == end:
                break
            yield start, start + len(text[start : cut[0]].rstrip())
            again = words.first_from(max(0, cut[1] - self._overlap)) if self._overlap else cut
            start, tokens = again if again[0] > start else cut
            reached = cut
        yield start, end


class _Words:
    """Where words begin, as (offset, tokens before it). Words are counted in the atoms that are asked about."""

    def __init__(self, atoms: Atoms, counter: TokenCounter) -> None:
        self._atoms = atoms
        self._counter = counter
        self._known: dict[int, tuple[list[int], list[int]]] = {}

    def last_until(self, tokens: int) -> tuple[int, int]:
        """The last word with at most ``tokens`` before it."""
        offsets, before = self._of(self._atom(tokens))
        number = bisect_right(before, tokens) - 1
        return offsets[number], before[number]

    def first_from(self, tokens: int) -> tuple[int, int]:
        """The first word with at least ``tokens`` before it, or the end of the text."""
        atoms, atom = self._atoms, self._atom(tokens)
        offsets, before = self._of(atom)
        number = bisect_left(before, tokens)
        if number < len(offsets):
            return offsets[number], before[number]
        is_last = atom + 1 == len(atoms.spans)
        return atoms.cuts[-1] if is_last else atoms.spans[atom + 1][0], atoms.total[atom + 1]

    def _atom(self, tokens: int) -> int:
        return min(bisect_right(self._atoms.total, tokens), len(self._atoms.spans)) - 1

    def _of(self, atom: int) -> tuple[list[int], list[int]]:
        if atom not in self._known:
            cuts = self._atoms.cuts
            words = list(_WORD.finditer(self._atoms.text, cuts[atom], cuts[atom + 1]))
            counts = self._counter.count_batch([word.group() for word in words])
            before = accumulate(counts[:-1], initial=self._atoms.total[atom])
            self._known[atom] = [word.start(1) for word in words], list(before)
        return self._known[atom]
