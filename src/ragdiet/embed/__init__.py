from ragdiet.embed.minilm import MiniLM
from ragdiet.embed.titan import TitanEmbedder

__all__ = ["MiniLM", "TitanEmbedder"]
