"""A store full of passages, what the retriever asks of it, and what an exact search would find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector.psycopg import register_vector

from benchmarks.retrieval_corpus import Passage
from ragdiet import RAG, Document, HybridRetriever, Quality
from ragdiet.types import Chunk

if TYPE_CHECKING:
    from benchmarks.retrieval_vectors import LookedUp
    from ragdiet.store import Database

_TIES = 1e-5  # cosines nearer than this are taken for equal: the store's halfvecs have 11 bits

T = TypeVar("T")


class WholeChunker:
    """Each document is one chunk."""

    version = "whole-v1"

    def chunk(self, document: Document) -> tuple[Chunk, ...]:
        text = document.text
        return (Chunk(ordinal=0, text=text, start=0, end=len(text), tokens=len(text) // 4),)


def opened(dsn: str, embedder: LookedUp) -> RAG:
    return RAG.connect(dsn, embedder=embedder, chunker=WholeChunker(), quality=Quality.off(), embedding_cache=False)


def documents(passages: Sequence[Passage], metas: Sequence[Mapping[str, Any]] | None = None) -> list[Document]:
    return [
        Document(passage.id, passage.text, meta=metas[place] if metas else {}) for place, passage in enumerate(passages)
    ]


class ExactSearch:
    """The cosine of every vector with a question, both rounded as the store rounds them."""

    def __init__(self, ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
        self._places = {id: place for place, id in enumerate(ids)}
        self._vectors = _rounded(vectors)
        self._vectors /= np.linalg.norm(self._vectors, axis=1, keepdims=True)

    def recall(
        self, found: Sequence[str], vector: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> float:
        """Share of the ``k`` nearest, of those that are allowed, among what was found; equally near ones serve.

        Worked: of cosines .9, .8, .8 and .1 the second .8 is as good a second as the first.
        """
        question = _rounded(vector)
        cosines = self._vectors @ (question / np.linalg.norm(question))
        if allowed is not None:
            cosines = np.where(allowed, cosines, -np.inf)
        wanted = min(k, int(np.isfinite(cosines).sum()))
        least = np.partition(cosines, -wanted)[-wanted] - _TIES
        return sum(cosines[self._places[id]] >= least for id in found[:k]) / wanted


def _rounded(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors.astype(np.float16).astype(np.float32)


def found_by(
    retriever: HybridRetriever, embedder: LookedUp, question: str, filter: Any = None, *, k: int = 10, tenant: str = ""
) -> list[str]:
    hits = retriever.retrieve(question, embedder.of(question), k=k, filter=filter, tenant=tenant)
    return [hit.document_id for hit in hits]


class Recorder:
    """A ``Database`` that keeps what is executed in it: statements with their parameters, in order."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.statements: list[tuple[Any, Any]] = []

    @property
    def is_lent(self) -> bool:
        return self._database.is_lent

    @contextmanager
    def transaction(self, **options: Any) -> Iterator[psycopg.Connection]:
        with self._database.transaction(**options) as connection:
            yield _Recorded(connection, self.statements)  # type: ignore[misc]  # one in all that is asked of it

    def run(self, work: Callable[[psycopg.Connection], T], **options: Any) -> T:
        return self._database.run(lambda connection: work(_Recorded(connection, self.statements)), **options)  # type: ignore[arg-type]


class _Recorded:
    """A connection or cursor that notes what it executes."""

    def __init__(self, inner: Any, statements: list[tuple[Any, Any]]) -> None:
        self._inner = inner
        self._statements = statements

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def cursor(self, *arguments: Any, **options: Any) -> _Recorded:
        return _Recorded(self._inner.cursor(*arguments, **options), self._statements)

    def execute(self, query: Any, parameters: Any = None, **options: Any) -> Any:
        self._statements.append((query, parameters))
        return self._inner.execute(query, parameters, **options)


class BareSql:
    """The statement that finds the hits, with the parameters that the retriever gave it, by psycopg alone.

    What the retriever executes before it, such as its settings, is executed untimed, in the same transaction.
    """

    def __init__(self, dsn: str, rag: RAG, retrieve: Mapping[str, Any] | None = None) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True)
        register_vector(self._connection)
        self._recorder = Recorder(rag.store)
        self._retriever = HybridRetriever(self._recorder, rag.space, **(retrieve or {}))
        self._recorded: dict[str, tuple[list[tuple[Any, Any]], int]] = {}

    def record(self, question: str, vector: NDArray[np.float32]) -> None:
        self._recorder.statements.clear()
        hits = self._retriever.retrieve(question, vector, k=10)
        made = self._recorder.statements
        # After it the retriever counts the blocks that were read; by far the longest is the one that finds the hits.
        finds = max(range(len(made)), key=lambda number: len(str(made[number][0])))
        self._recorded[question] = (made[: finds + 1], len(hits))

    def run(self, question: str, clock: Callable[[], float]) -> float:
        """Seconds of the statement, its rows fetched."""
        (*before, (statement, parameters)), hits = self._recorded[question]
        with self._connection.transaction(), self._connection.cursor(binary=True) as cursor:
            for query, bound in before:
                cursor.execute(query, bound)
            began = clock()
            rows = cursor.execute(statement, parameters, prepare=True).fetchall()
            seconds = clock() - began
        assert len(rows) >= hits, "the retriever's longest statement is not the one that finds the hits"
        return seconds

    def close(self) -> None:
        self._connection.close()
