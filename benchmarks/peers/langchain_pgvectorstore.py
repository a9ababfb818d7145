"""langchain-postgres, the newer class PGVectorStore: a transaction a row; HNSW and GIN built after the load."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_postgres import PGEngine, PGVectorStore
from langchain_postgres.v2.hybrid_search_config import HybridSearchConfig
from langchain_postgres.v2.indexes import HNSWIndex

from benchmarks.peers.address import sqlalchemy_url
from benchmarks.peers.rows import Row

TABLE = "chunks"
_KEYWORD_COLUMN = "content_tsv"
_LANGUAGE = "pg_catalog.english"
_CANDIDATES = 40  # of each leg: as many as HNSW gives at its default ef_search; the default of 4 is too few to fuse


class Store:
    def __init__(self, dsn: str, dimensions: int) -> None:
        engine = PGEngine.from_connection_string(sqlalchemy_url(dsn, "psycopg"))
        keyword = HybridSearchConfig(tsv_column=_KEYWORD_COLUMN, tsv_lang=_LANGUAGE)
        engine.init_vectorstore_table(TABLE, dimensions, hybrid_search_config=keyword)
        self._store = PGVectorStore.create_sync(
            engine, DeterministicFakeEmbedding(size=dimensions), TABLE, hybrid_search_config=keyword
        )

    def loader(self, rows: Sequence[Row], vectors: list[list[float]]) -> Callable[[], None]:
        ids, texts, metas = [row.id for row in rows], [row.text for row in rows], [row.meta for row in rows]

        def load() -> None:
            self._store.add_embeddings(texts, vectors, metas, ids)
            self._store.apply_vector_index(HNSWIndex(m=16, ef_construction=64))
            self._store.apply_hybrid_search_index()

        return load

    def hybrid(self, question: str, vector: list[float], k: int) -> list[str]:
        """The documents of the ``k`` best rows by the sum of both legs' scores, each scaled to [0, 1]; ts_rank_cd of
        what holds every word of the question, since its plainto_tsquery asks for all of them."""
        hybrid = HybridSearchConfig(
            tsv_column=_KEYWORD_COLUMN,
            tsv_lang=_LANGUAGE,
            fts_query=question,
            primary_top_k=_CANDIDATES,
            secondary_top_k=_CANDIDATES,
        )
        found = self._store.similarity_search_with_score_by_vector(vector, k=k, hybrid_search_config=hybrid)
        return [str(document.metadata["document"]) for document, _ in found]
