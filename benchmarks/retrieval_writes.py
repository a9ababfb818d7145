"""What a filled store weighs, what small writes into it cost, and what deletions leave behind."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count
from statistics import median

import psycopg

from benchmarks.report import Row
from benchmarks.retrieval_corpus import Passage
from benchmarks.retrieval_latency import latencies, recall
from benchmarks.retrieval_settings import Settings
from benchmarks.retrieval_store import documents, opened
from benchmarks.retrieval_vectors import LookedUp
from benchmarks.timing import in_turn
from ragdiet import RAG, Document

BATCH = 200

_SIZES = (
    "SELECT c.relname, CASE c.relkind WHEN 'r' THEN 'table' ELSE 'index' END, "
    "CASE c.relkind WHEN 'r' THEN pg_table_size(c.oid) ELSE pg_relation_size(c.oid) END "
    "FROM pg_class c WHERE c.relnamespace = 'ragdiet'::regnamespace AND c.relkind IN ('r', 'i') ORDER BY 3 DESC"
)


def measure(
    settings: Settings,
    dsn: str,
    rag: RAG,
    embedder: LookedUp,
    own: Sequence[Passage],
    new: Sequence[Passage],
    questions: Sequence[str],
) -> Row:
    storage = sizes(dsn, len(own))
    inserted = inserts(settings, rag, embedder, new)
    return {
        "storage": storage,
        "bytes_per_chunk": round(sum(row["bytes_per_chunk"] for row in storage), 1),
        f"inserts_of_{BATCH}": inserted,
        "deletion": deletion(dsn, rag, embedder, own, questions),
    }


def sizes(dsn: str, chunks: int) -> list[Row]:
    """Bytes a chunk of each table, its long values included, and of each index; those below one byte are left out."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("VACUUM")
        found = connection.execute(_SIZES).fetchall()
    return [
        {"relation": name, "kind": kind, "bytes_per_chunk": round(size / chunks, 1)}
        for name, kind, size in found
        if size / chunks >= 1
    ]


def inserts(settings: Settings, rag: RAG, embedder: LookedUp, new: Sequence[Passage]) -> Row:
    """Seconds of ingests of 200 chunks into the full store, and of the same ones into an empty one."""
    batches = [documents(new[at : at + BATCH]) for at in range(0, len(new), BATCH)]
    full, empty = count(), count()

    def into_full() -> float:
        return _ingest(rag, batches[next(full)])

    def into_empty() -> float:
        with settings.databases.fresh(embedder.space) as dsn, opened(dsn, embedder) as other:
            return _ingest(other, batches[next(empty)])

    seconds = in_turn({"full": into_full, "empty": into_empty}, len(batches))
    return {
        "seconds_into_the_full_store": [round(one, 3) for one in seconds["full"]],
        "seconds_into_an_empty_one": [round(one, 3) for one in seconds["empty"]],
        "full_over_empty": round(median(seconds["full"]) / median(seconds["empty"]), 2),
    }


def _ingest(rag: RAG, batch: Sequence[Document]) -> float:
    began = time.perf_counter()
    rag.ingest(batch)
    return time.perf_counter() - began


def deletion(dsn: str, rag: RAG, embedder: LookedUp, own: Sequence[Passage], questions: Sequence[str]) -> list[Row]:
    """Latency and recall after an ingest with ``sync`` that no longer has every third document, and after a VACUUM."""
    kept = [passage for place, passage in enumerate(own) if place % 3]
    began = time.perf_counter()
    report = rag.ingest(documents(kept), sync=True)
    assert report.deleted >= len(own) - len(kept), report  # what the inserts brought goes too
    seconds = time.perf_counter() - began
    rows = []
    for state in ("just deleted", "vacuumed"):
        if state == "vacuumed":
            began = time.perf_counter()
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
            seconds = time.perf_counter() - began
        found = recall(rag, embedder, kept, questions)
        rows += [
            {"state": state, "seconds": round(seconds, 1), "chunks": len(kept), "dense_recall@10": found, **row}
            for row in latencies(dsn, rag, embedder, questions, 1)
        ]
    return rows
