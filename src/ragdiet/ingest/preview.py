"""What an ingest would do and cost, before anything is written or spent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from ragdiet.ingest.writer import count_plan
from ragdiet.protocols import PricedEmbedder

if TYPE_CHECKING:
    from ragdiet.ingest.copies import Copies
    from ragdiet.ingest.plan import Plan
    from ragdiet.ingest.tally import Progress, Tally
    from ragdiet.protocols import Embedder, TokenCounter
    from ragdiet.store import EmbeddingCache


def preview(
    plans: Iterable[Plan],
    tally: Tally,
    copies: Copies,
    embedder: Embedder,
    counter: TokenCounter,
    cache: EmbeddingCache | None,
    progress: Callable[[Progress], None] | None,
) -> Decimal:
    """Count what each plan would do; returns the price of the embedding, USD, as expected.

    Texts that the cache has are free; others are counted with ``counter``.
    """
    cost = Decimal(0)
    planned: set[bytes] = set()
    for plan in plans:
        count_plan(tally, plan)
        tally.deleted += len(plan.removals)
        texts = {new.hash: new.chunk.indexed_text for new in plan.new_chunks if new.hash not in planned}
        if cache and texts:
            for digest in cache.has(list(texts)):
                del texts[digest]
            planned.update(texts)
        missing = list(texts.values()) if cache else [new.chunk.indexed_text for new in plan.new_chunks]
        tally.tokens += sum(counter.count_batch(missing))
        if isinstance(embedder, PricedEmbedder):
            cost += embedder.quote_texts(missing).expected
        copies.forget_texts(plan.batch.number)
        if progress:
            progress(tally.progress)
        del plan
    return cost
