"""pgvector-haystack: its HNSW and GIN indexes are there from the start. All documents go in one call, which
pipelines its INSERTs. Vectors are of type ``halfvec``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from haystack import Document
from haystack.components.joiners import DocumentJoiner
from haystack.utils import Secret
from haystack_integrations.components.retrievers.pgvector import PgvectorEmbeddingRetriever, PgvectorKeywordRetriever
from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore

from benchmarks.peers.rows import Row

TABLE = "haystack_documents"
_CANDIDATES = 40  # of each leg: as many as HNSW gives at its default ef_search


class Store:
    def __init__(self, dsn: str, dimensions: int) -> None:
        self._store = PgvectorDocumentStore(
            connection_string=Secret.from_token(dsn),
            embedding_dimension=dimensions,
            vector_type="halfvec",
            search_strategy="hnsw",
            hnsw_index_creation_kwargs={"m": 16, "ef_construction": 64},
        )
        self._embedding = PgvectorEmbeddingRetriever(document_store=self._store, top_k=_CANDIDATES)
        self._keyword = PgvectorKeywordRetriever(document_store=self._store, top_k=_CANDIDATES)
        self._joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion")
        self._store.count_documents()  # it makes its table and indexes at the first call

    def loader(self, rows: Sequence[Row], vectors: list[list[float]]) -> Callable[[], None]:
        documents = [
            Document(id=row.id, content=row.text, meta=row.meta, embedding=vector)
            for row, vector in zip(rows, vectors, strict=True)
        ]

        def load() -> None:
            self._store.write_documents(documents)

        return load

    def hybrid(self, question: str, vector: list[float], k: int) -> list[str]:
        """The documents of the ``k`` best rows by reciprocal rank fusion of those by vector and those by ts_rank_cd;
        its plainto_tsquery asks for every word of the question."""
        nearest = self._embedding.run(query_embedding=vector)["documents"]
        worded = self._keyword.run(query=question)["documents"]
        found = self._joiner.run(documents=[nearest, worded], top_k=k)["documents"]
        return [str(document.meta["document"]) for document in found]
