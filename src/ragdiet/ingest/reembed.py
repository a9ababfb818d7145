"""Stored chunks into another embedding space, in the shadow of the one in use.

What is embedded is the very text that an ingest embedded, which its hash proves. Each batch is committed by
itself, and a run takes only what has no vector yet: one that was cut off goes on where it ended, and what others
ingest meanwhile is met on the next pass.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from ragdiet.embed import cached_embedder, text_hash
from ragdiet.errors import RagdietError, StoreError
from ragdiet.ingest.gate import Verdict
from ragdiet.ingest.vectors import ChunkEmbedder
from ragdiet.protocols import PricedEmbedder
from ragdiet.store import EmbeddingCache, Indexes, NewChunk, Spaces, StoredChunk, Unembedded, migrate
from ragdiet.types import Chunk, ReembedReport, Rejection

if TYPE_CHECKING:
    from ragdiet.protocols import Embedder, TokenCounter
    from ragdiet.store import Database
    from ragdiet.types import Space, SpaceState

_BATCH = 512
_NO_TERMS = np.zeros(0, np.int32)
_INDEX_PAUSE = 1.0  # seconds until it is looked again whether another's index build has ended


@dataclass(slots=True, kw_only=True)
class Reembedded:
    """What a run has done: ``chunks`` got a vector of ``total`` that had none when it began, ``tokens`` were
    embedded for them; ``rejected`` have none for a reason."""

    total: int = 0
    chunks: int = 0
    tokens: int = 0
    rejected: list[Rejection] = field(default_factory=list)


class Reembedder:
    """Gives chunks of one database their vectors in ``embedder.space``: all, or those of ``corpus_id``."""

    def __init__(self, database: Database, embedder: Embedder, *, caching: bool, corpus_id: int | None = None) -> None:
        self._database = database
        self._space = embedder.space
        self._embedder = embedder
        self._caching = caching
        self._of_tenants: dict[str, ChunkEmbedder] = {}
        self._chunks = Unembedded(database, embedder.space, corpus_id)
        self._spaces = Spaces(database)
        self._failed: set[int] = set()  # chunks that were refused, or cannot be restored: not asked for twice

    def preview(self, counter: TokenCounter) -> ReembedReport:
        """What a run would do, and what it would cost, USD, as expected. Writes and spends nothing."""
        began = time.perf_counter()
        state = self._spaces.state(self._space)
        self._spaces.check_owner(self._space)
        is_made = state in ("building", "active")
        chunks = self._chunks.count(is_made=is_made)
        tokens, cost = 0, Decimal(0)
        for batch in self._chunks.distinct(_BATCH, is_made=is_made):
            for tenant, own in _by_tenant(batch):
                known = self._cache(tenant).has([each.hash for each in own]) if self._caching and is_made else set()
                texts = [chunk.indexed_text for each in own if each.hash not in known and (chunk := restored(each))]
                tokens += sum(counter.count_batch(texts))
                if isinstance(self._embedder, PricedEmbedder):
                    cost += self._embedder.quote_texts(texts).expected
        return ReembedReport(
            space=self._space.name,
            state="active" if state == "active" else "building",
            chunks=chunks,
            missing=chunks,
            rejected=(),
            tokens=tokens,
            seconds=time.perf_counter() - began,
            cost=cost,
            reason="" if state == "active" else "a dry run builds nothing",
            dry_run=True,
        )

    def run(
        self, *, instead_of: Space, judge: Callable[[], Verdict] | None, progress: Callable[[Reembedded], None] | None
    ) -> ReembedReport:
        """Build the space, have it judged, and switch to it. ``judge`` is asked when nothing is missing any more.

        A space that is in use already is only caught up. The report's ``cost`` is left at 0: what was spent stands
        in the ledger, under the current trace. Raises SpaceBusy where another process builds the same space.
        """
        began = time.perf_counter()
        done, verdict = Reembedded(), Verdict()
        state: SpaceState = "active"
        with self._spaces.building(self._space.name):
            migrate(self._database.connect, self._space, shadow=True)
            is_new = self._spaces.state(self._space) == "building"
            self._build(done, progress)
            if is_new:
                if done.rejected:
                    verdict = Verdict(reason=f"{len(done.rejected):,} chunks could not be embedded")
                elif judge:
                    verdict = judge()
                if verdict.reason:
                    state = "building"
                else:
                    self._embed_all(done, progress)
                    self._spaces.activate(self._space, instead_of=instead_of)
            missing = self._chunks.count(is_made=True)
        return ReembedReport(
            space=self._space.name,
            state=state,
            chunks=done.chunks,
            missing=missing,
            rejected=tuple(done.rejected),
            tokens=done.tokens,
            seconds=time.perf_counter() - began,
            cost=Decimal(0),
            reason=verdict.reason,
            before=verdict.before,
            after=verdict.after,
        )

    def _build(self, done: Reembedded, progress: Callable[[Reembedded], None] | None) -> None:
        """Embed until nothing is missing but what is rejected, the index built at the end if there is much to do."""
        present, total = self._spaces.progress(self._space)
        done.total = self._chunks.count(is_made=True)
        with Indexes(self._database, self._space, keyword=False) as indexes:
            indexes.expect(total - present, stored=present)
        self._embed_all(done, progress)
        self._build_index()
        self._embed_all(done, progress)

    def _embed_all(self, done: Reembedded, progress: Callable[[Reembedded], None] | None) -> None:
        """Pass over what is missing until a pass finds nothing: a chunk that changed meanwhile is met again."""
        while True:
            found = False
            for batch in self._chunks.batches(_BATCH):
                if missing := [stored for stored in batch if stored.id not in self._failed]:
                    found = True
                    for tenant, chunks in _by_tenant(missing):
                        self._embed(tenant, chunks, done)
                    if progress:
                        progress(done)
            if not found:
                return

    def _embed(self, tenant: str, batch: list[StoredChunk], done: Reembedded) -> None:
        pairs = []
        for stored in batch:
            if chunk := restored(stored):
                pairs.append((stored, NewChunk(chunk=chunk, hash=stored.hash, terms=_NO_TERMS, chunk_id=stored.id)))
            else:
                self._reject(stored, StoreError(_UNKNOWN_CONTEXT), done)
        embedding = self._embedder_of(tenant).fill([new for _, new in pairs])
        done.tokens += embedding.tokens
        for place, error in embedding.failed.items():
            self._reject(pairs[place][0], error, done)
        done.chunks += self._chunks.write([pair for pair in pairs if pair[1].vector is not None])

    def _embedder_of(self, tenant: str) -> ChunkEmbedder:
        """Tenants share no vectors, see `EmbeddingCache`."""
        if tenant not in self._of_tenants:
            cached = cached_embedder(self._embedder, self._cache(tenant)) if self._caching else self._embedder
            self._of_tenants[tenant] = ChunkEmbedder(cached)
        return self._of_tenants[tenant]

    def _cache(self, tenant: str) -> EmbeddingCache:
        return EmbeddingCache(self._database, self._space, tenant=tenant)

    def _reject(self, stored: StoredChunk, error: RagdietError, done: Reembedded) -> None:
        self._failed.add(stored.id)
        done.rejected.append(Rejection(uri=stored.uri, reason=str(error), error=type(error).__name__))

    def _build_index(self) -> None:
        while True:
            with Indexes(self._database, self._space, keyword=False) as indexes:
                if indexes.build():
                    return
            time.sleep(_INDEX_PAUSE)  # an ingest builds its own


def _by_tenant(chunks: list[StoredChunk]) -> Iterable[tuple[str, list[StoredChunk]]]:
    of_tenants: defaultdict[str, list[StoredChunk]] = defaultdict(list)
    for stored in chunks:
        of_tenants[stored.tenant].append(stored)
    return of_tenants.items()


def restored(stored: StoredChunk) -> Chunk | None:
    """The chunk with the context line it was embedded with; None where that cannot be told.

    Older rows have none stored: then it is guessed, and the guess holds if the hash says so.
    """
    for context in _guesses(stored) if stored.context is None else (stored.context,):
        chunk = Chunk(
            ordinal=0,
            text=stored.text,
            start=0,
            end=len(stored.text),
            tokens=stored.tokens,
            context=context,
            sentences=stored.sentences,
        )
        if text_hash(chunk.indexed_text) == stored.hash:
            return chunk
    return None


_UNKNOWN_CONTEXT = (
    "an older ragdiet stored this chunk without the line that was embedded before it: ingest its document again with "
    "the new embedder, RAG(..., embedder=new).ingest(...), then call reembed again"
)


def _guesses(stored: StoredChunk) -> tuple[str, ...]:
    title, heading = (" ".join((part or "").split()) for part in (stored.title, stored.heading))
    return "", title, heading, f"{title} > {heading}"
