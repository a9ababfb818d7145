"""Where a document's sections and pages begin, and what a chunk is told of them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ragdiet.protocols import TokenCounter
from ragdiet.types import Document

_CONTEXT_TOKENS = 32
_LONGEST_PART = 120
# The rest of a heading's line, and a line without words.
_HEADING_ENDS = re.compile(r"[^\n]*+\n(?:[^\w\n]++\n)?")


class Outline:
    """Headings and pages of one document, from ``meta["headings"]`` and ``meta["pages"]``.

    A value of another shape under these keys is the caller's own metadata and is left alone.
    """

    def __init__(self, document: Document, counter: TokenCounter) -> None:
        self._title = _one_line(document.title or "")
        self._counter = counter
        headings = [entry for entry in _entries(document.meta.get("headings")) if _one_line(entry[2])]
        headings.sort(key=lambda heading: heading[0])
        self.offsets = [offset for offset, _, _ in headings]
        self.levels = [level for _, level, _ in headings]
        self._paths = _paths(headings)
        pages = document.meta.get("pages")
        is_pages = isinstance(pages, list | tuple) and all(isinstance(offset, int) for offset in pages)
        self._pages = sorted(pages) if is_pages and pages else []
        self._contexts: dict[tuple[str, ...], str] = {}

    def context(self, start: int, end: int) -> str:
        """Title and the headings above all of ``[start, end)``: "Handbook > Leaving > Notice period"."""
        path = self._path(start)
        for number in range(bisect_right(self.offsets, start), bisect_right(self.offsets, end - 1)):
            other = self._paths[number]
            shared = 0
            while shared < min(len(path), len(other)) and path[shared] == other[shared]:
                shared += 1
            path = path[:shared]
            if not path:
                break
        if path not in self._contexts:
            self._contexts[path] = self._line(path)
        return self._contexts[path]

    def meta(self, start: int) -> dict[str, Any]:
        """Innermost heading and page number (from 1) at ``start``, where known."""
        path = self._path(start)
        page = bisect_right(self._pages, start)
        return ({"heading": path[-1]} if path else {}) | ({"page": max(1, page)} if self._pages else {})

    def lines(self, text: str) -> list[int]:
        """Where the lines begin and end that hold the headings, with a line of marks below; in order."""
        offsets: list[int] = []
        after = 0
        for offset, following in pairwise([*self.offsets, len(text)]):
            begin = text.rfind("\n", after, max(after, offset)) + 1
            after = max(after, offset)
            offsets.append(begin)
            if match := _HEADING_ENDS.match(text, after, max(after, following)):
                offsets.append(match.end())
        return sorted(offsets)

    def _path(self, offset: int) -> tuple[str, ...]:
        number = bisect_right(self.offsets, offset)
        return self._paths[number - 1] if number else ()

    def _line(self, path: tuple[str, ...]) -> str:
        # A document whose title is its first heading would else say it twice.
        repeated = bool(path) and path[0].casefold() == self._title.casefold()
        parts = [part for part in (self._title, *path[repeated:]) if part]
        while len(parts) > 2 and self._counter.count(" > ".join(parts)) > _CONTEXT_TOKENS:
            del parts[1]  # the document and the innermost heading say most
        line = " > ".join(part[:_LONGEST_PART] for part in parts)
        while (tokens := self._counter.count(line)) > _CONTEXT_TOKENS and len(line) > 1:
            line = line[: min(len(line) - 1, len(line) * _CONTEXT_TOKENS // tokens)].rstrip()
        return line


def _one_line(text: str) -> str:
    return " ".join(text[: 4 * _LONGEST_PART].split())


def _entries(value: object) -> list[tuple[int, int, str]]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    entries: list[tuple[int, int, str]] = []
    for entry in value:
        match entry:
            case [int(offset), int(level), str(title)]:
                entries.append((offset, level, title))
            case _:
                return []
    return entries


def _paths(headings: Sequence[tuple[int, int, str]]) -> list[tuple[str, ...]]:
    """For each heading the titles from the outermost section down to its own."""
    paths: list[tuple[str, ...]] = []
    above: list[tuple[int, str]] = []
    for _, level, title in headings:
        while above and above[-1][0] >= level:
            above.pop()
        above.append((level, _one_line(title)))
        paths.append(tuple(title for _, title in above))
    return paths
