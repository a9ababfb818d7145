"""BM25 and vectors in one SQL statement, fused by standardised scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from pgvector import HalfVector
from psycopg.sql import SQL, Composable, Composed, Identifier, Placeholder
from psycopg.types.json import Jsonb

from ragdiet.analysis import Analyzer, analyzer, term_numbers
from ragdiet.errors import DimensionMismatch, InvalidArgument
from ragdiet.retrieve.rewrite import without_question_words
from ragdiet.types import Hit, Hits

if TYPE_CHECKING:
    import psycopg
    from numpy.typing import NDArray

    from ragdiet.protocols import Database
    from ragdiet.types import Space

# Up to here every vector is compared: exact, and over 5,000 chunks as fast as HNSW, with less to go wrong.
_EXACT_UP_TO = 10_000


class HybridRetriever:
    """Finds chunks by BM25 and by cosine, and orders them by the weighted sum of both scores.

    Each leg's scores are standardised by the mean and deviation of its best ``depth`` hits; every
    candidate of either leg is scored in both. ``dense_weight`` in [0, 1] is the share of the dense
    leg, by default the one measured for the space's model. ``keyword=False`` or ``dense=False``
    switch a leg off. Words such as "which" and "does" are no terms of the keyword leg unless
    ``question_words=True``.
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
        weight = space.fusion_weight if dense_weight is None else dense_weight
        if not 0 <= weight <= 1:
            raise InvalidArgument(f"dense_weight is {weight}: give a share between 0 and 1")
        if depth < 1:
            raise InvalidArgument(f"depth is {depth}: give at least 1")
        self._database = database
        self._space = space
        self._depth = depth
        self._keyword = keyword
        self._dense = dense
        self._question_words = question_words
        self._dense_weight = weight if keyword and dense else float(dense)
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
        parameters: dict[str, Any] = {
            "terms": list(occurrences),
            "occurrences": list(occurrences.values()),
            "vector": self._checked(vector),
            "keyword_depth": depth if self._keyword else 0,
            "dense_depth": depth if self._dense and vector is not None else 0,
            "dense_weight": self._dense_weight if vector is not None else 0.0,
            "k": k,
        }
        with self._database.transaction(tenant=tenant) as connection:
            corpus = connection.execute(
                "SELECT id, chunks, coalesce(next_expiry <= now(), false) FROM ragdiet.corpus "
                "WHERE tenant = %s AND collection = %s",
                (tenant, collection),
            ).fetchone()
            if corpus is None or not corpus[1]:
                return Hits()
            parameters["corpus"] = corpus[0]
            some_expired = corpus[2]
            exact = corpus[1] <= _EXACT_UP_TO or bool(filter) or some_expired
            if not exact:
                _tune_index_scan(connection, depth)
            filtered = _filter_keys(filter, parameters)
            statement = _statement(self._space.name, exact=exact, filtered=filtered, some_expired=some_expired)
            rows = connection.cursor(binary=True).execute(statement, parameters).fetchall()
        return Hits(map(_hit, rows))

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


def _tune_index_scan(connection: psycopg.Connection, depth: int) -> None:
    connection.execute(
        "SELECT set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', 'strict_order', true), "
        "set_config('hnsw.max_scan_tuples', '100000', true)",
        (str(min(1000, 2 * depth)),),
    )


def _filter_keys(filter: Mapping[str, Any] | None, parameters: dict[str, Any]) -> int:
    """Bind each condition of the filter as ``filter_0``, ``filter_1``, ...; returns how many there are."""
    conditions = list((filter or {}).items())
    for number, (key, value) in enumerate(conditions):
        if not isinstance(key, str):
            raise InvalidArgument(f"filter key {key!r} is not text")
        if not isinstance(value, str | int | float | bool | None):
            raise InvalidArgument(f"filter value of {key!r} is a {type(value).__name__}: give text, a number or a bool")
        parameters[f"filter_{number}"] = Jsonb({key: value})
    return len(conditions)


@cache
def _statement(space: str, *, exact: bool, filtered: int, some_expired: bool) -> Composed:
    vectors = Identifier("ragdiet", f"vector_{space}")
    wanted: list[Composable] = [
        SQL("AND (d.meta @> {value} OR c.meta @> {value})").format(value=Placeholder(f"filter_{number}"))
        for number in range(filtered)
    ]
    if some_expired:
        wanted.append(SQL("AND (d.expires_at IS NULL OR d.expires_at > now())"))
    conditions = SQL(" ").join(wanted)

    def allowed(leg: str) -> Composable:
        return SQL(_read("filter.sql")).format(leg=Identifier(leg), conditions=conditions) if wanted else SQL("")

    dense = SQL(_read("dense_exact.sql" if exact else "dense_index.sql"))
    return SQL(_read("hybrid.sql")).format(
        vectors=vectors,
        sentences=Identifier("ragdiet", f"sentence_{space}"),
        dense=dense.format(vectors=vectors, dense_filter=allowed("v")),
        keyword_filter=allowed("l"),
    )


@cache
def _read(name: str) -> str:
    return files("ragdiet.retrieve").joinpath(name).read_text("utf-8")


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
