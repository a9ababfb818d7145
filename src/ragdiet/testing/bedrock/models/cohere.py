"""Cohere Embed v3 and v4 on Bedrock: up to 96 texts a request, for documents or for queries."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ragdiet.testing.bedrock.models.schema import malformed, one_of, require_keys, text_list
from ragdiet.testing.bedrock.models.vectors import text_vector
from ragdiet.testing.bedrock.refusal import invalid
from ragdiet.testing.bedrock.tokens import Tokenizer

MOST_TEXTS = 96
INPUT_TYPES = frozenset({"search_document", "search_query", "classification", "clustering"})
TYPES = ("float", "int8", "uint8", "binary", "ubinary")


@dataclass(frozen=True, slots=True, kw_only=True)
class CohereV3:
    """``cohere.embed-english-v3`` and ``cohere.embed-multilingual-v3``: 1024 dimensions, 2,048 characters a text."""

    tokenizer: Tokenizer = field(default_factory=Tokenizer)

    dimensions: ClassVar[int] = 1024
    most_characters: ClassVar[int] = 2_048
    most_tokens: ClassVar[int] = 512

    def invoke(self, body: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """The reply and its tokens. Refused beyond the model's limits, in Bedrock's words."""
        known = {"texts", "input_type", "truncate", "embedding_types"}
        require_keys(body, known, ("texts", "input_type"))
        kind = one_of(body, "input_type", INPUT_TYPES)
        texts = text_list(body, "texts", most=MOST_TEXTS, characters=self.most_characters)
        truncate = one_of(body, "truncate", ("NONE", "START", "END"), "NONE")
        kept = _truncated(texts, self.tokenizer, self.most_tokens, truncate, keep_end="START")
        return _reply(body, texts, kept, kind, self.dimensions, self.tokenizer)


@dataclass(frozen=True, slots=True, kw_only=True)
class CohereV4:
    """``cohere.embed-v4:0``, for texts: 256 to 1,536 dimensions, 128,000 tokens a text."""

    tokenizer: Tokenizer = field(default_factory=Tokenizer)

    dimensions: ClassVar[tuple[int, ...]] = (256, 512, 1024, 1536)
    most_tokens: ClassVar[int] = 128_000

    def invoke(self, body: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """The reply and its tokens. Refused beyond the model's limits, in Bedrock's words."""
        known = {"texts", "input_type", "truncate", "embedding_types", "output_dimension", "max_tokens"}
        require_keys(body, known, ("texts", "input_type"))
        kind = one_of(body, "input_type", INPUT_TYPES)
        dimensions = one_of(body, "output_dimension", self.dimensions, 1536)
        texts = text_list(body, "texts", most=MOST_TEXTS, characters=None)
        truncate = one_of(body, "truncate", ("NONE", "LEFT", "RIGHT"), "NONE")
        most = one_of(body, "max_tokens", range(1, self.most_tokens + 1), self.most_tokens)
        kept = _truncated(texts, self.tokenizer, most, truncate, keep_end="LEFT")
        return _reply(body, texts, kept, kind, dimensions, self.tokenizer)


def _truncated(texts: Sequence[str], tokenizer: Tokenizer, most: int, truncate: str, *, keep_end: str) -> list[str]:
    if truncate == "NONE":
        if any(tokenizer.count(text) > most for text in texts):
            raise invalid("Input is too long for requested model.")
        return list(texts)
    cut = tokenizer.last if truncate == keep_end else tokenizer.first
    return [cut(text, most) for text in texts]


def _reply(
    body: Mapping[str, Any],
    texts: Sequence[str],
    kept: Sequence[str],
    kind: str,
    dimensions: int,
    tokenizer: Tokenizer,
) -> tuple[dict[str, Any], int]:
    types = body.get("embedding_types")
    if types is not None and (not isinstance(types, list) or not types or set(map(str, types)) - set(TYPES)):
        raise malformed(f"#/embedding_types: {str(types)[:100]} is not a list of {', '.join(TYPES)}")
    vectors = np.stack([text_vector(text, dimensions, kind=kind) for text in kept])
    reply: dict[str, Any] = {"id": str(uuid.uuid4()), "texts": list(texts)}
    if types is None:
        reply |= {"response_type": "embeddings_floats", "embeddings": vectors.tolist()}
    else:
        by_type = {name: _as(vectors, name).tolist() for name in types}
        reply |= {"response_type": "embeddings_by_type", "embeddings": by_type}
    return reply, sum(map(tokenizer.count, kept))


def _as(vectors: NDArray[np.float64], kind: str) -> NDArray[Any]:
    """(n, dim) as one of Cohere's types: bytes are scaled to the largest part, bits are packed eight to a byte."""
    if kind == "float":
        return vectors
    if kind in ("int8", "uint8"):
        scaled: NDArray[np.float64] = np.round(vectors / np.abs(vectors).max() * 127)
        return scaled.astype(np.int8) if kind == "int8" else (scaled + 128).astype(np.uint8)
    bits: NDArray[np.int16] = np.packbits(vectors > 0, axis=1).astype(np.int16)
    # Cohere's signed bits are the unsigned ones less 128.
    return bits.astype(np.uint8) if kind == "ubinary" else (bits - 128).astype(np.int8)
