"""From a source to rows: load, check, skip what is known, chunk, embed, write, in bounded batches.

A batch is planned outside any transaction and written in one, so a document is whole or absent. What
cannot be ingested is rejected with its reason and the rest goes on; a database or embedder that fails
stops the run, and a second run takes up where the first one ended.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ragdiet.analysis import Analyzer, term_numbers
from ragdiet.errors import BadReply, EmptySource, InvalidArgument, RagdietError, SourceError, StoreError
from ragdiet.load import expected, load
from ragdiet.protocols import SentenceEmbedder
from ragdiet.store import (
    Corpus,
    Database,
    DocumentChange,
    DocumentStore,
    KnownDocument,
    NewChunk,
    StaleChange,
    ensure_corpus,
    refreeze_average_length,
)
from ragdiet.types import STRUCTURE_KEYS, Chunk, Document, Embedding, IngestReport, Rejection

if TYPE_CHECKING:
    from ragdiet.protocols import Chunker, Embedder

Source: TypeAlias = str | Path | Document | Iterable[str | Path | Document]

_BATCH_DOCUMENTS = 128
_BATCH_CHARACTERS = 400_000
_MOST_CHARACTERS = 20_000_000
_MOST_TERMS = 16_000  # a sparsevec holds no more entries


@dataclass(slots=True, kw_only=True)
class Progress:
    """Where an ingest is. Counts are of documents, ``chunks`` of chunks written so far; ``total`` is the
    number of files and Documents that the source names, None when it cannot be known before the end."""

    total: int | None = None
    seen: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    chunks: int = 0


@dataclass(slots=True)
class _Run:
    """The tally of one ingest."""

    rejected: list[Rejection] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    tokens: int = 0
    progress: Progress = field(default_factory=Progress)

    def reject(self, rejection: Rejection) -> None:
        self.rejected.append(rejection)
        self.progress.rejected += 1

    def is_unread(self, name: str) -> bool:
        """Whether this id or uri, or a folder that holds it, was rejected: it may still be there."""
        return any(name == one.uri or name.startswith(f"{one.uri.rstrip('/')}/") for one in self.rejected)


class Ingestor:
    """Puts documents into one database with one chunker and one embedder."""

    def __init__(
        self,
        database: Database,
        chunker: Chunker,
        embedder: Embedder,
        words: Analyzer,
    ) -> None:
        self._database = database
        self._documents = DocumentStore(database, embedder.space)
        self._chunker = chunker
        self._embedder = embedder
        self._analyzer = words
        self._pipeline = f"{chunker.version}|{words.language}-v1|{embedder.space.name}"

    def ingest(
        self,
        source: Source,
        *,
        collection: str,
        tenant: str,
        sync: bool,
        progress: Callable[[Progress], None] | None,
    ) -> IngestReport:
        """Ingest ``source``; with ``sync`` then delete documents of the collection that it does not have.

        The report's ``cost`` is left at 0: what was spent stands in the ledger, under the current trace.
        """
        began = time.perf_counter()
        run = _Run()
        if progress:
            run.progress.total = expected(source)
        corpus = ensure_corpus(self._database, tenant=tenant, collection=collection)
        for batch in _batches(self._accepted(load(source, rejected=run.reject), run)):
            self._ingest_batch(corpus, batch, run)
            if progress:
                progress(run.progress)
        deleted = self._delete_missing(corpus, run) if sync else 0
        refreeze_average_length(self._database, corpus.id)
        return IngestReport(
            added=run.progress.added,
            updated=run.progress.updated,
            unchanged=run.progress.unchanged,
            deleted=deleted,
            rejected=tuple(run.rejected),
            chunks=run.progress.chunks,
            tokens=run.tokens,
            seconds=time.perf_counter() - began,
            cost=Decimal(0),
        )

    def _accepted(self, documents: Iterable[Document], run: _Run) -> Iterator[Document]:
        for document in documents:
            run.progress.seen += 1
            if document.id in run.ids:
                run.reject(
                    _rejection(
                        document,
                        InvalidArgument(
                            "another document has this id: ingest the folder that holds both, or give ids of your own"
                        ),
                    )
                )
                continue
            run.ids.add(document.id)
            yield document

    def _ingest_batch(self, corpus: Corpus, batch: list[Document], run: _Run) -> None:
        for _ in range(5):
            changes, rejected, unchanged = self._plan(corpus, batch)
            run.tokens += self._embed(changes)
            try:
                if changes:
                    self._documents.write(corpus.id, changes)
            except StaleChange:
                continue
            for rejection in rejected:
                run.reject(rejection)
            run.progress.unchanged += unchanged
            run.progress.added += sum(change.known is None for change in changes)
            run.progress.updated += sum(change.known is not None for change in changes)
            run.progress.chunks += sum(len(change.new) for change in changes)
            return
        raise StoreError("another process keeps changing the same documents: let it end, then ingest again")

    def _plan(self, corpus: Corpus, batch: list[Document]) -> tuple[list[DocumentChange], list[Rejection], int]:
        """What has to be written for ``batch``, what is rejected, and how many documents are as they were."""
        known = self._documents.known(corpus.id, [document.id for document in batch])
        changed: list[tuple[Document, bytes]] = []
        for document in batch:
            digest = _content_hash(document)
            before = known.get(document.id)
            if before is None or (before.content_hash, before.pipeline) != (digest, self._pipeline):
                changed.append((document, digest))
        stored = self._documents.known_chunks([known[d.id].id for d, _ in changed if d.id in known])
        changes: list[DocumentChange] = []
        rejected: list[Rejection] = []
        for document, digest in changed:
            before = known.get(document.id)
            if before is not None:
                before = replace(before, chunks=stored.get(before.id, ()))
            try:
                changes.append(self._change(document, digest, before))
            except (InvalidArgument, SourceError) as error:
                rejected.append(_rejection(document, error))
        return changes, rejected, len(batch) - len(changed)

    def _change(self, document: Document, digest: bytes, known: KnownDocument | None) -> DocumentChange:
        stored: defaultdict[bytes, deque[tuple[int, bool]]] = defaultdict(deque)
        for chunk_id, chunk_hash, embedded in known.chunks if known else ():
            stored[chunk_hash].append((chunk_id, embedded))
        change = DocumentChange(
            external_id=document.id,
            uri=document.uri,
            title=document.title,
            content_hash=digest,
            pipeline=self._pipeline,
            meta={key: value for key, value in document.meta.items() if key not in STRUCTURE_KEYS},
            known=known,
        )
        if len(document.text) > _MOST_CHARACTERS:
            raise InvalidArgument(
                f"the document has {len(document.text):,} characters, the most is {_MOST_CHARACTERS:,}: split it"
            )
        for chunk in self._chunker.chunk(document):
            chunk_hash = _hash(chunk.indexed_text)
            known_chunk = stored[chunk_hash].popleft() if stored[chunk_hash] else None
            if known_chunk and known_chunk[1]:
                change.keep.append((known_chunk[0], chunk))
                continue
            terms = term_numbers(self._analyzer.terms(chunk.indexed_text))
            if len(terms) > _MOST_TERMS:
                raise InvalidArgument(
                    f"a chunk holds {len(terms):,} different words, the index takes {_MOST_TERMS:,}: use smaller chunks"
                )
            change.new.append(
                NewChunk(
                    chunk=chunk, hash=chunk_hash, term_counts=Counter(terms), chunk_id=known_chunk and known_chunk[0]
                )
            )
        return change

    def _embed(self, changes: list[DocumentChange]) -> int:
        """Fill in the vectors of all new chunks; returns the tokens embedded."""
        new = [chunk for change in changes for chunk in change.new]
        if not new:
            return 0
        embedding = self._vectors(new)
        _check_vectors(embedding, len(new))
        for number, chunk in enumerate(new):
            chunk.vector = embedding.vectors[number]
            if embedding.sentence_vectors:
                chunk.sentence_vectors = embedding.sentence_vectors[number]
        return embedding.tokens

    def _vectors(self, new: list[NewChunk]) -> Embedding:
        texts = [chunk.chunk.indexed_text for chunk in new]
        if isinstance(self._embedder, SentenceEmbedder):
            return self._embedder.embed_sentences(texts, [_indexed_spans(chunk.chunk) for chunk in new])
        return self._embedder.embed(texts, kind="document")

    def _delete_missing(self, corpus: Corpus, run: _Run) -> int:
        if not run.ids:
            raise EmptySource(
                "the source holds no document that could be read, so sync would delete the whole collection: check "
                "the path, or delete the collection on purpose"
            )
        gone = [
            external_id
            for external_id, uri in self._documents.external_ids(corpus.id).items()
            if external_id not in run.ids and not run.is_unread(external_id) and not run.is_unread(uri or "")
        ]
        return self._documents.delete(corpus.id, gone) if gone else 0


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if len(batch) == _BATCH_DOCUMENTS or characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _indexed_spans(chunk: Chunk) -> list[tuple[int, int]]:
    """Sentence spans within ``chunk.indexed_text``."""
    shift = len(chunk.indexed_text) - len(chunk.text)
    return [(start + shift, end + shift) for start, end in chunk.sentences]


def _check_vectors(embedding: Embedding, expected: int) -> None:
    vectors = embedding.vectors
    if len(vectors) != expected:
        raise BadReply(f"the embedder returned {len(vectors)} vectors for {expected} texts: nothing was written")
    lengths = np.linalg.norm(vectors, axis=1)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        raise BadReply("the embedder returned NaN or zero vectors: nothing was written")


def _content_hash(document: Document) -> bytes:
    whole: Mapping[str, Any] = {
        "text": document.text,
        "title": document.title,
        "uri": document.uri,
        "meta": dict(document.meta),
    }
    return _hash(json.dumps(whole, sort_keys=True, ensure_ascii=False))


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _rejection(document: Document, error: RagdietError) -> Rejection:
    return Rejection(uri=document.uri or document.id, reason=str(error), error=type(error).__name__)
