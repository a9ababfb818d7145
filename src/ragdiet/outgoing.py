"""Pieces as a RAG uses them: each with its ledger rows, and those that leave this machine with masked texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragdiet.account import Ledger, accounted_embedder, accounted_generator
from ragdiet.guard import MaskedReranker, Masking, leaves, masked_embedder, masked_generator

if TYPE_CHECKING:
    from ragdiet.protocols import Embedder, Generator, Reranker


class Outgoing:
    """Wraps pieces with one ledger and one masking."""

    def __init__(self, ledger: Ledger, masking: Masking) -> None:
        self._ledger = ledger
        self._masking = masking

    def embedder(self, embedder: Embedder) -> Embedder:
        accounted = accounted_embedder(embedder, self._ledger)
        return masked_embedder(accounted, self._masking) if leaves(embedder) else accounted

    def generator(self, generator: Generator) -> Generator:
        accounted = accounted_generator(generator, self._ledger)
        return masked_generator(accounted, self._masking) if leaves(generator) else accounted

    def reranker(self, reranker: Reranker) -> Reranker:
        return MaskedReranker(reranker, self._masking) if leaves(reranker) else reranker


def models_sent_to(embedder: Embedder, generators: Sequence[Generator], rerankers: Sequence[Reranker]) -> list[str]:
    """The ids of the models that get texts from here."""
    sent_to = [embedder.space.model] if leaves(embedder) else []
    sent_to += [generator.model for generator in generators if leaves(generator)]
    models = [getattr(reranker, "model", None) for reranker in rerankers if leaves(reranker)]
    return [*sent_to, *filter(None, models)]
