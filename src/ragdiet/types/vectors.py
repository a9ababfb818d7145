"""Embedding spaces and vectors."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


from ragdiet.types.documents import Rejection

EmbedKind: TypeAlias = Literal["query", "document"]


SpaceState: TypeAlias = Literal["building", "active", "retired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """An embedding space: vectors of one model at one length. ``fusion_weight`` is the dense leg's
    share of the fused score in [0, 1]."""

    name: str
    model: str
    dimensions: int
    fusion_weight: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceStatus:
    """An embedding space of a database: ``chunks`` have a vector in it, ``missing`` have none. Only an ``active`` one
    is searched; a ``retired`` one is gone. ``is_indexed``: its HNSW index is there and valid."""

    name: str
    model: str
    dimensions: int
    state: SpaceState
    chunks: int
    missing: int
    is_indexed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """``vectors``: float32, (n, dimensions), unit length; ``tokens``: billed for them.

    ``sentence_vectors`` is given when sentence spans were: one float32 (spans, dimensions) array a text.
    For late interaction an embedder may give each question's ``token_vectors``, float32, (tokens, token
    dimensions), unit length, and each document's ``token_bits``, the signs of such vectors: bit 1 for a
    number above 0, 8 to a byte, the first one highest, token after token; b"" where they are not known.
    """

    vectors: NDArray[np.float32]
    tokens: int
    sentence_vectors: tuple[NDArray[np.float32], ...] = ()
    token_vectors: tuple[NDArray[np.float32], ...] = ()
    token_bits: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedVectors:
    """What was once embedded of a text: ``vector`` float32, (dimensions,), unit length, the like
    (sentences, dimensions) for its sentences, None where the embedder gave none, and its ``token_bits``."""

    vector: NDArray[np.float32]
    sentence_vectors: NDArray[np.float32] | None = None
    token_bits: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalScore:
    """Means over labelled questions, each in [0, 1]: recall and nDCG of documents among the first hits."""

    recall: float
    ndcg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReembedReport:
    """What became of an embedding space: ``chunks`` got their vector in this run, ``missing`` have none still, and
    ``rejected`` says why.

    ``state`` is "active" when searches may use the space; else ``reason`` says what it waits for. ``before`` and
    ``after`` are the scores of the space used until now and of this one, where labelled questions were given.
    ``tokens`` were embedded for ``cost`` USD. ``dry_run``: nothing was written or spent; the numbers are what would be.
    """

    space: str
    state: SpaceState
    chunks: int
    missing: int
    rejected: tuple[Rejection, ...]
    tokens: int
    seconds: float
    cost: Decimal
    reason: str = ""
    before: RetrievalScore | None = None
    after: RetrievalScore | None = None
    dry_run: bool = False
