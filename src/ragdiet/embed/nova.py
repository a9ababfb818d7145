"""Amazon Nova Multimodal Embeddings on Bedrock, for texts: one a request; questions are embedded differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragdiet.embed.bedrock import BedrockEmbedder
from ragdiet.embed.form import Form

if TYPE_CHECKING:
    from ragdiet.embed.decode import EmbeddingType
    from ragdiet.types import EmbedKind

_PURPOSE = {"document": "GENERIC_INDEX", "query": "TEXT_RETRIEVAL"}


def _body(texts: Sequence[str], kind: EmbedKind, dimensions: int, numbers: EmbeddingType) -> dict[str, Any]:
    (text,) = texts
    return {
        "taskType": "SINGLE_EMBEDDING",
        "singleEmbeddingParams": {
            "embeddingPurpose": _PURPOSE[kind],
            "embeddingDimension": dimensions,
            "text": {"truncationMode": "NONE", "value": text},
        },
    }


def _vectors(reply: Mapping[str, Any], numbers: EmbeddingType) -> Any:
    found = reply.get("embeddings")
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        return None
    return [each.get("embedding") for each in found]


NOVA_2 = Form(
    model="amazon.nova-2-multimodal-embeddings-v1:0",
    space="nova_2",
    dimensions=(1024, 3072, 384, 256),
    types=("float",),
    most_characters=50_000,
    most_tokens=8_192,
    body=_body,
    vectors=_vectors,
    tokens=lambda reply: reply.get("inputTokenCount"),
)
FORMS: Mapping[str, Form] = {NOVA_2.model: NOVA_2}


class NovaEmbedder(BedrockEmbedder):
    """Amazon Nova 2 Multimodal Embeddings: 1,024, 3,072, 384 or 256 dimensions. A "document" is embedded to be
    stored (GENERIC_INDEX), a "query" to find texts (TEXT_RETRIEVAL)."""

    forms = FORMS
