"""New rows into their tables by binary COPY."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from struct import Struct
from typing import TYPE_CHECKING

import numpy as np
import psycopg
from psycopg.sql import SQL, Identifier

from ragdiet.analysis import TERM_SPACE
from ragdiet.store import binary
from ragdiet.store.fingerprints import in_corpus

if TYPE_CHECKING:
    from ragdiet.store.changes import DocumentChange, NewChunk
    from ragdiet.store.postings import Postings
    from ragdiet.types import Space


def reserve_ids(connection: psycopg.Connection, table: str, number: int) -> list[int]:
    """Fresh numbers for rows of ``table``."""
    if not number:
        return []
    row = connection.execute(
        "WITH numbers AS MATERIALIZED (SELECT pg_get_serial_sequence(%s, 'id')::regclass AS sequence) "
        "SELECT array_agg(nextval(sequence)) FROM numbers, generate_series(1, %s)",
        (f"ragdiet.{table}", number),
        binary=True,
    ).fetchone()
    assert row is not None
    ids: list[int] = row[0]
    return ids


def copy_documents(
    connection: psycopg.Connection, corpus_id: int, ids: Iterable[int], changes: Iterable[DocumentChange]
) -> None:
    """Write the rows of documents that are not stored yet."""
    corpus = binary.int4(corpus_id)
    copy(
        connection,
        "document",
        "id corpus_id external_id uri title content_hash pipeline meta expires_at source_hash",
        (
            b"\x00\x0a"
            + binary.int8(document_id)
            + corpus
            + binary.text(change.external_id)
            + binary.text(change.uri)
            + binary.text(change.title)
            + binary.field(change.content_hash)
            + binary.text(change.pipeline)
            + binary.jsonb(change.meta)
            + binary.timestamp(change.expires_at)
            + (binary.NULL if change.source_hash is None else binary.field(change.source_hash))
            for document_id, change in zip(ids, changes, strict=True)
        ),
    )


def copy_fingerprints(
    connection: psycopg.Connection, corpus_id: int, changes: Iterable[tuple[int, DocumentChange]]
) -> None:
    """Write the fingerprints of documents, given with their numbers."""
    corpus = binary.int4(corpus_id)
    copy(
        connection,
        "fingerprint",
        "document_id corpus_id text_hash meta_hash signature facts bands edges",
        (
            b"\x00\x08"
            + binary.int8(document_id)
            + corpus
            + binary.field(row.text_hash)
            + binary.field(row.meta_hash)
            + binary.field(row.signature)
            + binary.field(row.facts)
            + binary.int8_array(in_corpus(corpus_id, row.bands))
            + binary.int8_array(in_corpus(corpus_id, row.edges))
            for document_id, change in changes
            if (row := change.fingerprint) is not None
        ),
    )


_CHUNK_HEAD = Struct(">hiqiqiii").pack
_CHUNK_HASH = Struct(">i16siiiiii").pack


def copy_chunks(
    connection: psycopg.Connection, corpus_id: int, ids: Iterable[int], added: Iterable[tuple[int, NewChunk]]
) -> None:
    """Write the chunks of ``added``, pairs of a document's number and its chunk, under ``ids``."""
    corpus = binary.int4(corpus_id)
    copy(
        connection,
        "chunk",
        "id document_id ordinal text hash tokens start_offset end_offset meta sentences corpus_id context",
        (
            _CHUNK_HEAD(12, 8, chunk_id, 8, document_id, 4, new.chunk.ordinal, len(text := new.chunk.text.encode()))
            + text
            + _CHUNK_HASH(16, new.hash, 4, new.chunk.tokens, 4, new.chunk.start, 4, new.chunk.end)
            + _chunk_meta(new.chunk.meta)
            + binary.int4_array(tuple(chain.from_iterable(new.chunk.sentences)))
            + corpus
            + binary.text(new.chunk.context)
            for chunk_id, (document_id, new) in zip(ids, added, strict=True)
        ),
    )


