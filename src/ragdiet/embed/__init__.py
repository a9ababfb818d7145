from ragdiet.embed.cached import cached_embedder, text_hash
from ragdiet.embed.minilm import MiniLM
from ragdiet.embed.titan import TitanEmbedder

__all__ = ["MiniLM", "TitanEmbedder", "cached_embedder", "text_hash"]
