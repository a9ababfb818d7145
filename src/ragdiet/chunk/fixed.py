"""Windows of so many tokens, whatever the text: the plain baseline."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, repeat, takewhile

from ragdiet.chunk.assemble import check_size, chunks_of
from ragdiet.chunk.outline import Outline
from ragdiet.protocols import TokenCounter
from ragdiet.tokens import default_counter
from ragdiet.types import Chunk, Document, Span

# Some words of text, up to where counts add up: before a space, after a line break.
_PIECE = re.compile(r"(?s).{80,800}?(?:(?<=\S)(?= \S)|(?<=\n)(?=\S))|.{1,800}")
# A word, which is a whole number of tokens; what has no spaces goes in pieces of 4 characters.
_WORD = re.compile(r"\s*+(\S{1,64}+(?!\S)|\S{1,4})")


class FixedChunker:
    """Cuts a document into windows of ``size`` tokens, down to the last whole word that fits.

    ``overlap`` repeats at most so many tokens of the window before.
    """

    def __init__(self, size: int = 256, overlap: int = 0, counter: TokenCounter | None = None) -> None:
        check_size(size, overlap)
        self._size = size
        self._overlap = overlap
        self._counter = counter or default_counter()
        self.version = f"fixed-{size}-{overlap}-{self._counter.name}-v3"

    def chunk(self, document: Document) -> tuple[Chunk, ...]:
        """Chunks in the order of the text; together they hold all of it but white space."""
        slices = list(self._slices(document.text)) if document.text.strip() else []
        counts = self._counter.count_batch([document.text[start:end] for start, end in slices])
        fitting = zip(slices, counts, strict=True)
        return chunks_of(document, Outline(document, self._counter), list(fitting), self._size, self._counter)

    def _slices(self, text: str) -> Iterator[Span]:
        words = _Words(text, self._counter)
        start, tokens = reached = words.first_after(-1)
        # A word at the beginning of a window may have a token more than after its space.
        while tokens + self._size - 1 < words.tokens:
            cut = words.last_until(tokens + self._size - 1)
            if cut <= reached and start < reached[0]:
                start, tokens = reached  # nothing new fits beside what would be repeated
                continue
            if cut <= reached:
                cut = words.first_after(tokens)
            if cut[0] == len(text):
                break
            yield start, start + len(text[start : cut[0]].rstrip())
            again = words.first_after(cut[1] - self._overlap - 1) if self._overlap else cut
            start, tokens = again if again[0] > start else cut
            reached = cut
        if rest := text[start:].rstrip():
            yield start, start + len(rest)


class _Words:
    """Where words begin, as (offset, tokens before it). Words are counted in the pieces that are asked about."""

    def __init__(self, text: str, counter: TokenCounter) -> None:
        pieces = _PIECE.findall(text)
        self._text = text
        self._count = counter.count
        self._cuts = list(accumulate(map(len, pieces), initial=0))
        self._total = list(accumulate(counter.count_batch(pieces), initial=0))
        self.tokens = self._total[-1]

    def last_until(self, tokens: int) -> tuple[int, int]:
        """The last word with at most ``tokens`` before it."""
        piece = self._piece(tokens)
        words = self._words(piece)
        number = bisect_right(words, tokens, key=lambda word: self._before(piece, word)) - 1
        # In a piece that begins with white space alone its first word goes on with the piece before.
        return words[max(0, number)], self._before(piece, words[max(0, number)])

    def first_after(self, tokens: int) -> tuple[int, int]:
        """The first word with more than ``tokens`` before it, or the end of the text."""
        piece = self._piece(tokens)
        while piece < len(self._cuts) - 1:
            words = self._words(piece)
            number = bisect_right(words, tokens, key=lambda word: self._before(piece, word))
            if number < len(words):
                return words[number], self._before(piece, words[number])
            piece += 1
        return len(self._text), self.tokens

    def _piece(self, tokens: int) -> int:
        return max(0, min(bisect_right(self._total, tokens), len(self._cuts) - 1) - 1)

    def _words(self, piece: int) -> list[int]:
        # What follows a piece tells whether its end is that of a word.
        words = map(re.Match.start, _WORD.finditer(self._text, self._cuts[piece]), repeat(1))
        return list(takewhile(self._cuts[piece + 1].__gt__, words))

    def _before(self, piece: int, word: int) -> int:
        before = self._text[self._cuts[piece] : word].rstrip()
        return self._total[piece] + (self._count(before) if before else 0)
