"""What is to become of a document: what is known of it, and the chunks that stay, come and go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragdiet.types import Chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownChunk:
    """A stored chunk: ``hash`` is that of its context and text, ``embedded`` whether it has a vector."""

    id: int
    hash: bytes
    embedded: bool
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDocument:
    """What the store holds of a document. ``chunks`` are in order."""

    id: int
    external_id: str
    uri: str | None
    content_hash: bytes
    pipeline: str
    source_hash: bytes | None = None
    expires_at: datetime | None = None
    chunks: tuple[KnownChunk, ...] = ()


@dataclass(slots=True, kw_only=True)
class NewChunk:
    """A chunk to write. ``terms`` are its term numbers in the order of the text, int32, with repeats.

    ``chunk_id`` is set when the chunk is stored already and lacks one thing: its vector, or (in
    ``DocumentChange.renamed``) the terms of its new context line.
    """

    chunk: Chunk
    hash: bytes
    terms: NDArray[np.int32]
    chunk_id: int | None = None
    vector: NDArray[np.float32] | None = None
    sentence_vectors: NDArray[np.float16] | None = None
    token_bits: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerprintRow:
    """What tells whether another document is a copy of this one; see the table of that name."""

    text_hash: bytes
    meta_hash: bytes
    signature: bytes
    facts: bytes
    bands: tuple[int, ...]
    edges: tuple[int, ...]


@dataclass(slots=True, kw_only=True)
class DocumentChange:
    """A document as it is to be: ``keep`` are the stored chunks that stay as they are, ``renamed`` those
    that stay but for their context line, ``new`` those to write. Every other chunk of ``known`` goes.

    ``known.external_id`` differs from ``external_id`` where the document was renamed.
    """

    external_id: str
    uri: str | None
    title: str | None
    content_hash: bytes
    pipeline: str
    meta: Mapping[str, Any]
    source_hash: bytes | None = None
    expires_at: datetime | None = None
    fingerprint: FingerprintRow | None = None
    known: KnownDocument | None = None
    keep: list[tuple[int, Chunk]] = field(default_factory=list)
    renamed: list[NewChunk] = field(default_factory=list)
    new: list[NewChunk] = field(default_factory=list)


class StaleChange(Exception):
    """Another writer changed the document since it was read: read it again and plan anew."""
