"""Headers, footers and navigation: lines at the edges of a document that other documents have there too.

Only edges are looked at, and only whole runs from the very first or last line on: a line between two of
the document's own is never touched, whatever else repeats it. What goes is made blank, not cut out, so
that every offset into the text stays right.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from ragdiet.types import Chunk, Span

REPEATED_IN = 5
"""Documents of a collection at whose edge a line must stand to be boilerplate."""

EDGE_LINES = 8
"""Lines looked at from either end, blank ones not counted."""

REPEATED_CHUNK_TOKENS = 32
"""A chunk of fewer tokens may repeat an earlier one of its document."""

# A line of these and of numbers alone counts the pages; any other number tells something, but the years of a
# copyright.
_PAGE_WORDS = frozenset(
    "page pages pg p of seite von s página pagina pág pag de di sur sida av sivu strona z страница из стр".split()
)
_LONGEST_PAGE_NUMBER = 40  # characters
_NUMBER = re.compile(r"[0-9]+")
_COPYRIGHT = re.compile(r"©|\(c\)|\bcopyright\b")
_YEAR = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}(?![0-9])")
_WORD_OR_NUMBER = re.compile(r"[^\W\d_]+|\d+")
_SPACES = re.compile(r"\s+")
_ANY = re.compile(r"\S")
_WORDS = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True)
class Edge:
    """A line at the beginning (``is_first``) or end of a document: ``text[start:end]``, without its line end.
    ``hash`` is a signed 64-bit number, equal for lines that differ in case, spaces or a page number alone."""

    start: int
    end: int
    hash: int
    is_first: bool


def edge_lines(text: str) -> tuple[Edge, ...]:
    """The first and last eight lines that are not blank, in the order of the text; each stands in one half
    only. Of source code they are licence and imports, which are no boilerplate: do not ask for them.

    >>> [text[edge.start : edge.end] for text in ["Page 3 of 9\\n\\nOne.\\n"] for edge in edge_lines(text)]
    ['Page 3 of 9', 'One.']
    """
    first = _lines_forward(text)
    position = first[-1][1] if first else len(text)
    last = _lines_backward(text, position)
    if not last:  # a short text: its lines are shared out between both halves
        middle = (len(first) + 1) // 2
        first, last = first[:middle], first[middle:]
    return (
        *(Edge(start, end, line_hash(text[start:end]), True) for start, end in first),
        *(Edge(start, end, line_hash(text[start:end]), False) for start, end in last),
    )


def line_hash(line: str) -> int:
    """Signed 64-bit hash of a line: "Page 3 of 9" and "page 12 of 40" have the same, "Total 3" and "Total 9" not."""
    folded = _SPACES.sub(" ", line.casefold()).strip()
    words = _WORD_OR_NUMBER.findall(folded[:_LONGEST_PAGE_NUMBER]) if len(folded) <= _LONGEST_PAGE_NUMBER else []
    if words and all(word.isdecimal() or word in _PAGE_WORDS for word in words):
        folded = _NUMBER.sub("0", folded)
    elif _COPYRIGHT.search(folded):
        folded = _YEAR.sub("0", folded)
    return int.from_bytes(hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=8).digest(), signed=True)


def without_boilerplate(
    text: str, edges: Sequence[Edge], repeated: Set[int], *, headings: Iterable[int] = ()
) -> tuple[str, tuple[Span, ...]]:
    """``text`` with its repeated first and last lines made blank, and their spans.

    ``repeated`` holds the hashes of lines that stand at the edge of at least ``REPEATED_IN`` documents.
    ``headings`` are the offsets at which headings begin: one directly above text of the document's own
    names that text and stays ("Introduction"), one above further repeated lines or headings goes (the title
    that all pages of a site share). Unchanged where no line of the document's own would be left.
    """
    offsets = sorted(headings)
    first = _without_last_heading(text, _run([edge for edge in edges if edge.is_first], repeated), offsets)
    last = _run([edge for edge in reversed(edges) if not edge.is_first], repeated)
    blanked = sorted((edge.start, edge.end) for edge in (*first, *last))
    if not blanked or _all_blank(text, blanked):
        return text, ()
    parts: list[str] = []
    position = 0
    for start, end in blanked:
        parts += text[position:start], " " * (end - start)
        position = end
    return "".join((*parts, text[position:])), tuple(blanked)


def repeated_chunks(chunks: Sequence[Chunk]) -> tuple[int, ...]:
    """Places in ``chunks`` of those whose text, white space and case aside, an earlier one has already."""
    seen: set[str] = set()
    repeated: list[int] = []
    for place, chunk in enumerate(chunks):
        if chunk.tokens < REPEATED_CHUNK_TOKENS:
            continue
        normalised = " ".join(chunk.text.casefold().split())
        if normalised in seen:
            repeated.append(place)
        seen.add(normalised)
    return tuple(repeated)


def _run(edges: Iterable[Edge], repeated: Set[int]) -> list[Edge]:
    run: list[Edge] = []
    for edge in edges:
        if edge.hash not in repeated:
            break
        run.append(edge)
    return run


def _without_last_heading(text: str, run: list[Edge], offsets: Sequence[int]) -> list[Edge]:
    """The repeated first lines without a heading, and its underline, that stands directly above other text."""
    if not run or not offsets:
        return run
    own = _ANY.search(text, run[-1].end)
    if own is None or _is_heading(own.start(), own.end(), offsets):
        return run
    for place in range(len(run) - 1, -1, -1):
        if _is_heading(run[place].start, run[place].end, offsets):
            lines_with_words = sum(bool(_WORDS.search(text, edge.start, edge.end)) for edge in run[place:])
            return run[:place] if lines_with_words <= 1 else run
    return run


def _is_heading(start: int, end: int, offsets: Sequence[int]) -> bool:
    place = bisect_left(offsets, start)
    return place < len(offsets) and offsets[place] < max(end, start + 1)


def _all_blank(text: str, blanked: Sequence[Span]) -> bool:
    position = 0
    for start, end in blanked:
        if _ANY.search(text, position, start):
            return False
        position = end
    return not _ANY.search(text, position)


def _lines_forward(text: str) -> list[Span]:
    lines: list[Span] = []
    position = 0
    while position < len(text) and len(lines) < EDGE_LINES:
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        if _ANY.search(text, position, end):
            lines.append((position, end))
        position = end + 1
    return lines


def _lines_backward(text: str, least: int) -> list[Span]:
    lines: list[Span] = []
    end = len(text)
    while end > least and len(lines) < EDGE_LINES:
        start = max(text.rfind("\n", least, end) + 1, least)
        if _ANY.search(text, start, end):
            lines.append((start, end))
        end = start - 1
    return lines[::-1]
