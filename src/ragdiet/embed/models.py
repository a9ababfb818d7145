"""Which embedder speaks to which model on Bedrock, by exact model id."""

from __future__ import annotations

from collections.abc import Mapping

from ragdiet.embed.bedrock import BedrockEmbedder
from ragdiet.embed.cohere import CohereEmbedder
from ragdiet.embed.nova import NovaEmbedder
from ragdiet.embed.titan import TitanEmbedder
from ragdiet.errors import UnknownModel

BEDROCK: Mapping[str, type[BedrockEmbedder]] = {
    model: kind for kind in (TitanEmbedder, CohereEmbedder, NovaEmbedder) for model in kind.forms
}


def bedrock_embedder(model: str) -> type[BedrockEmbedder]:
    """The embedder for a model id or inference profile. Raises UnknownModel.

    >>> bedrock_embedder("us.cohere.embed-v4:0").__name__
    'CohereEmbedder'
    """
    if model not in BEDROCK:
        raise UnknownModel(f"no embedding model {model!r} on Bedrock is known: give one of {', '.join(BEDROCK)}")
    return BEDROCK[model]
