from ragdiet.retrieve.hybrid import HybridRetriever
from ragdiet.retrieve.rewrite import rewritten

__all__ = ["HybridRetriever", "rewritten"]
