from ragdiet.chunk.code import CodeChunker
from ragdiet.chunk.context import WithoutContext
from ragdiet.chunk.fixed import FixedChunker
from ragdiet.chunk.recursive import RecursiveChunker
from ragdiet.chunk.structure import StructureChunker

__all__ = ["CodeChunker", "FixedChunker", "RecursiveChunker", "StructureChunker", "WithoutContext"]
