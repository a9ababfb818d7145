"""Cohere's embedding models on Bedrock: up to 96 texts a request; questions are embedded differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragdiet.embed.bedrock import BedrockEmbedder
from ragdiet.embed.form import Form

if TYPE_CHECKING:
    from ragdiet.embed.decode import EmbeddingType
    from ragdiet.types import EmbedKind

_INPUT = {"document": "search_document", "query": "search_query"}


def _body(texts: Sequence[str], kind: EmbedKind, dimensions: int, numbers: EmbeddingType) -> dict[str, Any]:
    return {
        "texts": list(texts),
        "input_type": _INPUT[kind],
        "truncate": "NONE",  # a text that is too long is to be refused, not cut
        "embedding_types": [numbers],
    }


def _body_v4(texts: Sequence[str], kind: EmbedKind, dimensions: int, numbers: EmbeddingType) -> dict[str, Any]:
    return {**_body(texts, kind, dimensions, numbers), "output_dimension": dimensions}


def _vectors(reply: Mapping[str, Any], numbers: EmbeddingType) -> Any:
    found = reply.get("embeddings")
    return found.get(numbers) if isinstance(found, Mapping) else found


_V3: dict[str, Any] = {
    "dimensions": (1024,),
    "types": ("float", "int8", "uint8", "binary", "ubinary"),
    "texts": 96,
    "most_characters": 2_048,
    "most_tokens": 2_048,  # the model's own limit of 512 is not in our tokens: what it refuses is halved
    # A chunker counts tokens, and the characters of a chunk of 256 tokens can be more than this model takes.
    "most_parts": 8,
    "body": _body,
    "vectors": _vectors,
}
ENGLISH_V3 = Form(model="cohere.embed-english-v3", space="cohere_english_v3", **_V3)
MULTILINGUAL_V3 = Form(model="cohere.embed-multilingual-v3", space="cohere_multilingual_v3", **_V3)
V4 = Form(
    model="cohere.embed-v4:0",
    space="cohere_v4",
    dimensions=(1536, 1024, 512, 256),
    types=("float", "int8", "uint8", "binary", "ubinary"),
    texts=96,
    most_characters=1_000_000,
    most_tokens=128_000,
    most_request_tokens=128_000,
    body=_body_v4,
    vectors=_vectors,
)
FORMS: Mapping[str, Form] = {
    **{f"{profile}{V4.model}": V4 for profile in ("", "us.", "eu.", "apac.", "global.")},
    ENGLISH_V3.model: ENGLISH_V3,
    MULTILINGUAL_V3.model: MULTILINGUAL_V3,
}


class CohereEmbedder(BedrockEmbedder):
    """Cohere Embed v3, English or multilingual, or v4. As a ``kind`` of "query" a text is embedded to be asked with.

    v3 has 1,024 dimensions, v4 has 1,536, 1,024, 512 or 256. v3 takes 2,048 characters a text: one of up to
    eight times as many is embedded in parts. An inference profile such as ``us.cohere.embed-v4:0`` fills the same
    space as the model.
    """

    forms = FORMS
