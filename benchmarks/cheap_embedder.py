"""An embedder whose cost can be neglected, for measurements of everything but the embedding."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from ragdiet.types import Embedding, EmbedKind, Space


class DigestEmbedder:
    """A text's vector is its SHAKE-128 digest, one signed byte a dimension, of unit length.

    Different texts get directions as good as random, the hardest case for an HNSW index; the same text
    always gets the same one. ``texts`` counts what was embedded, ``tokens`` are blank-separated words.
    """

    def __init__(self, dimensions: int = 64) -> None:
        self.space = Space(name=f"digest_{dimensions}", model="benchmark:shake-128", dimensions=dimensions)
        self.texts = 0

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        self.texts += len(texts)
        size = self.space.dimensions
        digests = b"".join(hashlib.shake_128(text.encode()).digest(size) for text in texts)
        vectors = np.frombuffer(digests, np.int8).reshape(len(texts), size).astype(np.float32)
        vectors += 0.5  # no byte is 0 then, so no vector is
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embedding(vectors=vectors, tokens=sum(len(text.split()) for text in texts))
