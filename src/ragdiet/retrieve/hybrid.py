"""BM25 and vectors in one SQL statement, fused by standardised scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pgvector import HalfVector

from ragdiet.analysis import Analyzer, analyzer, corpus_terms, term_numbers
from ragdiet.errors import DimensionMismatch, InvalidArgument
from ragdiet.retrieve.rewrite import without_question_words
from ragdiet.retrieve.statement import Collection, find_collection, statement
from ragdiet.types import Hit, Hits

if TYPE_CHECKING:
    import psycopg
    from numpy.typing import NDArray

    from ragdiet.protocols import Database
    from ragdiet.types import Space

_FIRST_PASS = 5_000
"""Chunks of the rarest terms that are scored before the rest is bounded: of 300 to 5,000 the fastest at 200,000."""


class HybridRetriever:
    """Finds chunks by BM25 and by cosine, and orders them by the weighted sum of both scores.

    Each leg's scores are standardised by the mean and deviation of its best ``depth`` hits; every
    candidate of either leg is scored in both. ``dense_weight`` in [0, 1] is the share of the dense leg,
    by default the one learnt for the collection, or else the one measured for the space's model.
    ``keyword=False`` or ``dense=False`` switch a leg off. Words such as "which" and "does" are no terms
    of the keyword leg unless ``question_words=True``.
    """

    def __init__(
        self,
        database: Database,
        space: Space,
        *,
        dense_weight: float | None = None,
        depth: int = 100,
        keyword: bool = True,
        dense: bool = True,
        question_words: bool = False,
        words: Analyzer | None = None,
    ) -> None:
        if not (keyword or dense):
            raise InvalidArgument("a retriever needs a leg: set keyword=True or dense=True")
        if dense_weight is not None and not 0 <= dense_weight <= 1:
            raise InvalidArgument(f"dense_weight is {dense_weight}: give a share between 0 and 1")
        if depth < 1:
            raise InvalidArgument(f"depth is {depth}: give at least 1")
        self._database = database
        self._space = space
        self._depth = depth
        self._keyword = keyword
        self._dense = dense
        self._question_words = question_words
        self._dense_weight = dense_weight
        self._analyzer = words or analyzer()

    @property
    def needs_vector(self) -> bool:
        """Whether ``retrieve`` must be given the question's vector."""
        return self._dense

    def retrieve(
        self,
        question: str,
        vector: NDArray[np.float32] | None,
        *,
        k: int,
        tenant: str = "",
        collection: str = "default",
        filter: Mapping[str, Any] | None = None,
    ) -> Hits:
        """The ``k`` best chunks. ``vector``: the question's, float32, (dimensions,), unit length; without
        one the keyword leg answers alone.

        ``filter`` keeps chunks whose metadata, or whose document's, has each of these values.
        A collection that was never filled gives no hits.
        """
        depth = max(self._depth, k)
        words = question if self._question_words else without_question_words(question)
        occurrences = term_numbers(self._analyzer.terms(words)) if self._keyword else {}
        use_dense = self._dense and vector is not None
        parameters: dict[str, Any] = {
            "occurrences": list(occurrences.values()),
            "vector": self._checked(vector),
            "first_pass": _FIRST_PASS,
            "use_dense": use_dense,
            "k": k,
        }

        def search(connection: psycopg.Connection) -> Sequence[Sequence[Any]]:
            found = find_collection(
                connection, self._space, tenant=tenant, collection=collection, ef_search=min(1000, 2 * depth)
            )
            if found is None or not found.chunks:
                return ()
            parameters["corpus"] = found.id
            parameters["terms"] = corpus_terms(np.array([*occurrences], np.int32), found.id).tolist()
            parameters["dense_weight"] = self._weight(found) if use_dense else 0.0
            query = statement(self._space, found.way, depth=depth, dense=use_dense)
            return connection.cursor(binary=True).execute(query, parameters, prepare=True).fetchall()

        return _hits(self._database.run(search, tenant=tenant, read_only=True))

    def _weight(self, collection: Collection) -> float:
        """The given weight, or else the one that was learnt for the collection, or else the model's."""
        if not self._keyword:
            return 1.0
        for weight in (self._dense_weight, collection.dense_weight):
            if weight is not None:
                return weight
        return self._space.fusion_weight

    def _checked(self, vector: NDArray[np.float32] | None) -> HalfVector:
        if vector is None or not self._dense:
            return HalfVector(np.ones(self._space.dimensions, np.float16))
        if vector.shape != (self._space.dimensions,):
            raise DimensionMismatch(
                f"the question's vector has shape {vector.shape}, space {self._space.name!r} holds "
                f"({self._space.dimensions},): embed the question with the model that embedded the documents",
                expected=self._space.dimensions,
                actual=vector.size,
            )
        if not np.isfinite(vector).all():
            raise InvalidArgument("the question's vector holds NaN or infinity: the embedder is broken")
        return HalfVector(vector)


def _hits(rows: Sequence[Sequence[Any]]) -> Hits:
    found = {"keyword": rows[0][16], "dense": rows[0][17]} if rows else {}
    return Hits(map(_hit, rows), found=found)


def _hit(row: Sequence[Any]) -> Hit:
    spans = row[14]
    return Hit(
        chunk_id=row[0],
        document_id=row[1],
        text=row[2],
        score=row[3],
        dense_rank=row[4],
        keyword_rank=row[5],
        title=row[6],
        uri=row[7],
        meta=row[8],
        start=row[9],
        end=row[10],
        dense_score=row[11],
        keyword_score=row[12],
        tokens=row[13],
        sentences=tuple(zip(spans[::2], spans[1::2], strict=True)),
        sentence_vectors=None if row[15] is None else np.stack([vector.to_numpy() for vector in row[15]]),
    )
