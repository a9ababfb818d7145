"""Embedders that need no weights: real vectors of words, and ones that misbehave."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ragdiet.analysis import analyzer
from ragdiet.types import Embedding, EmbedKind, Space, Span


@cache
def _direction(term: str, dimensions: int) -> NDArray[np.float32]:
    seed = int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest())
    return np.random.default_rng(seed).standard_normal(dimensions).astype(np.float32)


class WordEmbedder:
    """A text's vector is the sum of a random direction for each of its stems, so shared words bring texts near."""

    def __init__(self, dimensions: int = 64, name: str = "words_64") -> None:
        self.space = Space(name=name, model="test:words", dimensions=dimensions)
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        self.texts += texts
        vectors = np.stack([self._vector(text) for text in texts])
        return Embedding(vectors=vectors, tokens=sum(len(text.split()) for text in texts))

    def _vector(self, text: str) -> NDArray[np.float32]:
        vector = np.full(self.space.dimensions, 1e-3, np.float32)
        for term in analyzer().terms(text):
            vector += _direction(term, self.space.dimensions)
        return vector / np.linalg.norm(vector)


class SpoiltEmbedder(WordEmbedder):
    """Does to its vectors whatever ``spoil`` does."""

    def __init__(self, spoil: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> None:
        super().__init__()
        self._spoil = spoil

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        embedding = super().embed(texts, kind=kind)
        return Embedding(vectors=self._spoil(embedding.vectors), tokens=embedding.tokens)


class SentenceWordEmbedder(WordEmbedder):
    """Gives sentence vectors as well."""

    def embed_sentences(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> Embedding:
        whole = self.embed(texts, kind="document")
        sentences = tuple(
            np.stack([self._vector(text[start:end]) for start, end in own]) if own else np.zeros((0, 64), np.float32)
            for text, own in zip(texts, spans, strict=True)
        )
        return Embedding(vectors=whole.vectors, tokens=whole.tokens, sentence_vectors=sentences)
