"""What is to become of a document: what is known of it, and the chunks that stay, come and go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragdiet.types import Chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDocument:
    """What the store holds of a document. ``chunks`` are its (id, hash, has a vector), in order."""

    id: int
    content_hash: bytes
    pipeline: str
    chunks: tuple[tuple[int, bytes, bool], ...] = ()


@dataclass(slots=True, kw_only=True)
class NewChunk:
    """A chunk to write. ``chunk_id`` is set when only its vector is missing."""

    chunk: Chunk
    hash: bytes
    term_counts: Counter[int]
    chunk_id: int | None = None
    vector: NDArray[np.float32] | None = None
    sentence_vectors: NDArray[np.float32] | None = None


@dataclass(slots=True, kw_only=True)
class DocumentChange:
    """A document as it is to be: ``keep`` are the stored chunks that stay, ``new`` those to write.
    Every other chunk of ``known`` goes."""

    external_id: str
    uri: str | None
    title: str | None
    content_hash: bytes
    pipeline: str
    meta: Mapping[str, Any]
    known: KnownDocument | None = None
    keep: list[tuple[int, Chunk]] = field(default_factory=list)
    new: list[NewChunk] = field(default_factory=list)


class StaleChange(Exception):
    """Another writer changed the document since it was read: read it again and plan anew."""
