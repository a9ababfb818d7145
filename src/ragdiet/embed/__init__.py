from ragdiet.embed.bedrock import BedrockEmbedder
from ragdiet.embed.cached import cached_embedder, text_hash
from ragdiet.embed.cohere import CohereEmbedder
from ragdiet.embed.minilm import MiniLM
from ragdiet.embed.models import bedrock_embedder
from ragdiet.embed.nova import NovaEmbedder
from ragdiet.embed.openai import OpenAIEmbedder
from ragdiet.embed.titan import TitanEmbedder

__all__ = [
    "BedrockEmbedder",
    "CohereEmbedder",
    "MiniLM",
    "NovaEmbedder",
    "OpenAIEmbedder",
    "TitanEmbedder",
    "bedrock_embedder",
    "cached_embedder",
    "text_hash",
]
