"""Sections within sections, packed into chunks: small ones together, large ones by the sections in them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ragdiet.chunk.atoms import Atoms
from ragdiet.chunk.strongest import strongest_cuts
from ragdiet.types import Span

_DEEPEST = 12
_LEAST_LEAD = 0.125


@dataclass(slots=True)
class Section:
    """Atoms ``begin`` to ``end``; what lies before the first child is the section's own text."""

    begin: int
    end: int
    children: list[Section] = field(default_factory=list)


def section_tree(atoms: int, begins: Sequence[int], levels: Sequence[int]) -> Section:
    """The whole of ``atoms`` as one section. ``begins`` (ascending) have a level each, small ones outermost."""
    ranks = sorted(set(levels))
    root = Section(0, atoms)
    above = [(-1, root)]
    last = -1
    for begin, level in zip(begins, levels, strict=True):
        rank = bisect_left(ranks, level)
        if begin == last or begin >= atoms or rank >= _DEEPEST:
            continue
        last = begin
        while above[-1][0] >= rank:
            above.pop()[1].end = begin
        section = Section(begin, atoms)
        above[-1][1].children.append(section)
        above.append((rank, section))
    return root


def pack(atoms: Atoms, size: int, section: Section, *, small: float, first: int | None = None) -> Iterator[Span]:
    """The section as slices of about ``size`` tokens at most.

    Neighbours under the same parent share a slice where both fit and one of them is smaller than
    ``small``, a share of the size. ``first`` is given where the section takes what lies before it along.
    """
    begun = section.begin if first is None else first
    if atoms.tokens(begun, section.end) <= size:
        yield atoms.span(begun, section.end)
        return
    for child in section.children:
        if begun < child.begin:
            before = atoms.tokens(begun, child.begin)
            smaller = min(before, atoms.tokens(child.begin, child.end))
            is_joined = smaller < small * size and atoms.tokens(begun, child.end) <= size
            is_lead = child is section.children[0] and before < _LEAST_LEAD * size
            if not is_joined and not is_lead:
                yield from strongest_cuts(atoms, size, start=begun, end=child.begin)
                begun = child.begin
        if atoms.tokens(begun, child.end) > size:
            yield from pack(atoms, size, child, small=small, first=begun)
            begun = child.end
    if begun < section.end:
        yield from strongest_cuts(atoms, size, start=begun, end=section.end)


def pack_apart(atoms: Atoms, size: int, section: Section, *, small: float) -> Iterator[Span]:
    """As `pack`, but no slice goes over the border between two children; only a title leads on to the first."""
    begun = section.begin
    for child in section.children:
        is_lead = child is section.children[0] and atoms.tokens(begun, child.begin) < _LEAST_LEAD * size
        if begun < child.begin and not is_lead:
            yield from strongest_cuts(atoms, size, start=begun, end=child.begin)
            begun = child.begin
        yield from pack(atoms, size, child, small=small, first=begun)
        begun = child.end
    if begun < section.end:
        yield from strongest_cuts(atoms, size, start=begun, end=section.end)
