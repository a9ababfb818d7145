"""The embedding cache: what was embedded once is never embedded again.

The store itself is the cache: the vectors of every stored chunk, in any collection of the tenant, are found by
the hash of what was embedded. Tenants share nothing: a text that need not be embedded would tell one of them
that another has it. Only vectors that no chunk holds lie in ``embedding_cache``: those of chunks
that were deleted or replaced, and those of a batch that failed before it could be written. So nothing is
kept twice, and a load that goes well writes nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pgvector import HalfVector
from psycopg.sql import SQL, Composed, Identifier

from ragdiet.types import CachedVectors

if TYPE_CHECKING:
    import psycopg
    from numpy.typing import NDArray

    from ragdiet.store.database import Database
    from ragdiet.types import Space

KEEP_DAYS = 30
"""How long a vector that no chunk holds is kept."""


class EmbeddingCache:
    """One tenant's vectors of one embedding space by the hash of the text that was embedded."""

    def __init__(self, database: Database, space: Space, *, tenant: str) -> None:
        self._database = database
        self._tenant = tenant
        self._space = space
        self._find = _find_statement(space.name)

    def get(self, hashes: Sequence[bytes]) -> dict[bytes, CachedVectors]:
        """The vectors that are stored already, float32, by hash."""

        def read(connection: psycopg.Connection) -> dict[bytes, CachedVectors]:
            rows = connection.cursor(binary=True).execute(self._find, self._wanted(hashes))
            return {
                digest: CachedVectors(
                    vector=_numbers(embedding),
                    sentence_vectors=None if sentences is None else np.stack([_numbers(each) for each in sentences]),
                    token_bits=bits or b"",
                )
                for digest, embedding, sentences, bits in rows
            }

        return self._database.run(read, tenant=self._tenant, repeatable=True)

    def has(self, hashes: Sequence[bytes]) -> set[bytes]:
        """Which of these are stored already, without reading their vectors."""

        def read(connection: psycopg.Connection) -> set[bytes]:
            rows = connection.execute(
                SQL("SELECT hash FROM ({}) AS found").format(self._find),
                self._wanted(hashes),
            )
            return {row[0] for row in rows}

        return self._database.run(read, tenant=self._tenant, repeatable=True)

    def put(self, vectors: Mapping[bytes, CachedVectors]) -> None:
        """Keep vectors that no chunk holds yet."""

        def write(connection: psycopg.Connection) -> None:
            connection.cursor().executemany(
                "INSERT INTO ragdiet.embedding_cache (tenant, space, hash, embedding, sentence_embeddings) "
                "VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [
                    (
                        self._tenant,
                        self._space.name,
                        digest,
                        HalfVector(cached.vector),
                        None if cached.sentence_vectors is None else [HalfVector(v) for v in cached.sentence_vectors],
                    )
                    for digest, cached in vectors.items()
                ],
            )

        self._database.run(write, tenant=self._tenant, repeatable=True)

    def _wanted(self, hashes: Sequence[bytes]) -> dict[str, object]:
        return {"tenant": self._tenant, "space": self._space.name, "hashes": list(hashes)}

    def prune(self) -> int:
        """Forget vectors that no chunk has held for KEEP_DAYS days; returns how many."""
        return self._database.run(
            lambda connection: (
                connection.execute(
                    "DELETE FROM ragdiet.embedding_cache WHERE cached_at < now() - make_interval(days => %s)",
                    (KEEP_DAYS,),
                ).rowcount
            ),
            tenant=self._tenant,
            repeatable=True,
        )


def keep_vectors(connection: psycopg.Connection, space: Space, tenant: str, chunk_ids: Sequence[int]) -> None:
    """Copy the vectors of chunks that are about to go into the cache."""
    connection.execute(
        SQL(
            "INSERT INTO ragdiet.embedding_cache (tenant, space, hash, embedding, sentence_embeddings) "
            "SELECT DISTINCT ON (c.hash) %s, %s, c.hash, v.embedding, s.embeddings FROM ragdiet.chunk c "
            "JOIN {vectors} v ON v.chunk_id = c.id LEFT JOIN {sentences} s ON s.chunk_id = c.id "
            "WHERE c.id = ANY(%s) ORDER BY c.hash ON CONFLICT (tenant, space, hash) DO UPDATE SET cached_at = now()"
        ).format(
            vectors=Identifier("ragdiet", f"vector_{space.name}"),
            sentences=Identifier("ragdiet", f"sentence_{space.name}"),
        ),
        (tenant, space.name, list(chunk_ids)),
    )


def _find_statement(space: str) -> Composed:
    return SQL(
        "SELECT DISTINCT ON (c.hash) c.hash, v.embedding, s.embeddings, t.bits FROM ragdiet.chunk c "
        "JOIN {vectors} v ON v.chunk_id = c.id LEFT JOIN {sentences} s ON s.chunk_id = c.id "
        "LEFT JOIN ragdiet.token_bits t ON t.chunk_id = c.id "
        "WHERE c.hash = ANY(%(hashes)s) AND c.corpus_id IN (SELECT id FROM ragdiet.corpus WHERE tenant = %(tenant)s) "
        "UNION ALL SELECT hash, embedding, sentence_embeddings, NULL FROM ragdiet.embedding_cache "
        "WHERE tenant = %(tenant)s AND space = %(space)s AND hash = ANY(%(hashes)s)"
    ).format(vectors=Identifier("ragdiet", f"vector_{space}"), sentences=Identifier("ragdiet", f"sentence_{space}"))


def _numbers(vector: HalfVector) -> NDArray[np.float32]:
    return vector.to_numpy().astype(np.float32)
