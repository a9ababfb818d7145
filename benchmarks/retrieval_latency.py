"""Latency of the searches of one store, question by question, and the recall of its dense leg."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from statistics import fmean

import numpy as np

from benchmarks.report import Row
from benchmarks.retrieval_corpus import Passage
from benchmarks.retrieval_store import BareSql, ExactSearch, found_by
from benchmarks.retrieval_vectors import LookedUp
from benchmarks.timing import percentiles, question_by_question
from ragdiet import RAG, HybridRetriever

HYBRID, BARE, DENSE, KEYWORD = "hybrid, rag.retrieve", "hybrid, its bare SQL", "vectors alone", "keyword leg alone"


def latencies(dsn: str, rag: RAG, embedder: LookedUp, questions: Sequence[str], rounds: int) -> list[Row]:
    vectors = {question: embedder.of(question) for question in questions}
    dense = HybridRetriever(rag.store, rag.space, keyword=False)
    keyword = HybridRetriever(rag.store, rag.space, dense=False)
    with closing(BareSql(dsn, rag)) as bare:
        first = []
        for question in questions:
            bare.record(question, vectors[question])
            began = time.perf_counter()
            rag.retrieve(question)
            first.append(time.perf_counter() - began)
        contestants: dict[str, Callable[[str], object]] = {
            HYBRID: rag.retrieve,
            BARE: partial(bare.run, clock=time.perf_counter),
            DENSE: lambda question: dense.retrieve(question, vectors[question], k=10),
            KEYWORD: lambda question: keyword.retrieve(question, None, k=10),
        }
        seconds = question_by_question(contestants, questions, rounds)
    rows = [{"contestant": name, **percentiles(taken)} for name, taken in seconds.items()]
    return [*rows, {"contestant": "hybrid, a question's first time (a ledger row)", **percentiles(first)}]


def recall(rag: RAG, embedder: LookedUp, own: Sequence[Passage], questions: Sequence[str]) -> float:
    """Of the dense leg, at 10, against exact search; the mean over the questions."""
    exact = ExactSearch([passage.id for passage in own], np.stack([embedder.of(passage.text) for passage in own]))
    dense = HybridRetriever(rag.store, rag.space, keyword=False)
    return round(
        fmean(exact.recall(found_by(dense, embedder, question), embedder.of(question), 10) for question in questions),
        4,
    )
