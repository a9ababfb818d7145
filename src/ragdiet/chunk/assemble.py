"""What all chunkers share: slices of a document checked against the size and made into chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ragdiet.chunk.atoms import Atoms, atoms_of, exact_counts
from ragdiet.chunk.fit import fit
from ragdiet.chunk.outline import Outline
from ragdiet.errors import InvalidArgument
from ragdiet.protocols import TokenCounter
from ragdiet.types import Chunk, Document, Span

_SMALLEST_SIZE = 8


def check_size(size: int, overlap: int = 0) -> None:
    """Raises InvalidArgument for a size or overlap that makes no chunks."""
    if size < _SMALLEST_SIZE:
        raise InvalidArgument(f"size is {size} tokens: give at least {_SMALLEST_SIZE}")
    if not 0 <= overlap <= size // 2:
        raise InvalidArgument(f"overlap is {overlap} tokens: give 0 to {size // 2}, half of the size")


def _headings(text: str, outline: Outline) -> tuple[Sequence[int], Sequence[int]]:
    return outline.lines(text), outline.offsets


def assemble(
    document: Document,
    size: int,
    counter: TokenCounter,
    cut: Callable[[Atoms, Outline], Iterable[Span]],
    begins: Callable[[str, Outline], tuple[Sequence[int], Sequence[int]]] = _headings,
) -> tuple[Chunk, ...]:
    """Chunks of the slices that ``cut`` gives, in its order.

    ``begins`` gives the offsets where an atom must begin, and those of them where a section does. Sentences
    are not looked for here.
    """
    text = document.text
    if not text or text.isspace():
        return ()
    outline = Outline(document, counter)
    atoms = atoms_of(text, *begins(text, outline), size, counter)
    slices = list(cut(atoms, outline))
    return chunks_of(document, outline, list(zip(slices, exact_counts(atoms, slices), strict=True)), size, counter)


def chunks_of(
    document: Document, outline: Outline, counted: Sequence[tuple[Span, int]], size: int, counter: TokenCounter
) -> tuple[Chunk, ...]:
    """Chunks of slices with their exact counts, those of more than ``size`` tokens cut again."""
    text = document.text
    if any(tokens > size for _, tokens in counted):
        counted = _cut_again(text, counted, size, counter)
    return tuple(
        Chunk(
            ordinal=ordinal,
            text=text[start:end],
            start=start,
            end=end,
            tokens=tokens,
            context=outline.context(start, end),
            meta=outline.meta(start),
        )
        for ordinal, ((start, end), tokens) in enumerate(counted)
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
