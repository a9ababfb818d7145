"""Chunks by the sections of a document: what stands under one heading stays together."""

from __future__ import annotations

from collections.abc import Iterator

from ragdiet.chunk.assemble import assemble, check_size
from ragdiet.chunk.atoms import Atoms
from ragdiet.chunk.outline import Outline
from ragdiet.chunk.sections import pack_apart, section_tree
from ragdiet.protocols import TokenCounter
from ragdiet.tokens import default_counter
from ragdiet.types import Chunk, Document, Span

_SMALL = 0.25


class StructureChunker:
    """Cuts a document into its sections, as ``meta["headings"]`` has them, of at most ``size`` tokens.

    A section smaller than a quarter of the size shares a chunk with its neighbour under the same heading;
    one that is too large is cut into those within it, and without any as `RecursiveChunker` does. No
    chunk holds text of two outermost sections.
    """

    def __init__(self, size: int = 256, counter: TokenCounter | None = None) -> None:
        check_size(size)
        self._size = size
        self._counter = counter or default_counter()
        self.version = f"structure-{size}-{self._counter.name}-v3"

    def chunk(self, document: Document) -> tuple[Chunk, ...]:
        """Chunks in the order of the text; together they hold all of it but white space."""
        return assemble(document, self._size, self._counter, self._slices)

    def _slices(self, atoms: Atoms, outline: Outline) -> Iterator[Span]:
        whole = section_tree(len(atoms.spans), atoms.at(outline.offsets), outline.levels)
        if len(whole.children) == 1:  # the title of the whole: its sections are the outermost
            (title,) = whole.children
            title.begin = 0
            whole = title
        return pack_apart(atoms, self._size, whole, small=_SMALL)
