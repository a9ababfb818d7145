"""Stretches of text cut into parts that fit a number of tokens, at the most natural place that is near."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil

from ragdiet.errors import InvalidArgument
from ragdiet.protocols import TokenCounter
from ragdiet.types import Span

_BREAKS = tuple(map(re.compile, (r"\n\s*?\n", r"\n", r"[.!?]\s|[。！？]", r"[,;:)\]}—–]\s|[、，；：]", r"\s")))


def fit(text: str, spans: Sequence[Span], size: int, counter: TokenCounter) -> list[list[tuple[Span, int]]]:
    """For each span its parts with their exact token counts: the span itself where it has at most ``size``."""
    fitted: list[list[tuple[Span, int]]] = [[] for _ in spans]
    pending = list(enumerate(spans))
    while pending:
        counts = counter.count_batch([text[start:end] for _, (start, end) in pending])
        too_long: list[tuple[int, Span]] = []
        for (number, span), count in zip(pending, counts, strict=True):
            if count <= size:
                fitted[number].append((span, count))
            else:
                too_long += ((number, part) for part in _parts(text, span, ceil(1.1 * count / size)))
        pending = too_long
    return [sorted(parts) for parts in fitted]


def _parts(text: str, span: Span, number: int) -> Iterator[Span]:
    """The span in about ``number`` (at least 2) stripped parts of like length."""
    start, end = span
    if end - start == 1:
        raise InvalidArgument(
            f"the token counter gives one character {text[start]!r} more tokens than a chunk may have: raise the size"
        )
    number = min(max(2, number), end - start)
    width = (end - start) / number
    cuts = [_break_near(text, start + width * part, width / 4) for part in range(1, number)]
    for left, right in pairwise((start, *cuts, end)):
        part = text[left:right]
        if stripped := part.strip():
            first = left + part.index(stripped[0])
            yield first, first + len(stripped)


def _break_near(text: str, target: float, reach: float) -> int:
    low, high = ceil(target - reach), int(target + reach)
    for pattern in _BREAKS:
        if ends := [match.end() for match in pattern.finditer(text, low, high)]:
            return min(ends, key=lambda end: abs(end - target))
    cut = int(target)
    while cut > low and unicodedata.category(text[cut]).startswith("M"):
        cut -= 1  # an accent or vowel sign stays with its letter
    return cut
