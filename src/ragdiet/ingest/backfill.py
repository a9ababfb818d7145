"""Token bits for chunks that were ingested before late interaction was switched on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragdiet.ingest.vectors import token_bits
from ragdiet.store import TokenBits, find_corpus

if TYPE_CHECKING:
    from ragdiet.protocols import Embedder
    from ragdiet.store import Database

_TOGETHER = 512


def backfill_token_bits(database: Database, model: Embedder, *, tenant: str, collection: str) -> int:
    """Give every chunk of the collection that has none its token bits by ``model``; returns how many got them.

    Each few hundred chunks are one transaction: a run that is cut off is finished by the next one.
    """
    corpus = find_corpus(database, tenant=tenant, collection=collection)
    if corpus is None:
        return 0
    store = TokenBits(database, corpus.id, tenant=tenant)
    added = 0
    last = 0
    while rows := store.lacking(after=last, limit=_TOGETHER):
        ids, texts = zip(*rows, strict=True)
        added += store.add(ids, token_bits(model, texts))
        last = ids[-1]
    return added
