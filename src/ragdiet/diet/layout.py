"""The text a prompt holds: numbered blocks of sentences.

::

    [1] Title of the passage
    A kept sentence. The one that follows it in the source.
    A sentence from further down.
    [2] A passage without a title.

A block has a line of its own and needs no blank line before it. Sentences that follow each other in
the source stay on one line, or on the source's lines with their indentation; where something was left
out, or the source began a new line, a new line begins. All of it is free with the usual vocabularies,
which hold a full stop and a line break as one token.

Passages may hold marks themselves, such as footnotes or a forged block. No block gets a number that
any passage has in brackets, so that ``[n]`` in the text and in an answer means one block and no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count, islice

from ragdiet.diet.passages import Part
from ragdiet.types import Span

_MARK = re.compile(r"\[[\d\s,;.–-]{1,80}\]")
_WIDEST_INDENT = 40


@dataclass(frozen=True, slots=True)
class Page:
    """``numbers`` are the blocks' by part, ``sentences`` those written; both in the order of the text."""

    text: str
    numbers: dict[int, int]
    sentences: tuple[int, ...]


class Layout:
    """Writes any choice of sentences. ``ranking`` is all of them, best first, ``candidates`` what each goes with."""

    def __init__(self, parts: Sequence[Part], ranking: Sequence[int], candidates: Sequence[tuple[int, ...]]) -> None:
        self._candidates = candidates
        self._parts = parts
        self._places = [(owner, index) for owner, part in enumerate(parts) for index in range(len(part.spans))]
        self._ranks = {sentence: rank for rank, sentence in enumerate(ranking)}
        self._free = _free_numbers([text for part in parts for text in (part.title, part.text)], len(parts))

    def owner(self, sentence: int) -> int:
        """The part that holds the sentence."""
        return self._places[sentence][0]

    def span(self, sentence: int) -> Span:
        owner, index = self._places[sentence]
        return self._parts[owner].spans[index]

    def sentence(self, sentence: int) -> str:
        owner, index = self._places[sentence]
        return self._parts[owner].sentence(index)

    def candidate(self, sentence: int) -> tuple[int, ...]:
        """The sentences that are kept if this one is, it too, in source order; all of one part."""
        return self._candidates[sentence]

    def header(self, owner: int) -> str:
        """What a block begins with, as far as it is known before the block has its number."""
        return _header(self._free[-1], self._parts[owner].title)

    def write(self, chosen: Iterable[int]) -> Page:
        """Documents with the best last, a document's passages and a passage's sentences as in the source."""
        blocks: dict[int, list[int]] = {}
        for sentence in sorted(chosen):
            blocks.setdefault(self._places[sentence][0], []).append(sentence)
        best: dict[str | int, int] = {}
        for owner, sentences in blocks.items():
            document = self._parts[owner].document
            rank = min(self._ranks[sentence] for sentence in sentences)
            best[document] = min(rank, best.get(document, rank))

        def position(owner: int) -> tuple[int, int, int]:
            part = self._parts[owner]
            return -best[part.document], part.offset, owner

        order = sorted(blocks, key=position)
        numbers = dict(zip(order, self._free, strict=False))
        return Page(
            text="\n".join(self._block(numbers[owner], owner, blocks[owner]) for owner in order),
            numbers=numbers,
            sentences=tuple(sentence for owner in order for sentence in blocks[owner]),
        )

    def _block(self, number: int, owner: int, sentences: Sequence[int]) -> str:
        part = self._parts[owner]
        pieces = [_header(number, part.title)]
        before = -1
        for sentence in sentences:
            index = self._places[sentence][1]
            start, end = part.spans[index]
            gap = part.text[part.spans[index - 1][1] if index else 0 : start]
            starts_line = not index or len(f"{gap}.".splitlines()) > 1
            indent = gap[len(gap.rstrip(" \t")) :][:_WIDEST_INDENT] if starts_line else ""
            if before < 0:
                pieces.append(indent if part.title else "")
            elif before < index - 1 or starts_line:
                pieces.append(f"\n{indent}")
            else:
                pieces.append(" " if gap else "")
            pieces.append(part.text[start:end])
            before = index
        return "".join(pieces)


def _header(number: int, title: str) -> str:
    return f"[{number}] {title}\n" if title else f"[{number}] "


def _free_numbers(texts: Iterable[str], needed: int) -> list[int]:
    """The smallest numbers from 1 that no text has in brackets."""
    used = {int(digits) for text in texts for mark in _MARK.findall(text) for digits in re.findall(r"\d{1,9}", mark)}
    return list(islice((number for number in count(1) if number not in used), needed))
