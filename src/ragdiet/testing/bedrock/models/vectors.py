"""Embeddings by hashing: a text is the sum of a fixed random vector a word, so texts that share words are near."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ragdiet.testing.bedrock.tokens import words


def text_vector(text: str, dimensions: int, *, kind: str = "", unit: bool = True) -> NDArray[np.float64]:
    """float64, (dimensions,), of unit length if ``unit``. ``kind`` adds a little that tells queries from documents."""
    vector = np.sum([_word_vector(word, dimensions) for word in words(text) or [text]], axis=0)
    if unit:
        vector = vector / np.linalg.norm(vector)
    if kind:
        vector = vector + 0.05 * _word_vector(f"\0{kind}", dimensions) / np.sqrt(dimensions)
        if unit:
            vector = vector / np.linalg.norm(vector)
    return np.asarray(vector, dtype=np.float64)


@lru_cache(maxsize=10_000)
def _word_vector(word: str, dimensions: int) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest())
    return np.random.default_rng(seed).standard_normal(dimensions)
