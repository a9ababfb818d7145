"""pgvector-haystack: its HNSW and GIN indexes are there from the start. All documents go in one call, which
pipelines its INSERTs. Vectors are of type ``halfvec``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from haystack import Document
from haystack.utils import Secret
from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore

from benchmarks.peers.rows import Row

TABLE = "haystack_documents"


class Store:
    def __init__(self, dsn: str, dimensions: int) -> None:
        self._store = PgvectorDocumentStore(
            connection_string=Secret.from_token(dsn),
            embedding_dimension=dimensions,
            vector_type="halfvec",
            search_strategy="hnsw",
            hnsw_index_creation_kwargs={"m": 16, "ef_construction": 64},
        )
        self._store.count_documents()  # it makes its table and indexes at the first call

    def loader(self, rows: Sequence[Row], vectors: list[list[float]]) -> Callable[[], None]:
        documents = [
            Document(id=row.id, content=row.text, meta=row.meta, embedding=vector)
            for row, vector in zip(rows, vectors, strict=True)
        ]

        def load() -> None:
            self._store.write_documents(documents)

        return load
