"""llama-index-vector-stores-postgres: its HNSW and GIN indexes are there from the start, its tsvector is a
generated column. Vectors are of type ``halfvec``; blocks are of the size that its VectorStoreIndex inserts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode
from llama_index.vector_stores.postgres import PGVectorStore

from benchmarks.peers.address import sqlalchemy_url
from benchmarks.peers.rows import Row, blocks

TABLE = "data_chunks"
_BLOCK = 2_048


class Store:
    def __init__(self, dsn: str, dimensions: int) -> None:
        self._store = PGVectorStore.from_params(
            connection_string=sqlalchemy_url(dsn, "psycopg2"),
            async_connection_string=sqlalchemy_url(dsn, "asyncpg"),
            table_name="chunks",
            embed_dim=dimensions,
            hybrid_search=True,
            text_search_config="english",
            use_halfvec=True,
            hnsw_kwargs={
                "hnsw_m": 16,
                "hnsw_ef_construction": 64,
                "hnsw_ef_search": 40,
                "hnsw_dist_method": "halfvec_cosine_ops",
            },
        )
        self._store.add([])  # it makes its table and indexes at the first call

    def loader(self, rows: Sequence[Row], vectors: list[list[float]]) -> Callable[[], None]:
        nodes = [
            TextNode(
                id_=row.id,
                text=row.text,
                metadata=row.meta,
                embedding=vector,
                relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=row.document)},
            )
            for row, vector in zip(rows, vectors, strict=True)
        ]

        def load() -> None:
            for block in blocks(len(nodes), _BLOCK):
                self._store.add(nodes[block])

        return load

    def hybrid(self, question: str, vector: list[float], k: int) -> list[str]:
        """The documents of its ``k`` nearest rows by vector and then of its ``k`` best by ts_rank over or'ed words,
        in that order: it fuses nothing."""
        found = self._store.query(
            VectorStoreQuery(
                query_embedding=vector,
                query_str=question,
                similarity_top_k=k,
                sparse_top_k=k,
                mode=VectorStoreQueryMode.HYBRID,
            )
        )
        return [str(node.metadata["document"]) for node in found.nodes or ()]
