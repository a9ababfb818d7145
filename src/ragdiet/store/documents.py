"""Documents and their chunks: what is known of them, and their replacement in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import psycopg
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from ragdiet.analysis import corpus_terms
from ragdiet.store.cache import keep_vectors
from ragdiet.store.changes import DocumentChange, KnownChunk, KnownDocument, StaleChange
from ragdiet.store.copy import (
    copy_chunks,
    copy_documents,
    copy_fingerprints,
    copy_terms,
    copy_token_bits,
    copy_vectors,
    reserve_ids,
)
from ragdiet.store.metadata_keys import note_keys
from ragdiet.store.postings import postings
from ragdiet.store.statistics import Corpus, lock_corpus, measured, update_statistics

if TYPE_CHECKING:
    from ragdiet.store.database import Database
    from ragdiet.types import Chunk, Space


class DocumentStore:
    """Reads and replaces documents of one tenant, in one embedding space.

    ``keep_removed``: the vectors of chunks that go stay in the embedding cache.
    """

    def __init__(self, database: Database, space: Space, *, tenant: str, keep_removed: bool = True) -> None:
        self._database = database
        self._tenant = tenant
        self._space = space
        self._keep_removed = keep_removed
        self._vectors = Identifier("ragdiet", f"vector_{space.name}")

    def known(self, corpus_id: int, external_ids: Sequence[str]) -> dict[str, KnownDocument]:
        """What the store holds of these documents, by external id, without their chunks."""
        return self._database.run(
            lambda connection: _known(connection, corpus_id, external_ids), tenant=self._tenant, repeatable=True
        )

    def known_chunks(self, document_ids: Sequence[int], *, texts: bool = False) -> dict[int, tuple[KnownChunk, ...]]:
        """The chunks of each document in order, with their ``texts`` or without."""
        if not document_ids:
            return {}

        def read(connection: psycopg.Connection) -> dict[int, tuple[KnownChunk, ...]]:
            found: defaultdict[int, list[KnownChunk]] = defaultdict(list)
            for document_id, chunk_id, digest, embedded, text in connection.execute(
                SQL(
                    "SELECT c.document_id, c.id, c.hash, v.chunk_id IS NOT NULL, CASE WHEN %s THEN c.text ELSE '' END "
                    "FROM ragdiet.chunk c LEFT JOIN {vectors} v ON v.chunk_id = c.id WHERE c.document_id = ANY(%s) "
                    "ORDER BY c.document_id, c.ordinal"
                ).format(vectors=self._vectors),
                (texts, list(document_ids)),
            ):
                found[document_id].append(KnownChunk(id=chunk_id, hash=digest, embedded=embedded, text=text))
            return {document_id: tuple(chunks) for document_id, chunks in found.items()}

        return self._database.run(read, tenant=self._tenant, repeatable=True)

    def external_ids(self, corpus_id: int) -> dict[str, str | None]:
        """Every document of the corpus: its external id and uri."""
        return dict(
            self._database.run(
                lambda connection: connection.execute(
                    "SELECT external_id, uri FROM ragdiet.document WHERE corpus_id = %s", (corpus_id,)
                ).fetchall(),
                tenant=self._tenant,
                repeatable=True,
            )
        )

    def write(self, corpus_id: int, changes: Sequence[DocumentChange]) -> None:
        """Make the store hold exactly ``changes`` of these documents: all of them, or none on an error.

        Raises StaleChange when a document is no longer as ``known`` says; so a write that was committed, but
        whose commit was not heard of, is not done twice.
        """

        def write(connection: psycopg.Connection) -> None:
            corpus = lock_corpus(connection, corpus_id)
            _check_unchanged(connection, corpus_id, changes)
            ids = _write_documents(connection, corpus_id, changes)
            _update_kept(connection, changes)
            note_keys(connection, corpus_id, changes)
            self._replace_chunks(connection, corpus, [_removed(change) for change in changes], ids, changes)
            _note_expiry(connection, corpus_id, [change.expires_at for change in changes if change.expires_at])

        self._database.run(write, tenant=self._tenant, repeatable=True)

    def touch(self, corpus_id: int, documents: Sequence[tuple[int, bytes | None, datetime | None]]) -> None:
        """Give documents, unchanged else, another source hash and time to expire."""

        def write(connection: psycopg.Connection) -> None:
            with connection.cursor() as cursor:
                cursor.executemany(
                    "UPDATE ragdiet.document SET source_hash = %s, expires_at = %s WHERE id = %s",
                    [(source_hash, expires_at, document_id) for document_id, source_hash, expires_at in documents],
                )
            _note_expiry(connection, corpus_id, [expires_at for _, _, expires_at in documents if expires_at])

        self._database.run(write, tenant=self._tenant, repeatable=True)

    def delete(self, corpus_id: int, external_ids: Sequence[str]) -> int:
        """Delete these documents with all that belongs to them; returns how many there were."""

        def write(connection: psycopg.Connection) -> int:
            corpus = lock_corpus(connection, corpus_id)
            return self._delete(
                connection,
                corpus,
                "SELECT id FROM ragdiet.document WHERE corpus_id = %s AND external_id = ANY(%s)",
                (corpus_id, list(external_ids)),
            )

        return self._database.run(write, tenant=self._tenant, repeatable=True)

    def delete_expired(self, corpus_id: int) -> int:
        """Delete the documents of the corpus whose time has come; returns how many there were."""

        def write(connection: psycopg.Connection) -> int:
            corpus = lock_corpus(connection, corpus_id)
            deleted = self._delete(
                connection,
                corpus,
                "SELECT id FROM ragdiet.document WHERE corpus_id = %s AND expires_at <= now()",
                (corpus_id,),
            )
            connection.execute(
                "UPDATE ragdiet.corpus SET next_expiry = (SELECT min(expires_at) FROM ragdiet.document "
                "WHERE corpus_id = %(id)s AND expires_at IS NOT NULL) WHERE id = %(id)s",
                {"id": corpus_id},
            )
            return deleted

        return self._database.run(write, tenant=self._tenant, repeatable=True)

    def _delete(
        self, connection: psycopg.Connection, corpus: Corpus, query: str, parameters: tuple[object, ...]
    ) -> int:
        documents = [row[0] for row in connection.execute(query, parameters)]
        chunks = [
            row[0]
            for row in connection.execute("SELECT id FROM ragdiet.chunk WHERE document_id = ANY(%s)", (documents,))
        ]
        self._replace_chunks(connection, corpus, [chunks], [], [])
        return connection.execute("DELETE FROM ragdiet.document WHERE id = ANY(%s)", (documents,)).rowcount

    def _replace_chunks(
        self,
        connection: psycopg.Connection,
        corpus: Corpus,
        removed: Sequence[Sequence[int]],
        ids: Sequence[int],
        changes: Sequence[DocumentChange],
    ) -> None:
        """Delete chunks and write those of ``changes``, whose documents have the numbers ``ids``."""
        gone = [chunk_id for chunks in removed for chunk_id in chunks]
        renamed = [new for change in changes for new in change.renamed]
        reindexed = [new.chunk_id for new in renamed if new.chunk_id is not None]
        lost = measured(connection, gone + reindexed)
        if gone:
            if self._keep_removed:
                keep_vectors(connection, self._space, self._tenant, gone)
            connection.execute("DELETE FROM ragdiet.chunk WHERE id = ANY(%s)", (gone,))
        if reindexed:
            connection.execute("DELETE FROM ragdiet.lexical WHERE chunk_id = ANY(%s)", (reindexed,))
        added = [
            (document_id, new)
            for document_id, change in zip(ids, changes, strict=True)
            for new in change.new
            if new.chunk_id is None
        ]
        chunk_ids = reserve_ids(connection, "chunk", len(added))
        indexed = [*chunk_ids, *reindexed]
        terms = postings([corpus_terms(new.terms, corpus.id) for new in (*(new for _, new in added), *renamed)])
        average = update_statistics(connection, corpus, removed=lost, added=terms)
        if added:
            copy_chunks(connection, corpus.id, chunk_ids, added)
        if indexed:
            copy_terms(connection, corpus.id, average, indexed, terms)
        embedded = list(zip(chunk_ids, (new for _, new in added), strict=True))
        stored = [(new.chunk_id, new) for change in changes for new in change.new if new.chunk_id is not None]
        if stored:  # such a chunk may have token bits from the time of another embedder
            connection.execute(
                "DELETE FROM ragdiet.token_bits WHERE chunk_id = ANY(%s)", ([chunk_id for chunk_id, _ in stored],)
            )
        embedded += stored
        copy_vectors(connection, self._space, corpus.id, embedded)
        copy_token_bits(connection, corpus.id, embedded)


def _known(connection: psycopg.Connection, corpus_id: int, external_ids: Sequence[str]) -> dict[str, KnownDocument]:
    return {
        row[0]: KnownDocument(
            external_id=row[0],
            id=row[1],
            uri=row[2],
            content_hash=row[3],
            pipeline=row[4],
            source_hash=row[5],
            expires_at=row[6],
        )
        for row in connection.execute(
            "SELECT external_id, id, uri, content_hash, pipeline, source_hash, expires_at FROM ragdiet.document "
            "WHERE corpus_id = %s AND external_id = ANY(%s)",
            (corpus_id, list(external_ids)),
        )
    }


def _check_unchanged(connection: psycopg.Connection, corpus_id: int, changes: Sequence[DocumentChange]) -> None:
    """Raise StaleChange unless each document, under its old and its new name, is what its change was planned on."""
    names = {change.external_id for change in changes}
    names |= {change.known.external_id for change in changes if change.known}
    found = _known(connection, corpus_id, sorted(names))
    for change in changes:
        planned = change.known
        now = found.get(planned.external_id if planned else change.external_id)
        if (planned and _version(planned)) != (now and _version(now)):
            raise StaleChange(change.external_id)
        if planned and planned.external_id != change.external_id and change.external_id in found:
            raise StaleChange(change.external_id)


def _version(known: KnownDocument) -> tuple[int, bytes, str]:
    return known.id, known.content_hash, known.pipeline


def _write_documents(connection: psycopg.Connection, corpus_id: int, changes: Sequence[DocumentChange]) -> list[int]:
    """Insert or update the rows of documents and of their fingerprints; returns the documents' numbers."""
    added = [change for change in changes if change.known is None]
    fresh = reserve_ids(connection, "document", len(added))
    if added:
        copy_documents(connection, corpus_id, fresh, added)
    numbers = iter(fresh)
    ids = [change.known.id if change.known else next(numbers) for change in changes]
    updated = [change for change in changes if change.known is not None]
    if updated:
        with connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE ragdiet.document SET external_id = %s, uri = %s, title = %s, content_hash = %s, pipeline = %s, "
                "meta = %s, source_hash = %s, expires_at = %s, updated_at = now() WHERE id = %s",
                [
                    (
                        change.external_id,
                        change.uri,
                        change.title,
                        change.content_hash,
                        change.pipeline,
                        Jsonb(dict(change.meta)),
                        change.source_hash,
                        change.expires_at,
                        change.known and change.known.id,
                    )
                    for change in updated
                ],
            )
        connection.execute(
            "DELETE FROM ragdiet.fingerprint WHERE document_id = ANY(%s)",
            ([change.known.id for change in updated if change.known],),
        )
    marked = [(number, change) for number, change in zip(ids, changes, strict=True) if change.fingerprint]
    if marked:
        copy_fingerprints(connection, corpus_id, marked)
    return ids


