"""Windows of so many tokens, whatever the text: the plain baseline."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import lru_cache
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
        @lru_cache(maxsize=4)
        def words_of(atom: int) -> tuple[list[int], list[int]]:
            return _words(atoms, atom, self._counter)

        def word_at(tokens: int, *, last: bool) -> tuple[int, int]:
            """The last word that begins at or before ``tokens``, or the first one at or after it, as
            (offset, tokens before it)."""
            atom = min(bisect_right(atoms.total, tokens), len(atoms.spans)) - 1
            offsets, before = words_of(atom)
            number = bisect_right(before, tokens) - 1 if last else bisect_left(before, tokens)
            if number < len(offsets):
                return offsets[number], before[number]
            return (atoms.spans[atom + 1][0] if atom + 1 < len(atoms.spans) else end), atoms.total[atom + 1]

        text, end = atoms.text, atoms.spans[-1][1]
        start, tokens = reached = (atoms.spans[0][0], 0)
        # A word at the beginning of a window may have a token more than after its space.
        while tokens + self._size - 1 < atoms.total[-1]:
            cut = word_at(tokens + self._size - 1, last=True)
            if cut <= reached and start < reached[0]:
                start, tokens = reached  # nothing new fits beside what would be repeated
                continue
            if cut <= reached:
                cut = word_at(tokens + 1, last=False)
            if cut[0] == end:
                break
            yield start, start + len(text[start : cut[0]].rstrip())
            again = word_at(max(0, cut[1] - self._overlap), last=False) if self._overlap else cut
            start, tokens = again if again[0] > start else cut
            reached = cut
        yield start, end


def _words(atoms: Atoms, atom: int, counter: TokenCounter) -> tuple[list[int], list[int]]:
    """Where the atom's words begin, and how many tokens lie before each."""
    text, start, end = atoms.text, atoms.cuts[atom], atoms.cuts[atom + 1]
    words = list(_WORD.finditer(text, start, end))
    counts = counter.count_batch([word.group() for word in words])
    return [word.start(1) for word in words], list(accumulate(counts[:-1], initial=atoms.total[atom]))