def _chunk_meta(meta: Mapping[str, object]) -> bytes:
    # Chunks of a section have the same heading and page, and JSON is dear to write.
    try:
        return _simple_meta(tuple((key, type(value), value) for key, value in meta.items()))
    except TypeError:  # a list or a mapping inside
        return binary.jsonb(meta)


@lru_cache(maxsize=1_024)
def _simple_meta(items: tuple[tuple[str, type, object], ...]) -> bytes:
    # Types are part of the key, as 1 == True and JSON tells them apart.
    return binary.jsonb({key: value for key, _, value in items})


def copy_terms(
    connection: psycopg.Connection, corpus_id: int, average_length: float, ids: Iterable[int], terms: Postings
) -> None:
    """Write the keyword index's rows of chunks."""
    head = Struct(">hiqiiii").pack
    rows = binary.term_rows(terms.terms, terms.weights(average_length), terms.ends, TERM_SPACE)
    copy(
        connection,
        "lexical",
        "chunk_id corpus_id length terms weights",
        (
            head(5, 8, chunk_id, 4, corpus_id, 4, length) + array + sparse
            for chunk_id, length, (array, sparse) in zip(ids, terms.lengths.tolist(), rows, strict=True)
        ),
    )


def copy_vectors(
    connection: psycopg.Connection, space: Space, corpus_id: int, embedded: Sequence[tuple[int, NewChunk]]
) -> None:
    """Write the vectors of chunks, and those of their sentences where there are any."""
    pairs = [(chunk_id, new.vector) for chunk_id, new in embedded if new.vector is not None]
    if not pairs:
        return
    head = Struct(">hiqii").pack
    copy(
        connection,
        f"vector_{space.name}",
        "chunk_id corpus_id embedding",
        (
            head(3, 8, chunk_id, 4, corpus_id) + vector
            for (chunk_id, _), vector in zip(
                pairs, binary.halfvecs(np.stack([vector for _, vector in pairs])), strict=True
            )
        ),
    )
    sentences = [
        (chunk_id, new.sentence_vectors)
        for chunk_id, new in embedded
        if new.sentence_vectors is not None and len(new.sentence_vectors)
    ]
    if sentences:
        oid = halfvec_oid(connection)
        copy(
            connection,
            f"sentence_{space.name}",
            "chunk_id embeddings corpus_id",
            (
                b"\x00\x03" + binary.int8(chunk_id) + binary.halfvec_array(vectors, oid) + binary.int4(corpus_id)
                for chunk_id, vectors in sentences
            ),
        )


def copy_token_bits(connection: psycopg.Connection, corpus_id: int, embedded: Iterable[tuple[int, NewChunk]]) -> None:
    """Write the token bits of the chunks that have some."""
    pairs = [(chunk_id, new.token_bits) for chunk_id, new in embedded if new.token_bits]
    if not pairs:
        return
    head = Struct(">hiqii").pack
    copy(
        connection,
        "token_bits",
        "chunk_id corpus_id bits",
        (head(3, 8, chunk_id, 4, corpus_id) + binary.field(bits) for chunk_id, bits in pairs),
    )


def halfvec_oid(connection: psycopg.Connection) -> int:
    """The number of pgvector's type in this database."""
    info = connection.adapters.types.get("halfvec")
    assert info is not None  # registered when the connection was opened
    return info.oid


def copy(connection: psycopg.Connection, table: str, columns: str, rows: Iterator[bytes]) -> None:
    """COPY rows, each in the binary format, into ``columns`` of a table."""
    if connection.info.parameter_status("is_superuser") != "on":
        table = f"incoming_{table}"  # policies refuse COPY into the table itself
    statement = SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        Identifier("ragdiet", table), SQL(", ").join(map(Identifier, columns.split()))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as writer:
        for block in binary.blocks(rows):
            writer.write(block)
