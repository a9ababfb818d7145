"""New chunks into their tables by binary COPY: text as it is, vectors as binary halfvec and sparsevec."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import psycopg
from pgvector import HalfVector, SparseVector
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from ragdiet import bm25
from ragdiet.analysis import TERM_SPACE
from ragdiet.errors import DimensionMismatch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragdiet.store.changes import NewChunk
    from ragdiet.types import Space


def copy_chunks(
    connection: psycopg.Connection,
    space: Space,
    corpus_id: int,
    average_length: float,
    added: Sequence[tuple[int, NewChunk]],
    vectors_only: Sequence[NewChunk],
) -> None:
    """Write ``added``, pairs of a document id and its chunk, and the vectors of stored chunks that lack them."""
    ids = [
        row[0]
        for row in connection.execute(
            "SELECT nextval(pg_get_serial_sequence('ragdiet.chunk', 'id')) FROM generate_series(1, %s)", (len(added),)
        )
    ]
    _copy(
        connection,
        "chunk",
        "id document_id ordinal text hash tokens start_offset end_offset meta sentences",
        "int8 int8 int4 text bytea int4 int4 int4 jsonb int4[]",
        (
            (
                chunk_id,
                document_id,
                new.chunk.ordinal,
                new.chunk.text,
                new.hash,
                new.chunk.tokens,
                new.chunk.start,
                new.chunk.end,
                Jsonb(dict(new.chunk.meta)),
                [offset for span in new.chunk.sentences for offset in span],
            )
            for chunk_id, (document_id, new) in zip(ids, added, strict=True)
        ),
    )
    _copy(
        connection,
        "lexical",
        "chunk_id corpus_id length terms weights",
        "int8 int4 int4 int4[] sparsevec",
        (
            (
                chunk_id,
                corpus_id,
                new.term_counts.total(),
                sorted(new.term_counts),
                sparse_weights(bm25.weights(new.term_counts, new.term_counts.total(), average_length)),
            )
            for chunk_id, (_, new) in zip(ids, added, strict=True)
        ),
    )
    embedded = [(chunk_id, new) for chunk_id, (_, new) in zip(ids, added, strict=True)]
    embedded += [(new.chunk_id, new) for new in vectors_only if new.chunk_id is not None]
    _copy(
        connection,
        f"vector_{space.name}",
        "chunk_id corpus_id embedding",
        "int8 int4 halfvec",
        ((chunk_id, corpus_id, _half(new.vector, space)) for chunk_id, new in embedded if new.vector is not None),
    )
    _copy(
        connection,
        f"sentence_{space.name}",
        "chunk_id embeddings",
        "int8 halfvec[]",
        (
            (chunk_id, [_half(vector, space) for vector in new.sentence_vectors])
            for chunk_id, new in embedded
            if new.sentence_vectors is not None and len(new.sentence_vectors)
        ),
    )


def sparse_weights(weights: dict[int, float]) -> SparseVector:
    """Weights by term number (from 1) as a sparsevec, whose indices count from 0 on the Python side."""
    return SparseVector({term - 1: weight for term, weight in weights.items()}, TERM_SPACE)


def _copy(
    connection: psycopg.Connection, table: str, columns: str, types: str, rows: Iterable[tuple[Any, ...]]
) -> None:
    statement = SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        Identifier("ragdiet", table), SQL(", ").join(map(Identifier, columns.split()))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types.split())
        for row in rows:
            copy.write_row(row)


def _half(vector: NDArray[np.float32], space: Space) -> HalfVector:
    if len(vector) != space.dimensions:
        raise DimensionMismatch(
            f"a vector of {len(vector)} dimensions does not fit space {space.name!r} of {space.dimensions}: the "
            "embedder returns another length than its space declares",
            expected=space.dimensions,
            actual=len(vector),
        )
    return HalfVector(vector)
