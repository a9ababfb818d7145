"""ragdiet: answers from your documents for the least money that keeps the answer right.

>>> from ragdiet import RAG, Document
>>> rag = RAG.local(".ragdiet")                         # doctest: +SKIP
>>> rag.ingest("handbook/")                             # doctest: +SKIP
>>> rag.ask("How long is the notice period?").text      # doctest: +SKIP

Names load the modules behind them when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragdiet.account import MemoryLedger, PriceBook, SpendingBudget
    from ragdiet.aio import AsyncRAG
    from ragdiet.answers import AnswerCache
    from ragdiet.bedrock import BedrockClient
    from ragdiet.chunk import CodeChunker, FixedChunker, RecursiveChunker, StructureChunker, WithoutContext
    from ragdiet.diet import SentenceDiet, compress
    from ragdiet.embed import CohereEmbedder, MiniLM, NovaEmbedder, OpenAIEmbedder, TitanEmbedder
    from ragdiet.errors import RagdietError
    from ragdiet.fallback import Chain, Research, SafeReply, Search, Step, cited, confident
    from ragdiet.filters import F
    from ragdiet.generate import (
        ConverseGenerator,
        ConverseGuardrail,
        ExtractiveReader,
        LlamaGenerator,
        OpenAIGenerator,
    )
    from ragdiet.guard import BedrockGuardrail, BedrockGuardrailChecks
    from ragdiet.openai import GpuHour, OpenAIClient
    from ragdiet.quality import Quality
    from ragdiet.rag import RAG
    from ragdiet.retrieve import BedrockReranker, HybridRetriever
    from ragdiet.store import Database
    from ragdiet.types import (
        Answer,
        Attempt,
        Chunk,
        Citation,
        Context,
        Document,
        Example,
        Generation,
        Hit,
        IngestReport,
        Quote,
        Rejection,
        Replaced,
        Sentence,
        Turn,
    )

_HOMES = {
    "RAG": "rag",
    "AsyncRAG": "aio",
    "Answer": "types",
    "AnswerCache": "answers",
    "Attempt": "types",
    "BedrockClient": "bedrock",
    "BedrockGuardrail": "guard",
    "BedrockGuardrailChecks": "guard",
    "BedrockReranker": "retrieve",
    "Chain": "fallback",
    "Chunk": "types",
    "Citation": "types",
    "CodeChunker": "chunk",
    "CohereEmbedder": "embed",
    "Context": "types",
    "ConverseGenerator": "generate",
    "ConverseGuardrail": "generate",
    "Database": "store",
    "Document": "types",
    "Example": "types",
    "ExtractiveReader": "generate",
    "F": "filters",
    "FixedChunker": "chunk",
    "Generation": "types",
    "GpuHour": "openai",
    "Hit": "types",
    "HybridRetriever": "retrieve",
    "IngestReport": "types",
    "LlamaGenerator": "generate",
    "MemoryLedger": "account",
    "MiniLM": "embed",
    "NovaEmbedder": "embed",
    "OpenAIClient": "openai",
    "OpenAIEmbedder": "embed",
    "OpenAIGenerator": "generate",
    "PriceBook": "account",
    "Quality": "quality",
    "Quote": "types",
    "RagdietError": "errors",
    "RecursiveChunker": "chunk",
    "Rejection": "types",
    "Replaced": "types",
    "Research": "fallback",
    "SafeReply": "fallback",
    "Search": "fallback",
    "Sentence": "types",
    "SentenceDiet": "diet",
    "SpendingBudget": "account",
    "Step": "fallback",
    "StructureChunker": "chunk",
    "TitanEmbedder": "embed",
    "Turn": "types",
    "WithoutContext": "chunk",
    "cited": "fallback",
    "compress": "diet",
    "confident": "fallback",
}

__all__ = [  # noqa: RUF022 - the two doors first
    "RAG",
    "AsyncRAG",
    "Answer",
    "AnswerCache",
    "Attempt",
    "BedrockClient",
    "BedrockGuardrail",
    "BedrockGuardrailChecks",
    "BedrockReranker",
    "Chain",
    "Chunk",
    "Citation",
    "CodeChunker",
    "CohereEmbedder",
    "Context",
    "ConverseGenerator",
    "ConverseGuardrail",
    "Database",
    "Document",
    "Example",
    "ExtractiveReader",
    "F",
    "FixedChunker",
    "Generation",
    "GpuHour",
    "Hit",
    "HybridRetriever",
    "IngestReport",
    "LlamaGenerator",
    "MemoryLedger",
    "MiniLM",
    "NovaEmbedder",
    "OpenAIClient",
    "OpenAIEmbedder",
    "OpenAIGenerator",
    "PriceBook",
    "Quality",
    "Quote",
    "RagdietError",
    "RecursiveChunker",
    "Rejection",
    "Replaced",
    "Research",
    "SafeReply",
    "Search",
    "Sentence",
    "SentenceDiet",
    "SpendingBudget",
    "Step",
    "StructureChunker",
    "TitanEmbedder",
    "Turn",
    "WithoutContext",
    "cited",
    "compress",
    "confident",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("ragdiet")
    if name not in _HOMES:
        raise AttributeError(f"module 'ragdiet' has no attribute {name!r}")
    value = getattr(import_module(f"ragdiet.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
