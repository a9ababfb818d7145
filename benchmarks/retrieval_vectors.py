"""Vectors of passages and questions, made once and looked up from then on.

MiniLM makes about a hundred a second, so large sizes take a faster model: ``wordllama``, static vectors averaged over
a text's word pieces (its weights are in its wheel), or ``words``, the sum of a random direction for each term.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ragdiet import MiniLM
from ragdiet.analysis import analyzer
from ragdiet.types import Embedding, EmbedKind, Space

_BLOCK = 2_000


class _Model(Protocol):
    space: Space

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding: ...


class WordLlamaEmbedder:
    """wordllama's 256 static dimensions."""

    space = Space(name="wordllama_256", model="benchmark:wordllama", dimensions=256, fusion_weight=0.35)

    def __init__(self) -> None:
        try:
            import wordllama
        except ImportError:
            sys.exit("WORDLLAMA ABSENT: nothing was measured. pip install 'ragdiet[bench]', or give --vectors words.")
        logging.getLogger().setLevel(logging.WARNING)  # which its import has set to INFO for everybody
        # Its search for the tokenizer beside its weights misses the folder's name; as a cache folder it is found.
        self._model = wordllama.WordLlama.load(
            dim=256, cache_dir=Path(wordllama.__file__).parent, disable_download=True
        )

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        return Embedding(vectors=self._model.embed(list(texts), norm=True), tokens=0)


class TermEmbedder:
    """The sum of a random direction for each term of the text, the same one for the same term."""

    space = Space(name="terms_128", model="benchmark:terms", dimensions=128, fusion_weight=0.35)

    def __init__(self) -> None:
        self._directions: dict[int, NDArray[np.float32]] = {}

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        vectors = np.stack([self._sum(analyzer().numbers(text) or [0]) for text in texts])
        return Embedding(vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True), tokens=0)

    def _sum(self, terms: Sequence[int]) -> NDArray[np.float32]:
        for term in terms:
            if term not in self._directions:
                drawn = np.random.default_rng(term).standard_normal(self.space.dimensions)
                self._directions[term] = drawn.astype(np.float32)
        return np.sum([self._directions[term] for term in terms], axis=0)


MODELS: dict[str, type[_Model]] = {"minilm": MiniLM, "wordllama": WordLlamaEmbedder, "words": TermEmbedder}


class LookedUp:
    """An embedder that knows its texts beforehand. ``vectors``: float32, (texts, dimensions), unit length."""

    def __init__(self, space: Space, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        self.space = space
        self.vectors = vectors
        self._places = {text: place for place, text in enumerate(texts)}

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        return Embedding(vectors=self.vectors[[self._places[text] for text in texts]], tokens=0)

    def of(self, text: str) -> NDArray[np.float32]:
        return self.vectors[self._places[text]]


def looked_up(model: str, passages: Sequence[str], questions: Sequence[str], cache: Path) -> LookedUp:
    """The vectors of both, out of the cache folder where they have been made before. ``passages`` are distinct."""
    known = set(passages)
    others = [question for question in dict.fromkeys(questions) if question not in known]
    parts = [_vectors(model, texts, cache) for texts in (list(passages), others) if texts]
    return LookedUp(MODELS[model].space, [*passages, *others], np.concatenate(parts))


def _vectors(model: str, texts: Sequence[str], cache: Path) -> NDArray[np.float32]:
    """float32, (texts, dimensions), unit length."""
    digest = hashlib.blake2b("\0".join(texts).encode(), digest_size=8).hexdigest()
    file = cache / f"{model}-{len(texts)}-{digest}.npy"
    if file.exists():
        made: NDArray[np.float32] = np.load(file)
        return made
    embedder = MODELS[model]()
    blocks = []
    for start in range(0, len(texts), _BLOCK):
        blocks.append(embedder.embed(texts[start : start + _BLOCK], kind="document").vectors)
        print(f"  {model}: {min(start + _BLOCK, len(texts)):,} of {len(texts):,} texts embedded", flush=True)
    cache.mkdir(parents=True, exist_ok=True)
    vectors = np.concatenate(blocks)
    np.save(file, vectors)
    return vectors
