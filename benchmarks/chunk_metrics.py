"""How well retrieved text covers the excerpts that answer a question, in characters.

The measures of Smith and Troynikov 2024, "Evaluating Chunking Strategies for Retrieval" (Chroma), as
their program computes them, and recall within a number of tokens of context. A range is (document,
start, end), ``end`` exclusive. ``wanted`` are the excerpts of one question; ``found`` is what was
retrieved for it, best first, out of all documents together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

Range: TypeAlias = tuple[str, int, int]


def length(ranges: Iterable[Range]) -> int:
    """Characters; what two ranges share is counted twice."""
    return sum(end - start for _, start, end in ranges)


def union(ranges: Iterable[Range]) -> list[Range]:
    """The same characters, each in one range, in order.

    >>> union([("a", 5, 9), ("a", 0, 6), ("b", 1, 2)])
    [('a', 0, 9), ('b', 1, 2)]
    """
    joined: list[Range] = []
    for document, start, end in sorted(ranges):
        if joined and joined[-1][0] == document and start <= joined[-1][2]:
            joined[-1] = (document, joined[-1][1], max(end, joined[-1][2]))
        elif start < end:
            joined.append((document, start, end))
    return joined


def covered(wanted: Iterable[Range], found: Iterable[Range]) -> int:
    """Characters of ``wanted`` that ``found`` holds, each counted once."""
    parts = union(found)
    return sum(
        max(0, min(end, last) - max(start, first))
        for document, start, end in union(wanted)
        for other, first, last in parts
        if other == document
    )


def recall(wanted: Sequence[Range], found: Sequence[Range]) -> float:
    """Share of the wanted characters that was found.

    >>> recall([("a", 10, 20)], [("a", 0, 15), ("b", 10, 20)])
    0.5
    """
    return covered(wanted, found) / length(union(wanted))


def precision(wanted: Sequence[Range], found: Sequence[Range]) -> float:
    """Share of the found characters that was wanted; what was found twice is paid twice."""
    return covered(wanted, found) / length(found) if found else 0.0


def intersection_over_union(wanted: Sequence[Range], found: Sequence[Range]) -> float:
    """Wanted and found, over found (repeats counted again) and wanted but not found."""
    both = covered(wanted, found)
    return both / (length(found) + length(union(wanted)) - both)


def precision_omega(wanted: Sequence[Range], chunks: Iterable[Range]) -> float:
    """Precision at full recall if every chunk that touches the wanted text were found, and no other."""
    touching = [chunk for chunk in chunks if covered(wanted, [chunk])]
    return covered(wanted, touching) / length(union([*touching, *wanted]))


def within(found: Iterable[Range], tokens: int, cut: Callable[[Range, int], tuple[Range, int]]) -> list[Range]:
    """The first ``tokens`` tokens of what was found, best first: the range that goes over is cut there.

    ``cut(range, most)`` gives the beginning of a range that has at most ``most`` tokens, and their number.
    """
    context: list[Range] = []
    for one in found:
        if tokens <= 0:
            break
        kept, used = cut(one, tokens)
        context.append(kept)
        tokens -= used
    return context
