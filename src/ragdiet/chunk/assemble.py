"""What all chunkers share: slices of a document checked against the size and made into chunks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence

from ragdiet.chunk.atoms import Atoms, atoms_of, exact_counts
from ragdiet.chunk.fit import fit
from ragdiet.chunk.outline import Outline
from ragdiet.errors import InvalidArgument
from ragdiet.protocols import TokenCounter
from ragdiet.sentences import split_sentences
from ragdiet.types import Chunk, Document, Span

_SMALLEST_SIZE = 8


def check_size(size: int, overlap: int = 0) -> None:
    """Raises InvalidArgument for a size or overlap that makes no chunks."""
    if size < _SMALLEST_SIZE:
        raise InvalidArgument(f"size is {size} tokens: give at least {_SMALLEST_SIZE}")
    if not 0 <= overlap <= size // 2:
        raise InvalidArgument(f"overlap is {overlap} tokens: give 0 to {size // 2}, half of the size")


def assemble(
    document: Document, size: int, counter: TokenCounter, cut: Callable[[Atoms, Outline], Iterable[Span]]
) -> tuple[Chunk, ...]:
    """Chunks of the slices that ``cut`` gives, in its order. Slices of more than ``size`` tokens are cut again."""
    text = document.text
    sentences = split_sentences(text)
    if not sentences:
        return ()
    outline = Outline(document, counter)
    atoms = atoms_of(text, sentences, size, counter)
    slices = list(cut(atoms, outline))
    fitting = list(zip(slices, exact_counts(atoms, slices, counter), strict=True))
    if any(tokens > size for _, tokens in fitting):
        fitting = _cut_again(text, fitting, size, counter)
    starts = [start for start, _ in sentences]
    return tuple(
        Chunk(
            ordinal=ordinal,
            text=text[start:end],
            start=start,
            end=end,
            tokens=tokens,
            context=outline.context(start, end),
            sentences=_within(sentences, starts, start, end),
            meta=outline.meta(start),
        )
        for ordinal, ((start, end), tokens) in enumerate(fitting)
    )


def _cut_again(
    text: str, counted: Sequence[tuple[Span, int]], size: int, counter: TokenCounter
) -> list[tuple[Span, int]]:
    """What `cut` goes by are close estimates: the few slices that prove too long are cut until they fit."""
    cut_again = iter(fit(text, [span for span, tokens in counted if tokens > size], size, counter))
    fitting: list[tuple[Span, int]] = []
    last_start = last_end = -1
    for span, tokens in counted:
        for part in next(cut_again) if tokens > size else [(span, tokens)]:
            start, end = part[0]
            if end <= last_end:
                continue  # it holds nothing but what overlaps
            if start <= last_start:  # the overlap would go back beyond the part before
                start = end - len(text[last_end:end].lstrip())
                fitting += fit(text, [(start, end)], size, counter)[0]
            else:
                fitting.append(part)
            last_start, last_end = fitting[-1][0]
    return fitting


def _within(sentences: Sequence[Span], starts: Sequence[int], start: int, end: int) -> tuple[Span, ...]:
    """Sentences, or what the chunk holds of them, relative to the chunk."""
    own = sentences[bisect_right(starts, start) - 1 : bisect_left(starts, end)]
    if own[0][0] == start and own[-1][1] == end:
        return tuple([(first - start, last - start) for first, last in own])
    return tuple([(max(first, start) - start, min(last, end) - start) for first, last in own])
