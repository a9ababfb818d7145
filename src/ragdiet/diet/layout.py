"""The text a prompt holds: numbered blocks of sentences.

::

    [1] Title of the passages
    A kept sentence. The one that follows it in the source.
    A sentence from further down.
    [2] A sentence from the next passage with that title.
    [3] This one says the title of its passage, which is not written then.

A title is paid for once: blocks with one title stand together, and only the first of them has it. Where some
passages have no title each block has its own, lest a block without one seem to belong to the title above.

A block has a line of its own and needs no blank line before it. Sentences that follow each other in
the source stay on one line, or on the source's lines with their indentation; where something was left
out, or the source began a new line, a new line begins. All of it is free with the usual vocabularies,
which hold a full stop and a line break as one token.

Passages may hold marks themselves, such as footnotes or a forged block. No block gets a number that
any passage has in brackets, so that ``[n]`` in the text and in an answer means one block and no other.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import count, islice

from ragdiet.diet.passages import Part
from ragdiet.types import Span

_MARK = re.compile(r"\[[\d\s,;.–-]{1,80}\]")
_WIDEST_INDENT = 40
_SHORTEST_SAID = 4  # "It" and "Us" are films, and words of any sentence


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
        self._shares_titles = all(part.title for part in parts)

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

    def title(self, owner: int) -> str:
        return self._parts[owner].title

    def header(self, owner: int, sentences: Iterable[int], titles: Collection[str]) -> str:
        """What a block of these sentences begins with where blocks with ``titles`` stand already.

        As far as it is known before the block has its number.
        """
        return _header(self._free[-1], "" if self._is_told(owner, sentences, titles) else self._parts[owner].title)

    def write(self, chosen: Iterable[int]) -> Page:
        """Titles with the best last, a title's documents likewise, a document's passages and a passage's sentences
        as in the source."""
        blocks: dict[int, list[int]] = {}
        for sentence in sorted(chosen):
            blocks.setdefault(self._places[sentence][0], []).append(sentence)
        best: dict[tuple[str, str | int], int] = {}
        for owner, sentences in blocks.items():
            rank = min(self._ranks[sentence] for sentence in sentences)
            for group in self._groups(owner):
                best[group] = min(rank, best.get(group, rank))

        def position(owner: int) -> tuple[int, int, int, int]:
            title, document = self._groups(owner)
            return -best[title], -best[document], self._parts[owner].offset, owner

        order = sorted(blocks, key=position)
        numbers = dict(zip(order, self._free, strict=False))
        pieces = []
        above = ""
        for owner in order:
            title = self._parts[owner].title
            is_told = self._is_told(owner, blocks[owner], (above,))
            pieces.append(self._block(numbers[owner], owner, blocks[owner], "" if is_told else title))
            above = title
        return Page(
            text="\n".join(pieces),
            numbers=numbers,
            sentences=tuple(sentence for owner in order for sentence in blocks[owner]),
        )

    def _groups(self, owner: int) -> tuple[tuple[str, str | int], tuple[str, str | int]]:
        """What stands together with the block: blocks of its title, and among these those of its document."""
        part = self._parts[owner]
        document = ("document", part.document)
        return (("title", part.title) if self._shares_titles else document), document

    def _is_told(self, owner: int, sentences: Iterable[int], titles: Collection[str]) -> bool:
        """Whether a reader knows the title of a block of these sentences without its being written."""
        title = self._parts[owner].title
        return (self._shares_titles and title in titles) or any(_says(self.sentence(one), title) for one in sentences)

    def _block(self, number: int, owner: int, sentences: Sequence[int], title: str) -> str:
        part = self._parts[owner]
        pieces = [_header(number, title)]
        before = -1
        for sentence in sentences:
            index = self._places[sentence][1]
            start, end = part.spans[index]
            gap = part.text[part.spans[index - 1][1] if index else 0 : start]
            starts_line = not index or len(f"{gap}.".splitlines()) > 1
            indent = gap[len(gap.rstrip(" \t")) :][:_WIDEST_INDENT] if starts_line else ""
            if before < 0:
                pieces.append(indent if title else "")
            elif before < index - 1 or starts_line:
                pieces.append(f"\n{indent}")
            else:
                pieces.append(" " if gap else "")
            pieces.append(part.text[start:end])
            before = index
        return "".join(pieces)


def _header(number: int, title: str) -> str:
    return f"[{number}] {title}\n" if title else f"[{number}] "


def _says(sentence: str, title: str) -> bool:
    """Whether the title stands in the sentence as whole words, in small letters or capitals.

    >>> _says("Work on the northam bridge began.", "Northam Bridge"), _says("Beehives", "Beeh")
    (True, False)
    """
    said, wanted = sentence.lower(), title.lower()
    begin = said.find(wanted) if len(title) >= _SHORTEST_SAID else -1
    end = begin + len(wanted)
    return begin >= 0 and not (said[max(0, begin - 1) : begin].isalnum() or said[end : end + 1].isalnum())


def _free_numbers(texts: Iterable[str], needed: int) -> list[int]:
    """The smallest numbers from 1 that no text has in brackets."""
    used = {int(digits) for text in texts for mark in _MARK.findall(text) for digits in re.findall(r"\d{1,9}", mark)}
    return list(islice((number for number in count(1) if number not in used), needed))
