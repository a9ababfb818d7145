"""The vectors of new chunks; a chunk whose vector is no use costs its document, not the whole run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ragdiet.errors import BadReply, DimensionMismatch
from ragdiet.protocols import SentenceEmbedder
from ragdiet.store import NewChunk
from ragdiet.types import Chunk, Embedding, Span

if TYPE_CHECKING:
    from ragdiet.protocols import Embedder

_ENOUGH_FAILURES = 8
_ASKED_FOR = 1_024  # texts at a time: their vectors are in full precision until they are filled in


@dataclass(slots=True)
class Embedded:
    """``tokens`` embedded, and why each chunk without a vector has none, by its place."""

    tokens: int = 0
    failed: dict[int, BadReply] = field(default_factory=dict)


class ChunkEmbedder:
    """Fills in the vectors of chunks.

    Texts that come back with the wrong count, NaN or zero vectors are asked for again by halves, until
    those at fault stand alone. An embedder that fails on its first ``_ENOUGH_FAILURES`` single texts
    without one success is not asked again.

    With ``token_model`` chunks get the token bits of that model: where it is the embedder too, from the pass
    that gave their vectors, else from a pass of its own.
    """

    def __init__(self, embedder: Embedder, token_model: Embedder | None = None) -> None:
        self._embedder = embedder
        self._token_model = token_model
        self._gives_bits = token_model is not None and token_model.space.model == embedder.space.model
        self._failures = 0
        self._has_succeeded = False

    def fill(self, new: Sequence[NewChunk]) -> Embedded:
        """Set ``vector`` and ``sentence_vectors`` of each chunk that gets them."""
        done = Embedded()
        starts = range(0, len(new), _ASKED_FOR)
        pending = [(start, min(start + _ASKED_FOR, len(new))) for start in reversed(starts)]
        while pending:
            start, end = pending.pop()
            if not self._has_succeeded and self._failures >= _ENOUGH_FAILURES:
                done.failed.update((place, self._broken()) for place in range(start, end))
                continue
            try:
                embedding = self._embed(new[start:end])
            except BadReply as error:
                if end - start == 1:
                    done.failed[start] = error
                    self._failures += 1
                else:
                    middle = (start + end) // 2
                    pending += [(middle, end), (start, middle)]
                continue
            self._has_succeeded = True
            done.tokens += embedding.tokens
            for place, chunk in enumerate(new[start:end]):
                chunk.vector = embedding.vectors[place]
                if embedding.sentence_vectors:
                    # As they are stored: those of a large document would fill the memory.
                    chunk.sentence_vectors = embedding.sentence_vectors[place].astype(np.float16)
                if self._gives_bits and embedding.token_bits:
                    chunk.token_bits = embedding.token_bits[place]
            self._fill_bits(new[start:end])
        return done

    def _fill_bits(self, embedded: Sequence[NewChunk]) -> None:
        if self._token_model is None:
            return
        lacking = [chunk for chunk in embedded if not chunk.token_bits]
        bits = token_bits(self._token_model, [chunk.chunk.indexed_text for chunk in lacking])
        for chunk, own in zip(lacking, bits, strict=True):
            chunk.token_bits = own

    def _broken(self) -> BadReply:
        return BadReply(
            f"the embedder gave nothing usable for {self._failures} texts one by one, so it was not asked for this "
            "one: mend it, then ingest again"
        )

    def _embed(self, new: Sequence[NewChunk]) -> Embedding:
        texts = [chunk.chunk.indexed_text for chunk in new]
        if isinstance(self._embedder, SentenceEmbedder):
            embedding = self._embedder.embed_sentences(texts, [indexed_spans(chunk.chunk) for chunk in new])
        else:
            embedding = self._embedder.embed(texts, kind="document")
        self._check(embedding, new)
        return embedding

    def _check(self, embedding: Embedding, new: Sequence[NewChunk]) -> None:
        vectors = embedding.vectors
        if len(vectors) != len(new):
            raise BadReply(f"the embedder returned {len(vectors)} vectors for {len(new)} texts: it was not written")
        space = self._embedder.space
        if vectors.shape[1:] != (space.dimensions,):
            raise DimensionMismatch(
                f"vectors of shape {vectors.shape[1:]} do not fit space {space.name!r} of {space.dimensions} "
                "dimensions: the embedder returns another length than its space declares",
                expected=space.dimensions,
                actual=vectors.size // max(1, len(vectors)),
            )
        lengths = np.linalg.norm(vectors, axis=1)
        if not np.isfinite(lengths).all() or (lengths == 0).any():
            raise BadReply("the embedder returned NaN or a zero vector for its text: it was not written")
        for chunk, sentences in zip(new, embedding.sentence_vectors, strict=False):
            if sentences.shape != (len(chunk.chunk.sentences), space.dimensions) or not np.isfinite(sentences).all():
                raise BadReply("the embedder returned unusable vectors for its sentences: it was not written")


def token_bits(model: Embedder, texts: Sequence[str]) -> tuple[bytes, ...]:
    """The token bits of each text, b"" where it has no tokens. Raises BadReply of a model that gives none."""
    if not texts:
        return ()
    bits = model.embed(texts, kind="document").token_bits
    if len(bits) != len(texts):
        raise BadReply(f"{model.space.model} gave the token bits of {len(bits)} texts out of {len(texts)}")
    return bits


def indexed_spans(chunk: Chunk) -> list[Span]:
    """Sentence spans within ``chunk.indexed_text``."""
    shift = len(chunk.indexed_text) - len(chunk.text)
    return [(start + shift, end + shift) for start, end in chunk.sentences]
