"""What a hybrid search costs: over its own SQL, over vectors alone, under many clients, as the corpus grows.

The public API is ``rag.retrieve`` with the question's vector in its cache; the bare SQL is the statement that it
executes, with the same parameters, by psycopg alone on a connection of its own. Clients are threads of this process,
which shares the machine's cores with the server.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice

import numpy as np

from benchmarks import retrieval_writes
from benchmarks.report import Row
from benchmarks.retrieval_corpus import Passage, passages, rare_identifiers, real_questions, sources
from benchmarks.retrieval_latency import BARE, DENSE, HYBRID, latencies, recall
from benchmarks.retrieval_settings import Settings
from benchmarks.retrieval_store import documents, opened
from benchmarks.retrieval_vectors import looked_up
from benchmarks.timing import percentiles
from ragdiet import RAG

CLIENTS = (1, 4, 8, 16)
GOALS = {(HYBRID, BARE): 1.2, (HYBRID, DENSE): 5.0}

_CACHED_QUESTIONS = 240  # fewer than rag.retrieve keeps the vectors of


def measure(settings: Settings) -> Row:
    """The corpus at a quarter of its size and at all of it, then what writes do to it."""
    spare = retrieval_writes.BATCH * settings.rounds
    every = passages(settings.data, settings.chunks + spare)
    shuffled = [every[place] for place in np.random.default_rng(settings.seed).permutation(len(every))]
    own, new = shuffled[: settings.chunks], shuffled[settings.chunks :]
    questions = asked(settings, own)
    embedder = looked_up(settings.vectors, [passage.text for passage in shuffled], questions, settings.cache)
    filled: list[Row] = []
    growth: list[Row] = []
    with settings.databases.fresh(embedder.space) as dsn, opened(dsn, embedder) as rag:
        there = 0
        for size in (len(own) // 4, len(own)):
            began = time.perf_counter()
            rag.ingest(documents(own[there:size]))
            seconds = time.perf_counter() - began
            latency = latencies(dsn, rag, embedder, questions, settings.rounds)
            found = recall(rag, embedder, own[:size], questions)
            filled.append({"chunks": size, "new": size - there, "seconds": round(seconds, 1), "dense_recall@10": found})
            growth += [{"chunks": size, **row} for row in latency]
            there = size
        return {
            "chunks": len(own),
            "sources": sources(own),
            "vectors": f"{settings.vectors}, {embedder.space.dimensions} dimensions",
            "questions": len(questions),
            "ratios": ratios(latency),
            "clients": [clients(rag, questions, number, settings.seconds) for number in CLIENTS],
            "filled": filled,
            "latency": growth,
            **retrieval_writes.measure(settings, dsn, rag, embedder, own, new, questions),
        }


def asked(settings: Settings, own: Sequence[Passage]) -> list[str]:
    """Real questions and rare identifiers, as many as have their vectors kept."""
    real = real_questions(settings.data, settings.questions, settings.seed)
    rare = rare_identifiers(own, settings.identifiers, settings.seed)
    share = len(rare) / (len(real) + len(rare))
    kept = min(_CACHED_QUESTIONS, len(real) + len(rare))
    return real[: kept - round(kept * share)] + rare[: round(kept * share)]


def ratios(rows: Sequence[Row]) -> list[Row]:
    p50 = {row["contestant"]: row["p50_ms"] for row in rows}
    return [
        {
            "ratio": f"{over} / {under}, p50",
            "times": round(p50[over] / p50[under], 2),
            "goal": f"<= {goal}",
            "met": p50[over] / p50[under] <= goal,
        }
        for (over, under), goal in GOALS.items()
    ]


def clients(rag: RAG, questions: Sequence[str], number: int, seconds: float) -> Row:
    """Questions that so many clients get answered a second, each asking again as soon as it has its hits."""
    ends = time.perf_counter() + seconds

    def client(start: int) -> list[float]:
        taken = []
        for question in islice(cycle(questions), start * len(questions) // number, None):
            began = time.perf_counter()
            if began >= ends:
                break
            rag.retrieve(question)
            taken.append(time.perf_counter() - began)
        return taken

    began = time.perf_counter()
    with ThreadPoolExecutor(number) as threads:
        taken = [one for own in threads.map(client, range(number)) for one in own]
    elapsed = time.perf_counter() - began
    return {"clients": number, "questions_per_second": round(len(taken) / elapsed, 1), **percentiles(taken)}
