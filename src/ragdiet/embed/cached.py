"""An embedder that never embeds a text twice: what the store holds of a text is not asked for again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ragdiet.errors import BadReply, StoreError
from ragdiet.protocols import PricedEmbedder, SentenceEmbedder
from ragdiet.types import CachedVectors, Embedding, Quote

if TYPE_CHECKING:
    from ragdiet.protocols import Embedder, VectorCache
    from ragdiet.types import EmbedKind, Span

_SLICE = 128
"""Texts embedded at a time, or as many as keep the embedder's requests full (``texts_at_once``): what is lost of them
when one fails."""

_Found: TypeAlias = dict[bytes, CachedVectors]


def text_hash(text: str) -> bytes:
    """The key of a text: BLAKE2b (RFC 7693), 16 bytes."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


class CachedEmbedder:
    """Wraps any embedder. Questions pass through; of documents only texts that ``cache`` lacks are embedded.

    ``tokens`` of what it returns are those that were embedded. When the embedder fails half-way, what it
    gave until then is put into ``cache``, so that the next run goes on from there.
    """

    def __init__(self, embedder: Embedder, cache: VectorCache) -> None:
        self.space = embedder.space
        self._embedder = embedder
        self._cache = cache
        self._slice = max(_SLICE, getattr(embedder, "texts_at_once", 0))

    def quote_texts(self, texts: Sequence[str]) -> Quote:
        """What embedding these would cost, USD, if none of them is cached. Work on this machine is free."""
        if isinstance(self._embedder, PricedEmbedder):
            return self._embedder.quote_texts(texts)
        return Quote(least=Decimal(0), expected=Decimal(0), most=Decimal(0))

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        if kind == "query":
            return self._embedder.embed(texts, kind=kind)
        hashes = [text_hash(text) for text in texts]
        found = dict(self._cache.get(hashes)) if texts else {}
        tokens = self._add_missing(
            hashes, found, lambda rows: self._embedder.embed([texts[row] for row in rows], kind=kind)
        )
        return Embedding(vectors=self._stacked(hashes, found), tokens=tokens, token_bits=_token_bits(hashes, found))

    def _add_missing(self, hashes: Sequence[bytes], found: _Found, embed: Callable[[list[int]], Embedding]) -> int:
        """Embed the rows whose hash is not ``found`` and add them to it; returns the tokens embedded."""
        missing = list({digest: row for row, digest in enumerate(hashes) if digest not in found}.values())
        fresh: _Found = {}
        tokens = 0
        try:
            for first in range(0, len(missing), self._slice):
                rows = missing[first : first + self._slice]
                embedding = embed(rows)
                _check_count(embedding, len(rows))
                tokens += embedding.tokens
                for place, row in enumerate(rows):
                    fresh[hashes[row]] = CachedVectors(
                        vector=embedding.vectors[place],
                        sentence_vectors=embedding.sentence_vectors[place] if embedding.sentence_vectors else None,
                        token_bits=embedding.token_bits[place] if embedding.token_bits else b"",
                    )
        except BaseException as error:
            try:
                self._cache.put({digest: each for digest, each in fresh.items() if _is_usable(each)})
            except StoreError as lost:
                error.add_note(f"The vectors of {len(fresh)} texts that were embedded before could not be kept: {lost}")
            raise
        found.update(fresh)
        return tokens

    def _stacked(self, hashes: Sequence[bytes], found: _Found) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        if not hashes:
            return np.zeros((0, self.space.dimensions), np.float32)
        return np.stack([found[digest].vector for digest in hashes])


class CachedSentenceEmbedder(CachedEmbedder):
    """The same for an embedder that gives sentence vectors too."""

    def __init__(self, embedder: SentenceEmbedder, cache: VectorCache) -> None:
        super().__init__(embedder, cache)
        self._sentences = embedder

    def embed_sentences(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> Embedding:
        hashes = [text_hash(text) for text in texts]
        sentences = dict(zip(hashes, map(len, spans), strict=True))
        # A text that was cut into other sentences then must be read again.
        found = {
            digest: each
            for digest, each in (self._cache.get(hashes) if texts else {}).items()
            if (0 if each.sentence_vectors is None else len(each.sentence_vectors)) == sentences[digest]
        }
        tokens = self._add_missing(
            hashes,
            found,
            lambda rows: self._sentences.embed_sentences([texts[row] for row in rows], [spans[row] for row in rows]),
        )
        empty = np.zeros((0, self.space.dimensions), np.float32)
        parts = tuple(empty if (part := found[digest].sentence_vectors) is None else part for digest in hashes)
        return Embedding(
            vectors=self._stacked(hashes, found),
            tokens=tokens,
            sentence_vectors=parts,
            token_bits=_token_bits(hashes, found),
        )


def cached_embedder(embedder: Embedder, cache: VectorCache) -> Embedder:
    """``embedder`` with a cache before it, and with sentence vectors if it gives them."""
    if isinstance(embedder, SentenceEmbedder):
        return CachedSentenceEmbedder(embedder, cache)
    return CachedEmbedder(embedder, cache)


def _token_bits(hashes: Sequence[bytes], found: _Found) -> tuple[bytes, ...]:
    return tuple(found[digest].token_bits for digest in hashes)


def _check_count(embedding: Embedding, expected: int) -> None:
    if len(embedding.vectors) != expected:
        raise BadReply(
            f"the embedder returned {len(embedding.vectors)} vectors for {expected} texts: it is broken, or cuts "
            "off what it is given"
        )


def _is_usable(cached: CachedVectors) -> bool:
    parts = [cached.vector] if cached.sentence_vectors is None else [cached.vector, *cached.sentence_vectors]
    return all(np.isfinite(part).all() and part.any() for part in parts)
