"""Documents and their chunks: what is known of them, and their replacement in one transaction."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import psycopg
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from ragdiet.store.changes import DocumentChange, KnownDocument, NewChunk, StaleChange
from ragdiet.store.copy import copy_chunks
from ragdiet.store.statistics import Corpus, add_to_statistics, lock_corpus, terms_of_chunks

if TYPE_CHECKING:
    from ragdiet.store.database import Database
    from ragdiet.types import Chunk, Space


class DocumentStore:
    """Reads and replaces documents of one embedding space."""

    def __init__(self, database: Database, space: Space) -> None:
        self._database = database
        self._space = space
        self._vectors = Identifier("ragdiet", f"vector_{space.name}")

    def known(self, corpus_id: int, external_ids: Sequence[str]) -> dict[str, KnownDocument]:
        """What the store holds of these documents, by external id, without their chunks."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT external_id, id, content_hash, pipeline FROM ragdiet.document "
                "WHERE corpus_id = %s AND external_id = ANY(%s)",
                (corpus_id, list(external_ids)),
            ).fetchall()
        return {row[0]: KnownDocument(id=row[1], content_hash=row[2], pipeline=row[3]) for row in rows}

    def known_chunks(self, document_ids: Sequence[int]) -> dict[int, tuple[tuple[int, bytes, bool], ...]]:
        """The chunks of each document as (id, hash, has a vector in this space), in order."""
        found: dict[int, list[tuple[int, bytes, bool]]] = defaultdict(list)
        with self._database.transaction() as connection:
            for document_id, chunk_id, digest, embedded in connection.execute(
                SQL(
                    "SELECT c.document_id, c.id, c.hash, v.chunk_id IS NOT NULL FROM ragdiet.chunk c "
                    "LEFT JOIN {vectors} v ON v.chunk_id = c.id WHERE c.document_id = ANY(%s) "
                    "ORDER BY c.document_id, c.ordinal"
                ).format(vectors=self._vectors),
                (list(document_ids),),
            ):
                found[document_id].append((chunk_id, digest, embedded))
        return {document_id: tuple(chunks) for document_id, chunks in found.items()}

    def external_ids(self, corpus_id: int) -> dict[str, str | None]:
        """Every document of the corpus: its external id and uri."""
        with self._database.transaction() as connection:
            return dict(
                connection.execute(
                    "SELECT external_id, uri FROM ragdiet.document WHERE corpus_id = %s", (corpus_id,)
                ).fetchall()
            )

    def write(self, corpus_id: int, changes: Sequence[DocumentChange]) -> None:
        """Make the store hold exactly ``changes`` of these documents: all of them, or none on an error.

        Raises StaleChange when a document is no longer as ``known`` says.
        """
        with self._database.transaction() as connection:
            corpus = lock_corpus(connection, corpus_id)
            ids = _write_documents(connection, corpus_id, changes)
            removed = [
                chunk_id
                for change in changes
                if change.known
                for chunk_id in {row[0] for row in change.known.chunks}
                - {chunk_id for chunk_id, _ in change.keep}
                - {new.chunk_id for new in change.new}
            ]
            _update_kept(connection, changes)
            added = [(ids[change.external_id], new) for change in changes for new in change.new if new.chunk_id is None]
            vectors_only = [new for change in changes for new in change.new if new.chunk_id is not None]
            _replace_chunks(connection, self._space, corpus, removed, added, vectors_only)

    def delete(self, corpus_id: int, external_ids: Sequence[str]) -> int:
        """Delete these documents with all that belongs to them; returns how many there were."""
        with self._database.transaction() as connection:
            corpus = lock_corpus(connection, corpus_id)
            rows = connection.execute(
                "SELECT c.id FROM ragdiet.chunk c JOIN ragdiet.document d ON d.id = c.document_id "
                "WHERE d.corpus_id = %s AND d.external_id = ANY(%s)",
                (corpus_id, list(external_ids)),
            ).fetchall()
            _replace_chunks(connection, self._space, corpus, [row[0] for row in rows], [], [])
            return connection.execute(
                "DELETE FROM ragdiet.document WHERE corpus_id = %s AND external_id = ANY(%s)",
                (corpus_id, list(external_ids)),
            ).rowcount


def _write_documents(
    connection: psycopg.Connection, corpus_id: int, changes: Sequence[DocumentChange]
) -> dict[str, int]:
    """Insert or update the document rows; returns their ids by external id."""
    found = {
        row[0]: (row[1], row[2], row[3])
        for row in connection.execute(
            "SELECT external_id, id, content_hash, pipeline FROM ragdiet.document "
            "WHERE corpus_id = %s AND external_id = ANY(%s)",
            (corpus_id, [change.external_id for change in changes]),
        )
    }
    for change in changes:
        known = change.known and (change.known.id, change.known.content_hash, change.known.pipeline)
        if known != found.get(change.external_id):
            raise StaleChange(change.external_id)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO ragdiet.document (corpus_id, external_id, uri, title, content_hash, pipeline, meta) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (corpus_id, external_id) DO UPDATE SET "
            "uri = excluded.uri, title = excluded.title, content_hash = excluded.content_hash, "
            "pipeline = excluded.pipeline, meta = excluded.meta, updated_at = now()",
            [
                (corpus_id, c.external_id, c.uri, c.title, c.content_hash, c.pipeline, Jsonb(dict(c.meta)))
                for c in changes
            ],
        )
    return dict(
        connection.execute(
            "SELECT external_id, id FROM ragdiet.document WHERE corpus_id = %s AND external_id = ANY(%s)",
            (corpus_id, [change.external_id for change in changes]),
        ).fetchall()
    )


def _update_kept(connection: psycopg.Connection, changes: Iterable[DocumentChange]) -> None:
    kept: list[tuple[int, Chunk]] = [pair for change in changes for pair in change.keep]
    kept += [(new.chunk_id, new.chunk) for change in changes for new in change.new if new.chunk_id is not None]
    if kept:
        with connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE ragdiet.chunk SET ordinal = %s, start_offset = %s, end_offset = %s, meta = %s WHERE id = %s",
                [(c.ordinal, c.start, c.end, Jsonb(dict(c.meta)), chunk_id) for chunk_id, c in kept],
            )


def _replace_chunks(
    connection: psycopg.Connection,
    space: Space,
    corpus: Corpus,
    removed: list[int],
    added: list[tuple[int, NewChunk]],
    vectors_only: list[NewChunk],
) -> None:
    frequencies, length = terms_of_chunks(connection, removed)
    if removed:
        connection.execute("DELETE FROM ragdiet.chunk WHERE id = ANY(%s)", (removed,))
    frequencies = Counter({term: -count for term, count in frequencies.items()})
    length = -length
    for _, new in added:
        frequencies.update(new.term_counts.keys())
        length += new.term_counts.total()
    average = add_to_statistics(
        connection, corpus, frequencies=frequencies, chunks=len(added) - len(removed), length=length
    )
    copy_chunks(connection, space, corpus.id, average, added, vectors_only)