def _removed(change: DocumentChange) -> list[int]:
    """The numbers of the stored chunks that the document no longer has."""
    if change.known is None:
        return []
    stay = {chunk_id for chunk_id, _ in change.keep} | {new.chunk_id for new in (*change.new, *change.renamed)}
    return [chunk.id for chunk in change.known.chunks if chunk.id not in stay]


def _update_kept(connection: psycopg.Connection, changes: Sequence[DocumentChange]) -> None:
    kept: list[tuple[int, Chunk, bytes | None]] = []
    for change in changes:
        kept += [(chunk_id, chunk, None) for chunk_id, chunk in change.keep]
        kept += [
            (new.chunk_id, new.chunk, new.hash) for new in (*change.renamed, *change.new) if new.chunk_id is not None
        ]
    if kept:
        with connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE ragdiet.chunk SET ordinal = %s, start_offset = %s, end_offset = %s, meta = %s, "
                "hash = coalesce(%s, hash), context = %s WHERE id = %s",
                [
                    (c.ordinal, c.start, c.end, Jsonb(dict(c.meta)), digest, c.context, chunk_id)
                    for chunk_id, c, digest in kept
                ],
            )


def _note_expiry(connection: psycopg.Connection, corpus_id: int, times: Sequence[datetime]) -> None:
    if times:
        connection.execute(
            "UPDATE ragdiet.corpus SET next_expiry = least(next_expiry, %s) WHERE id = %s", (min(times), corpus_id)
        )
