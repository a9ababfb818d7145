"""A document's sentences with their token counts, taken once; what any slice of it counts follows from them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from ragdiet.chunk.fit import fit
from ragdiet.protocols import TokenCounter
from ragdiet.tokens import LONGEST_RUN, adds_up_at_spaces
from ragdiet.types import Span


@dataclass(frozen=True, slots=True)
class Atoms:
    """What chunks are made of as a rule: sentences, and the parts of those longer than a chunk.

    ``cuts`` has the n + 1 offsets where the text is cut for counting: one in each gap between atoms, where
    counts add up if they do anywhere. ``total[i]`` counts the tokens up to ``cuts[i]``. ``apart[i]`` counts
    the cuts up to it at which they may not add up. ``parts`` are the atoms that go on with a sentence.
    """

    text: str
    spans: list[Span]
    gaps: list[str]
    cuts: list[int]
    total: list[int]
    apart: list[int]
    parts: frozenset[int]

    def tokens(self, first: int, end: int) -> int:
        """Of atoms first..end-1 as one slice; a close estimate."""
        return self.total[end] - self.total[first]

    def span(self, first: int, end: int) -> Span:
        """Of atoms first..end-1."""
        return self.spans[first][0], self.spans[end - 1][1]


def atoms_of(text: str, sentences: Sequence[Span], size: int, counter: TokenCounter) -> Atoms:
    """Atoms of at most about ``size`` tokens. ``sentences`` are all that is in the text and not white space."""
    spans = list(sentences)
    gaps = _gaps(text, spans)
    cuts = _cuts(spans, gaps)
    counts = counter.count_batch([text[start:end] for start, end in pairwise(cuts)])
    parts: frozenset[int] = frozenset()
    if max(counts) > size:
        spans, counts, parts = _divided(text, spans, counts, size, counter)
        gaps = _gaps(text, spans)
        cuts = _cuts(spans, gaps)
    is_sum = adds_up_at_spaces(counter)
    unsafe = {gap: not (is_sum and 0 < len(gap) <= LONGEST_RUN) for gap in set(gaps)}
    apart = [unsafe[gap] for gap in gaps]
    for number in parts:
        apart[number] = True
    return Atoms(
        text, spans, gaps, cuts, total=list(accumulate(counts, initial=0)), apart=list(accumulate(apart)), parts=parts
    )


def exact_counts(atoms: Atoms, slices: Sequence[Span], counter: TokenCounter) -> list[int]:
    """Tokens of the slices. Only the ends of a slice are counted again where counts add up within it."""
    text, cuts = atoms.text, atoms.cuts
    texts: list[str] = []
    inner: list[int | None] = []
    for start, end in slices:
        first, last = bisect_right(cuts, start), bisect_left(cuts, end) - 1
        if first < last and atoms.apart[first - 1] == atoms.apart[last]:
            texts += (text[start : cuts[first]], text[cuts[last] : end])
            inner.append(atoms.total[last] - atoms.total[first])
        else:
            texts.append(text[start:end])
            inner.append(None)
    counts = iter(counter.count_batch(texts))
    return [next(counts) if count is None else next(counts) + count + next(counts) for count in inner]


def _gaps(text: str, spans: Sequence[Span]) -> list[str]:
    """What lies before each atom; nothing before the first."""
    return ["", *[text[end:start] for (_, end), (start, _) in pairwise(spans)]]


def _cuts(spans: Sequence[Span], gaps: Sequence[str]) -> list[int]:
    """After the last line break of a gap, else before it: there no token of cl100k goes over the cut."""
    after = {gap: max(gap.rfind("\n"), gap.rfind("\r")) + 1 for gap in set(gaps)}
    inner = [end + after[gap] for (_, end), gap in zip(spans, gaps[1:], strict=False)]
    return [spans[0][0], *inner, spans[-1][1]]


def _divided(
    text: str, spans: Sequence[Span], counts: Sequence[int], size: int, counter: TokenCounter
) -> tuple[list[Span], list[int], frozenset[int]]:
    """The atoms with those of more than ``size`` tokens in parts."""
    long = [number for number, count in enumerate(counts) if count > size]
    fitted = dict(zip(long, fit(text, [spans[number] for number in long], size, counter), strict=True))
    divided: list[tuple[Span, int]] = []
    parts: set[int] = set()
    for number, atom in enumerate(zip(spans, counts, strict=True)):
        own = fitted.get(number, [])
        parts.update(range(len(divided) + 1, len(divided) + len(own)))
        divided += own if len(own) > 1 else [atom]
    return [span for span, _ in divided], [count for _, count in divided], frozenset(parts)
