"""Amazon Titan Text Embeddings V2 on Bedrock: one text a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragdiet.embed.bedrock import BedrockEmbedder
from ragdiet.embed.form import Form

if TYPE_CHECKING:
    from ragdiet.embed.decode import EmbeddingType
    from ragdiet.types import EmbedKind


def _body(texts: Sequence[str], kind: EmbedKind, dimensions: int, numbers: EmbeddingType) -> dict[str, Any]:
    (text,) = texts
    body: dict[str, Any] = {"inputText": text, "dimensions": dimensions, "normalize": True}
    return body if numbers == "float" else {**body, "embeddingTypes": [numbers]}


def _vectors(reply: Mapping[str, Any], numbers: EmbeddingType) -> Any:
    if numbers == "float":
        return [reply["embedding"]] if "embedding" in reply else None
    by_type = reply.get("embeddingsByType")
    return [by_type[numbers]] if isinstance(by_type, Mapping) and numbers in by_type else None


TITAN_V2 = Form(
    model="amazon.titan-embed-text-v2:0",
    space="titan_v2",
    dimensions=(1024, 512, 256),
    types=("float", "binary"),
    most_characters=50_000,
    most_tokens=8_192,
    body=_body,
    vectors=_vectors,
    tokens=lambda reply: reply.get("inputTextTokenCount"),
)
FORMS: Mapping[str, Form] = {TITAN_V2.model: TITAN_V2}


class TitanEmbedder(BedrockEmbedder):
    """Titan Text Embeddings V2: 1,024, 512 or 256 dimensions. It embeds questions and documents alike:
    ``kind`` changes nothing."""

    forms = FORMS
