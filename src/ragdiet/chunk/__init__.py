from ragdiet.chunk.recursive import RecursiveChunker

__all__ = ["RecursiveChunker"]
