"""Rows into the store, over raw binary COPY of the same rows, and beside other libraries.

Raw COPY sends prebuilt bytes of documents, chunks and vectors into ragdiet's own tables, foreign keys and btrees
included, in one transaction. ragdiet starts from chunks and vectors at hand. Three depths: these rows only; with
BM25, its weights, the corpus's word statistics and the GIN index, from terms at hand and from the text; and with
everything, through ``RAG.ingest``, HNSW included, which is what the peers are asked for.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Literal, TypeAlias

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.sql import SQL, Identifier

from benchmarks import corpus_text
from benchmarks.ingest_settings import Row, Settings
from benchmarks.peers import rows as peer_rows
from benchmarks.peers import runner
from benchmarks.timing import in_turn, rate
from ragdiet import RAG, Quality
from ragdiet.analysis import analyzer
from ragdiet.embed import text_hash
from ragdiet.store import (
    Database,
    DocumentChange,
    DocumentStore,
    NewChunk,
    ensure_corpus,
    refreeze_average_length,
)
from ragdiet.store.copy import copy_chunks, copy_documents, copy_vectors, reserve_ids
from ragdiet.types import Chunk, Document, Embedding, EmbedKind, Space

_Chunks: TypeAlias = Mapping[str, tuple[Chunk, ...]]
_Vectors: TypeAlias = Mapping[str, NDArray[np.float32]]

DIMENSIONS = 384
GOALS = {"rows only": 0.75, "with BM25": 0.25}
GOAL_OVER_PEERS = 3.0
EVERYTHING = "with all indexes"
SCREENED = "with all indexes, quality gates on"
RAW = "raw COPY"
RAW_ALL = "raw COPY, all tables"
RAW_BUILT_AFTER = "raw COPY, all tables, HNSW and GIN after it"
HNSW_ALONE = "HNSW build alone"

_BLOCK = 1 << 16  # bytes handed to COPY at once
_DOCUMENTS = 4_096  # of each transaction
_TABLES = ("corpus", "document", "chunk")


class PreparedChunker:
    """Hands over chunks that were cut beforehand."""

    version = "prepared-v1"

    def __init__(self, chunks: Mapping[str, tuple[Chunk, ...]]) -> None:
        self._chunks = chunks

    def chunk(self, document: Document) -> tuple[Chunk, ...]:
        return self._chunks[document.id]


class PreparedEmbedder:
    """Looks up vectors that were made beforehand: of each text the sum of a direction for each of its terms."""

    space = Space(name=f"prepared_{DIMENSIONS}", model="benchmark:prepared", dimensions=DIMENSIONS)

    def __init__(self, texts: Sequence[str]) -> None:
        words = analyzer()
        terms = [words.numbers(text) for text in texts]
        places = {term: place for place, term in enumerate(sorted({term for own in terms for term in own}))}
        directions = np.random.default_rng(2026).standard_normal((len(places) + 1, DIMENSIONS)).astype(np.float32)
        self.vectors = np.stack([directions[[places[term] for term in own] or [-1]].sum(axis=0) for own in terms])
        self.vectors /= np.linalg.norm(self.vectors, axis=1, keepdims=True)
        self._places = {text: place for place, text in enumerate(texts)}

    def by_text(self) -> dict[str, NDArray[np.float32]]:
        return {text: self.vectors[place] for text, place in self._places.items()}

    def embed(self, texts: Sequence[str], *, kind: EmbedKind) -> Embedding:
        return Embedding(vectors=self.vectors[[self._places[text] for text in texts]], tokens=0)


def measure(settings: Settings) -> Row:
    documents, chunks = corpus_text.chunked(settings.data, settings.chunks)
    every = [chunk for document in documents for chunk in chunks[document.id]]
    embedder = PreparedEmbedder([chunk.indexed_text for chunk in every])
    print(f"  {len(every):,} chunks of {len(documents):,} documents", flush=True)

    ingest = partial(through_rag, documents, PreparedChunker(chunks), embedder, Quality.off())
    screened = partial(through_rag, documents, PreparedChunker(chunks), embedder, Quality())
    with settings.databases.fresh(embedder.space) as dsn:
        ingest(dsn)
        stored, vectors = stored_rows(dsn, embedder.space)
        prebuilt = {table: exported(dsn, table) for table in (*_TABLES, *_more_tables(embedder.space))}
    vectors_of = embedder.by_text()
    contestants: dict[str, Callable[[str], float]] = {
        RAW: partial(raw_copy, {table: prebuilt[table] for table in (*_TABLES, f"vector_{embedder.space.name}")}),
        "rows only": partial(rows_only, documents, chunks, vectors_of),
        "with BM25": partial(with_bm25, documents, chunks, vectors_of, analysed=True),
        "with BM25 and text analysis": partial(with_bm25, documents, chunks, vectors_of, analysed=False),
        EVERYTHING: ingest,
        SCREENED: screened,
        RAW_ALL: partial(raw_copy, prebuilt, indexes="before"),
        RAW_BUILT_AFTER: partial(raw_copy, prebuilt, indexes="after"),
        HNSW_ALONE: partial(hnsw_build, prebuilt),
    }
    checked = {
        name: partial(_in_fresh_database, settings, run, embedder.space, None if name == SCREENED else len(stored))
        for name, run in contestants.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        peer_rows.save_rows(Path(folder), stored, vectors)
        for module in runner.MODULES if settings.peers else ():
            checked[module] = partial(_peer, settings, module, Path(folder), len(stored))
        seconds = in_turn(checked, settings.rounds)
    return {
        "chunks": len(stored),
        "documents": len(documents),
        "characters": sum(len(row.text) for row in stored),
        "vectors": f"{DIMENSIONS} dimensions, the sum of a random direction for each term of the text",
        "peers": runner.versions(settings.peers) if settings.peers else "left out",
        "rows": table_of(seconds, len(stored)),
    }


def table_of(seconds: Mapping[str, list[float]], chunks: int) -> list[Row]:
    """A row for each contestant: rate, share of raw COPY's, and how many times the peer is outrun."""
    raw, everything = rate(chunks, seconds[RAW]), rate(chunks, seconds[EVERYTHING])
    rows: list[Row] = []
    for name, own in seconds.items():
        row: Row = {
            "contestant": name,
            "seconds": [round(one, 3) for one in own],
            "median_seconds": round(median(own), 3),
            "chunks_per_second": round(rate(chunks, own)),
            "over_raw_copy": round(rate(chunks, own) / raw, 4),
        }
        if name in GOALS:
            row |= {"goal": f">= {GOALS[name]} of raw COPY", "met": rate(chunks, own) / raw >= GOALS[name]}
        if name in runner.MODULES:
            times = everything / rate(chunks, own)
            row |= {"ragdiet_times_peer": round(times, 1), "goal": f">= {GOAL_OVER_PEERS:.0f} times"}
            row["met"] = times >= GOAL_OVER_PEERS
        rows.append(row)
    return rows


