"""Chunks as they stand in the text, without the line that tells where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragdiet.types import Chunk, Document

if TYPE_CHECKING:
    from ragdiet.protocols import Chunker


class WithoutContext:
    """Wraps a chunker so that title and headings are neither embedded nor searched with its chunks.

    For collections whose titles say nothing, such as numbers of records.
    """

    def __init__(self, chunker: Chunker) -> None:
        self._chunker = chunker
        self.version = f"{chunker.version}-without-context"

    def chunk(self, document: Document) -> Sequence[Chunk]:
        return tuple(replace(chunk, context="") for chunk in self._chunker.chunk(document))
