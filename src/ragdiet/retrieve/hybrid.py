"""BM25 and vectors in one SQL statement, fused by standardised scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pgvector import HalfVector

from ragdiet.analysis import Analyzer, analyzer, corpus_terms, term_numbers
from ragdiet.errors import DimensionMismatch, InvalidArgument
from ragdiet.filters import as_filter
from ragdiet.observe import blocks_read
from ragdiet.retrieve.collection import Collection, find_collection
from ragdiet.retrieve.hybrid_statement import Fusion, hybrid_statement
from ragdiet.retrieve.question import parse_question
from ragdiet.retrieve.refine import REFINED, refined
from ragdiet.retrieve.restriction import restriction
from ragdiet.types import Hit, Hits

if TYPE_CHECKING:
    import psycopg
    from numpy.typing import NDArray

    from ragdiet.filters import FilterLike
    from ragdiet.protocols import Database, Embedder
    from ragdiet.types import Space

_FIRST_PASS = 5_000
"""Chunks of the rarest terms that are scored before the rest is bounded: of 300 to 5,000 the fastest at 200,000."""

_EF_SEARCH = ((0.98, 1), (0.99, 2), (0.999, 4))
"""For a recall@10, the hnsw.ef_search for each candidate of the dense leg that reached it: 20,000 chunks by MiniLM."""
_ALL = 10

_BLOCKS = """
SELECT coalesce(sum(pg_stat_get_xact_blocks_fetched(oid) - pg_stat_get_xact_blocks_hit(oid)), 0)::bigint
FROM pg_class WHERE relnamespace IN ('ragdiet'::regnamespace, 'pg_toast'::regnamespace)
"""
"""Blocks that this connection has read from storage, ever more within a transaction: of tables, indexes and TOAST."""


class HybridRetriever:
    """Finds chunks by BM25 and by cosine, and orders them by the weighted sum of both scores.

    Each leg's scores are standardised by the mean and deviation of its best ``depth`` hits; every
    candidate of either leg is scored in both. ``dense_weight`` in [0, 1] is the share of the dense leg,
    by default the one learnt for the collection, or else the one measured for the space's model.
    ``fusion="ranks"`` fuses by reciprocal rank instead. ``keyword=False`` or ``dense=False`` switch a leg off.
    ``refine``: the first hits are put in order anew (see ``ragdiet.retrieve.refine``), with ``token_model``,
    which gives token vectors, by late interaction too where an ingest stored token bits. Words such as
    "which" and "does" are no terms of the keyword leg unless ``question_words=True``. ``words`` is the
    analyzer, by default that of the collection's language. ``recall``, in (0, 1], is the share of the nearest
    ten that the vector index is to find; it is approximate, and ``doctor`` measures what it comes to.
    """

    def __init__(
        self,
        database: Database,
        space: Space,
        *,
        dense_weight: float | None = None,
        depth: int = 100,
        fusion: Fusion = "scores",
        refine: bool = True,
        token_model: Embedder | None = None,
        keyword: bool = True,
        dense: bool = True,
        question_words: bool = False,
        words: Analyzer | None = None,
        recall: float = 0.99,
    ) -> None:
        if not (keyword or dense):
            raise InvalidArgument("a retriever needs a leg: set keyword=True or dense=True")
        if fusion not in ("scores", "ranks"):
            raise InvalidArgument(f"fusion is {fusion!r}: give 'scores' or 'ranks'")
        if dense_weight is not None:
            check_weight(dense_weight)
        if depth < 1:
            raise InvalidArgument(f"depth is {depth}: give at least 1")
        if not 0 < recall <= 1:
            raise InvalidArgument(f"recall is {recall}: give a share above 0, at most 1")
        self._database = database
        self._space = space
        self._ef_search = next((each for least, each in _EF_SEARCH if recall <= least), _ALL)
        self._depth = depth
        self._fusion: Fusion = fusion
        self._refine = refine and keyword and dense and fusion == "scores"
        self._token_model = token_model
        self._keyword = keyword
        self._dense = dense
        self._question_words = question_words
        self._dense_weight = dense_weight
        self._words = words

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
        filter: FilterLike | None = None,
        dense_weight: float | None = None,
    ) -> Hits:
        """The ``k`` best chunks. ``vector``: the question's, float32, (dimensions,), unit length; without
        one the keyword leg answers alone.

        ``filter`` is an expression of ``F`` or a mapping of metadata that a chunk, or its document, must have.
        The question may hold "exact phrases" and -exclusions (see ``parse_question``). ``dense_weight`` is for
        this search alone. A collection that was never filled gives no hits. Raises InvalidArgument,
        UnknownFilterKey, FilterTypeMismatch, DimensionMismatch.
        """
        if dense_weight is not None:
            check_weight(dense_weight)
        wanted = as_filter(filter)
        depth = max(self._depth, k)
        checked = self._checked(vector)
        use_dense = self._dense and vector is not None
        refines = self._refine and use_dense
        tokens = _token_vectors(self._token_model, question) if self._token_model and refines else None
        weight = 0.0
        version = None

        def search(connection: psycopg.Connection) -> tuple[psycopg.Cursor[Any], ...] | None:
            nonlocal weight, version
            found = find_collection(
                connection,
                self._space,
                tenant=tenant,
                collection=collection,
                ef_search=self._ef_search * depth,
                filtered=wanted is not None,
            )
            if found is None or not found.chunks:
                return None
            version = found.version
            words = self._words or analyzer(found.language)
            asked = parse_question(question, words, question_words=self._question_words)
            limits = restriction(connection, found, asked, wanted, words)
            occurrences = term_numbers(asked.terms.elements()) if self._keyword else {}
            weight = self._weight(found, dense_weight) if use_dense else 0.0
            parameters: dict[str, Any] = {
                **limits.parameters,
                "corpus": found.id,
                "terms": corpus_terms(np.array([*occurrences], np.int32), found.id).tolist(),
                "occurrences": list(occurrences.values()),
                "first_pass": _FIRST_PASS,
                "vector": checked,
                "use_dense": use_dense,
                "dense_weight": weight,
                "chosen": limits.chosen,
                "k": max(k, REFINED) if refines else k,
            }
            query = hybrid_statement(
                self._space,
                found.way if limits.chosen is None else "chosen",
                depth=depth,
                restriction=limits,
                dense=use_dense,
                fusion=self._fusion,
                tokens=tokens is not None,
            )
            cursor = connection.cursor(binary=True)
            before = connection.execute(_BLOCKS, prepare=True)
            cursor.execute(query, parameters, prepare=None if wanted is not None else True)
            return cursor, before, connection.execute(_BLOCKS, prepare=True)

        answered = self._database.run(search, tenant=tenant, read_only=True, pipelined=True)
        if answered is None:
            return Hits()
        cursor, before, after = answered
        rows = cursor.fetchall()
        blocks_read(_counted(after) - _counted(before))
        if not rows:
            return Hits()
        hits = [_hit(row) for row in rows]
        if refines and vector is not None:
            hits = refined(
                hits,
                vector,
                dense_weight=weight,
                dense_deviation=rows[0][18],
                question_tokens=tokens,
                token_bits=() if tokens is None else [row[19] or b"" for row in rows],
            )
        return Hits(hits[:k], found={"keyword": rows[0][16], "dense": rows[0][17]}, version=version)

    def _weight(self, collection: Collection, given: float | None) -> float:
        """The given weight, or else the one that was learnt for the collection, or else the model's."""
        if not self._keyword:
            return 1.0
        for weight in (given, self._dense_weight, collection.dense_weight):
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


def _counted(cursor: psycopg.Cursor[Any]) -> int:
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def check_weight(weight: float) -> None:
    if not 0 <= weight <= 1:
        raise InvalidArgument(f"dense_weight is {weight}: give a share between 0 and 1")


def _token_vectors(model: Embedder, question: str) -> NDArray[np.float32] | None:
    vectors = model.embed([question], kind="query").token_vectors
    return vectors[0] if vectors else None


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
