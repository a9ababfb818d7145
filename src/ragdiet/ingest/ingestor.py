"""From a source to rows: read, screen, chunk, embed and write, each stage in a thread of its own.

A batch is planned outside any transaction and written in one, so a document is whole or absent. What
cannot be ingested is rejected with its reason and the rest goes on; a database that fails, or an embedder
that does more than give bad vectors, stops the run, and a second run takes up where the first one ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from ragdiet.embed import cached_embedder
from ragdiet.errors import EmptySource, LanguageMismatch
from ragdiet.ingest.ahead import Ahead, Room
from ragdiet.ingest.batches import Batch, read_batches
from ragdiet.ingest.copies import Copies
from ragdiet.ingest.plan import Plan, Planner
from ragdiet.ingest.postponed import Postponed
from ragdiet.ingest.preview import preview
from ragdiet.ingest.tally import Progress, Tally
from ragdiet.ingest.vectors import ChunkEmbedder
from ragdiet.ingest.writer import Writer
from ragdiet.load import VERSION, Source, expected
from ragdiet.store import (
    Database,
    DocumentStore,
    EmbeddingCache,
    FingerprintStore,
    Indexes,
    ensure_corpus,
    find_corpus,
    refreeze_average_length,
)
from ragdiet.types import IngestReport

if TYPE_CHECKING:
    from ragdiet.analysis import Analyzer
    from ragdiet.protocols import Chunker, Embedder, TokenCounter
    from ragdiet.quality import Quality

# Chunks that may wait between two stages; a batch has about 400, a document of 20 million characters 30,000.
_PLANNED_AHEAD = 800
_EMBEDDED_AHEAD = 4_000
_UNDER_WAY = 8_000  # in all stages together, those in hand too


class Ingestor:
    """Puts one tenant's documents into a database with one chunker, one embedder and one quality policy.

    Without ``caching`` all texts are embedded, and the vectors of removed chunks are not kept. With
    ``token_model`` chunks are stored with its token bits, for late interaction.
    """

    def __init__(
        self,
        database: Database,
        chunker: Chunker,
        embedder: Embedder,
        words: Analyzer,
        quality: Quality,
        counter: TokenCounter,
        *,
        tenant: str,
        caching: bool,
        token_model: Embedder | None = None,
    ) -> None:
        self._database = database
        self._tenant = tenant
        self._token_model = token_model
        self._documents = DocumentStore(database, embedder.space, tenant=tenant, keep_removed=caching)
        self._chunker = chunker
        self._cache = EmbeddingCache(database, embedder.space, tenant=tenant) if caching else None
        self._embedder = cached_embedder(embedder, self._cache) if self._cache else embedder
        self._analyzer = words
        self._quality = quality
        self._counter = counter
        self._pipeline = f"{chunker.version}|{words.version}|{embedder.space.name}|{quality.version}|{VERSION}"

    def ingest(
        self,
        source: Source,
        *,
        collection: str,
        sync: bool,
        dry_run: bool,
        expires_at: datetime | None,
        progress: Callable[[Progress], None] | None,
    ) -> IngestReport:
        """Ingest ``source``; with ``sync`` then delete documents of the collection that it does not have.

        With ``dry_run`` nothing is written or spent, and the report says what would be. Else the report's
        ``cost`` is left at 0: what was spent stands in the ledger, under the current trace.

        Raises LanguageMismatch where the collection was made for another language than the analyzer's.
        """
        began = time.perf_counter()
        tally = Tally()
        tally.progress.total = expected(source)
        cost = Decimal(0)
        corpus_id = self._corpus_id(collection, make=not dry_run)
        copies = Copies(FingerprintStore(self._database, tenant=self._tenant), self._analyzer, corpus_id, expires_at)
        planner = Planner(
            self._documents,
            copies,
            self._chunker,
            self._analyzer,
            self._quality,
            corpus_id=corpus_id,
            pipeline=self._pipeline,
            expires_at=expires_at,
            seen=tally.ids.__contains__,
            is_gone=lambda name: sync and tally.is_gone(name),
        )
        with Postponed() as postponed:
            plans = _plans(planner, source, tally, postponed)
            if dry_run or corpus_id is None:
                cost = preview(plans, tally, copies, self._embedder, self._counter, self._cache, progress)
                if sync and corpus_id is not None:
                    tally.deleted += len(self._missing(corpus_id, tally))
            else:
                tally.deleted += self._documents.delete_expired(corpus_id)
                self._load(corpus_id, plans, planner, copies, tally, progress, sync=sync)
        return IngestReport(
            added=tally.progress.added,
            updated=tally.progress.updated,
            unchanged=tally.progress.unchanged,
            deleted=tally.deleted,
            rejected=tuple(tally.rejected),
            chunks=tally.progress.chunks,
            tokens=tally.tokens,
            seconds=time.perf_counter() - began,
            cost=cost,
            dry_run=dry_run,
        )

    def _load(
        self,
        corpus_id: int,
        plans: Iterator[Plan],
        planner: Planner,
        copies: Copies,
        tally: Tally,
        progress: Callable[[Progress], None] | None,
        *,
        sync: bool,
    ) -> None:
        with Indexes(self._database, self._embedder.space) as indexes:
            embedder = ChunkEmbedder(self._embedder, self._token_model)
            room = Room(_UNDER_WAY)
            writer = Writer(self._documents, indexes, embedder, planner, copies, tally, room, corpus_id)
            planned = Ahead(_admitted(plans, room), _PLANNED_AHEAD, _weight)
            embedding = Ahead(writer.embedded(planned), _EMBEDDED_AHEAD, _weight)
            with closing(planned), closing(embedding) as embedded, closing(room):
                writer.write_all(embedded, progress)
            if sync and (missing := self._missing(corpus_id, tally)):
                tally.deleted += self._documents.delete(corpus_id, missing)
            refreeze_average_length(self._database, corpus_id, tenant=self._tenant)
            indexes.build()
        if self._cache is not None:
            self._cache.prune()

    def _corpus_id(self, collection: str, *, make: bool) -> int | None:
        """None where the collection is not there and is not to be made."""
        language = self._analyzer.language
        find = partial(ensure_corpus, language=language) if make else find_corpus
        corpus = find(self._database, tenant=self._tenant, collection=collection)
        if corpus is not None and corpus.language != language:
            raise LanguageMismatch(
                f"collection {collection!r} is in {corpus.language}, this ingest is set to {language}: open it with "
                f"language={corpus.language!r}, or ingest into another collection and swap the two",
                expected=language,
                actual=corpus.language,
            )
        return corpus.id if corpus else None

    def _missing(self, corpus_id: int, tally: Tally) -> list[str]:
        """Stored documents that the source does not have."""
        if not tally.ids:
            raise EmptySource(
                "the source holds no document that could be read, so sync would delete the whole collection: check "
                "the path, or delete the collection on purpose"
            )
        return [
            external_id
            for external_id, uri in self._documents.external_ids(corpus_id).items()
            if tally.is_gone(external_id) and not tally.is_unread(uri or "")
        ]


def _weight(plan: Plan) -> int:
    return 1 + len(plan.new_chunks)


def _admitted(plans: Iterator[Plan], room: Room) -> Iterator[Plan]:
    """Each plan when there is room for it beside those that are not written yet."""
    for plan in plans:
        plan.weight = _weight(plan)
        room.enter(plan.weight)
        yield plan
        del plan


def _plans(planner: Planner, source: Source, tally: Tally, postponed: Postponed) -> Iterator[Plan]:
    """The plans of all batches; last those of what had to wait until the others were known."""
    number = 0
    for batch in read_batches(source, tally, planner.source_hashes):
        plan = planner.plan(batch)
        number = batch.number + 1
        postponed.add(plan.postponed)
        yield plan
        del batch, plan
    for item in postponed:
        yield planner.plan(Batch(number, [item]), all_seen=True)
        number += 1