def through_rag(
    documents: Sequence[Document], chunker: PreparedChunker, embedder: PreparedEmbedder, quality: Quality, dsn: str
) -> float:
    """Seconds of an ingest by the public door. The peers screen nothing, so ``quality`` is off beside them."""
    with RAG.connect(dsn, embedder=embedder, chunker=chunker, quality=quality) as rag:
        began = time.perf_counter()
        rag.ingest(documents)
        return time.perf_counter() - began


def rows_only(documents: Sequence[Document], chunks: _Chunks, vectors: _Vectors, dsn: str) -> float:
    """Seconds in which the store writes documents, chunks and vectors, from the changes it is given."""
    _drop_indexes(dsn)
    with _database(dsn) as database:
        batches = [_changes(documents[batch], chunks, vectors) for batch in _batches(documents)]
        began = time.perf_counter()
        corpus = ensure_corpus(database, tenant="", collection="default")
        for changes in batches:
            with database.transaction(tenant="") as connection:
                numbers = reserve_ids(connection, "document", len(changes))
                copy_documents(connection, corpus.id, numbers, changes)
                added = [(number, new) for number, change in zip(numbers, changes, strict=True) for new in change.new]
                ids = reserve_ids(connection, "chunk", len(added))
                copy_chunks(connection, corpus.id, ids, added)
                embedded = list(zip(ids, (new for _, new in added), strict=True))
                copy_vectors(connection, PreparedEmbedder.space, corpus.id, embedded)
        return time.perf_counter() - began


def with_bm25(documents: Sequence[Document], chunks: _Chunks, vectors: _Vectors, dsn: str, *, analysed: bool) -> float:
    """Seconds in which the store writes the same with terms, weights and word statistics, and GIN is built.

    ``analysed``: the changes are at hand; else making them, the terms of each text above all, is in the time.
    """
    made = (_changes(documents[batch], chunks, vectors, with_terms=True) for batch in _batches(documents))
    batches = list(made) if analysed else made
    indexes = _drop_indexes(dsn)
    with _database(dsn) as database:
        store = DocumentStore(database, PreparedEmbedder.space, tenant="")
        began = time.perf_counter()
        corpus = ensure_corpus(database, tenant="", collection="default")
        for changes in batches:
            store.write(corpus.id, changes)
        refreeze_average_length(database, corpus.id, tenant="")
        with database.transaction(tenant="") as connection:
            connection.execute(indexes["lexical_terms"].encode())
        return time.perf_counter() - began


def _batches(documents: Sequence[Document]) -> Iterator[slice]:
    return peer_rows.blocks(len(documents), _DOCUMENTS)


