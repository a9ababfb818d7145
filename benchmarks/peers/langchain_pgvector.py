"""langchain-postgres, the class PGVector: an INSERT of many rows a block.

It has no keyword index, and builds no HNSW index of its own: it is made by SQL after the load, the fast
way. Its vectors are of type ``vector``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_postgres import PGVector
from sqlalchemy import create_engine, text

from benchmarks.peers.address import sqlalchemy_url
from benchmarks.peers.rows import Row, blocks

TABLE = "langchain_pg_embedding"
_BLOCK = 1_000  # rows of an INSERT; its parameters are limited to 65,535


class Store:
    def __init__(self, dsn: str, dimensions: int) -> None:
        self._engine = create_engine(sqlalchemy_url(dsn, "psycopg"))
        self._store = PGVector(
            DeterministicFakeEmbedding(size=dimensions), connection=self._engine, embedding_length=dimensions
        )

    def loader(self, rows: Sequence[Row], vectors: list[list[float]]) -> Callable[[], None]:
        ids, texts, metas = [row.id for row in rows], [row.text for row in rows], [row.meta for row in rows]

        def load() -> None:
            for block in blocks(len(rows), _BLOCK):
                self._store.add_embeddings(texts[block], vectors[block], metas[block], ids[block])
            with self._engine.begin() as connection:
                connection.execute(
                    text(
                        f"CREATE INDEX ON {TABLE} USING hnsw (embedding vector_cosine_ops) "
                        "WITH (m = 16, ef_construction = 64)"
                    )
                )

        return load