def _changes(
    documents: Sequence[Document], chunks: _Chunks, vectors: _Vectors, *, with_terms: bool = False
) -> list[DocumentChange]:
    words = analyzer()
    return [
        DocumentChange(
            external_id=document.id,
            uri=document.uri,
            title=document.title,
            content_hash=text_hash(document.text),
            pipeline="benchmark",
            meta={},
            new=[
                NewChunk(
                    chunk=chunk,
                    hash=text_hash(chunk.indexed_text),
                    terms=np.array(words.numbers(chunk.indexed_text) if with_terms else [], np.int32),
                    vector=vectors[chunk.indexed_text],
                )
                for chunk in chunks[document.id]
            ],
        )
        for document in documents
    ]


def raw_copy(
    prebuilt: Mapping[str, Sequence[bytes]], dsn: str, *, indexes: Literal["none", "before", "after"] = "none"
) -> float:
    """Seconds in which prebuilt binary rows reach their tables, in one transaction.

    With HNSW and GIN there from the start, built when the rows are there (what no loader can go below), or not.
    """
    definitions = {} if indexes == "before" else _drop_indexes(dsn)
    with psycopg.connect(dsn) as connection:
        began = time.perf_counter()
        for table, parts in prebuilt.items():
            statement = SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(Identifier("ragdiet", table))
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                for part in parts:
                    copy.write(part)
        for definition in definitions.values() if indexes == "after" else ():
            connection.execute(definition.encode())
        connection.commit()
        return time.perf_counter() - began


def hnsw_build(prebuilt: Mapping[str, Sequence[bytes]], dsn: str) -> float:
    """Seconds of building the HNSW index over rows that are there: part of every loader's time, ragdiet's
    and the peers', that no way of sending rows can save."""
    definition = next(each for each in _drop_indexes(dsn).values() if "USING hnsw" in each)
    raw_copy(prebuilt, dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        began = time.perf_counter()
        connection.execute(definition.encode())
        return time.perf_counter() - began


def exported(dsn: str, table: str) -> list[bytes]:
    """The table as binary COPY gives it, in parts."""
    statement = SQL("COPY {} TO STDOUT (FORMAT BINARY)").format(Identifier("ragdiet", table))
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor, cursor.copy(statement) as copy:
        whole = b"".join(map(bytes, copy))
    return [whole[at : at + _BLOCK] for at in range(0, len(whole), _BLOCK)]


def stored_rows(dsn: str, space: Space) -> tuple[list[peer_rows.Row], NDArray[np.float32]]:
    """What ragdiet stored of each chunk, for the peers: its document, its place, its text and its vector."""
    query = SQL(
        "SELECT d.external_id, c.ordinal, c.text, v.embedding::vector::real[] FROM ragdiet.chunk c "
        "JOIN ragdiet.document d ON d.id = c.document_id JOIN {} v ON v.chunk_id = c.id ORDER BY c.id"
    ).format(Identifier("ragdiet", f"vector_{space.name}"))
    with psycopg.connect(dsn) as connection, connection.cursor(binary=True) as cursor:
        found = cursor.execute(query).fetchall()
    return [peer_rows.Row(*row[:3]) for row in found], np.array([row[3] for row in found], np.float32)


def _drop_indexes(dsn: str) -> dict[str, str]:
    """Drop the HNSW index and the GIN index over the terms; their definitions, by name."""
    with psycopg.connect(dsn) as connection:
        indexes = dict(
            connection.execute(
                "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'ragdiet' "
                "AND (indexdef LIKE '%%USING hnsw%%' OR indexname = 'lexical_terms')"
            ).fetchall()
        )
        for name in indexes:
            connection.execute(SQL("DROP INDEX {}").format(Identifier("ragdiet", name)))
    return indexes


def _more_tables(space: Space) -> tuple[str, ...]:
    return "lexical", "term", f"vector_{space.name}"


def _in_fresh_database(settings: Settings, run: Callable[[str], float], space: Space, expected: int | None) -> float:
    """Seconds of a run that must end with so many chunks, where that is known."""
    with settings.databases.fresh(space) as dsn:
        seconds = run(dsn)
        with psycopg.connect(dsn) as connection:
            row = connection.execute("SELECT count(*) FROM ragdiet.chunk").fetchone()
        assert expected is None or row == (expected,), f"{row} rows instead of {expected}"
        return seconds


def _peer(settings: Settings, module: str, folder: Path, expected: int) -> float:
    assert settings.peers
    with settings.databases.fresh() as dsn:
        return runner.load_with(settings.peers, module, dsn, folder, expected)


@contextmanager
def _database(dsn: str) -> Iterator[Database]:
    database = Database(dsn)
    try:
        yield database
    finally:
        database.close()
