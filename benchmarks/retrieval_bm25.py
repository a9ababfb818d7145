"""The keyword leg: its scores beside those of the bm25s library, its speed beside ts_rank_cd.

bm25s (Lu 2024, "BM25S: Orders of magnitude faster lexical search via eager sparse scoring") is given the very terms
that ragdiet's analyzer finds. ts_rank_cd ranks what an or'ed tsquery of the same question words finds through a GIN
index over a tsvector column, in the same database, over the same rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import psycopg

from benchmarks.report import Row
from benchmarks.retrieval_corpus import Passage, passages, rare_identifiers, real_questions, sources
from benchmarks.retrieval_settings import Settings
from benchmarks.retrieval_store import documents, opened
from benchmarks.retrieval_vectors import looked_up
from benchmarks.timing import percentiles, question_by_question
from ragdiet import RAG, HybridRetriever
from ragdiet.analysis import analyzer
from ragdiet.bm25 import K1, B
from ragdiet.retrieve.rewrite import without_question_words

TOLERANCE = 1e-5  # of a score: bm25s and sparsevec both keep 24 bits
GOALS = {"p50_ms": 15.0, "p99_ms": 5.0}

_TOP = 10
_WORD = re.compile(r"\w+")
_TSVECTORS = (
    "CREATE TABLE public.tsv AS SELECT c.id, to_tsvector('english', c.text) AS words FROM ragdiet.chunk c",
    "ALTER TABLE public.tsv ADD PRIMARY KEY (id)",
    "CREATE INDEX tsv_words ON public.tsv USING gin (words)",
    "VACUUM ANALYZE public.tsv",
)
_RANKED = (
    "SELECT c.id, c.text, found.rank FROM (SELECT t.id, ts_rank_cd(t.words, query) AS rank "
    "FROM public.tsv t, to_tsquery('english', %s) AS query WHERE t.words @@ query ORDER BY rank DESC LIMIT 10) found "
    "JOIN ragdiet.chunk c ON c.id = found.id ORDER BY found.rank DESC"
)


def measure(settings: Settings) -> Row:
    own = passages(settings.data, settings.chunks)
    real = real_questions(settings.data, settings.questions, settings.seed)
    questions = real + rare_identifiers(own, settings.identifiers, settings.seed)
    # The cheapest vectors there are: this section asks for none.
    embedder = looked_up("words", [passage.text for passage in own], [], settings.cache)
    with settings.databases.fresh(embedder.space) as dsn, opened(dsn, embedder) as rag:
        rag.ingest(documents(own))
        scores = compared(own, questions, retriever(rag, words=True), dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            for statement in _TSVECTORS:
                connection.execute(statement)
            connection.execute("VACUUM ANALYZE ragdiet.lexical")
            contestants: dict[str, Callable[[str], object]] = {
                "keyword leg": partial(retriever(rag).retrieve, vector=None, k=_TOP),
                "keyword leg, question words too": partial(retriever(rag, words=True).retrieve, vector=None, k=_TOP),
                "ts_rank_cd": lambda question: connection.execute(_RANKED, [tsquery(question)]).fetchall(),
            }
            question_by_question(contestants, questions[:20], 1)
            seconds = question_by_question(contestants, questions, settings.rounds)
    rows = [{"contestant": name, **percentiles(taken)} for name, taken in seconds.items()]
    ours, _, theirs = rows
    return {
        "chunks": len(own),
        "sources": sources(own),
        "questions": len(questions),
        "of_these_rare_identifiers": len(questions) - len(real),
        "scores": scores,
        "rows": rows,
        "ts_rank_cd_over_keyword_leg": {
            name: {"times": round(theirs[name] / ours[name], 1), "goal": goal, "met": theirs[name] / ours[name] >= goal}
            for name, goal in GOALS.items()
        },
    }


def retriever(rag: RAG, *, words: bool = False) -> HybridRetriever:
    """The keyword leg as it ships, or with the question's form words, as bm25s is asked."""
    return HybridRetriever(rag.store, rag.space, dense=False, question_words=words)


def tsquery(question: str) -> str:
    """The words that the keyword leg looks for, or'ed."""
    return " | ".join(_WORD.findall(without_question_words(question))) or "''"


def compared(own: Sequence[Passage], questions: Sequence[str], keyword: HybridRetriever, dsn: str) -> Row:
    """In how many questions the first ten scores are those of bm25s, and what the others were."""
    with psycopg.connect(dsn) as connection:
        average = connection.execute("SELECT average_length FROM ragdiet.corpus").fetchone()
    assert average is not None
    peer = reference(own, average[0])
    rows: list[dict[str, Any]] = []
    for question in questions:
        terms = [term for term in analyzer().terms(question) if term in peer.vocab_dict]
        scores = peer.get_scores(terms) if terms else np.zeros(len(own))
        best = np.sort(scores[scores > 0])[::-1][:_TOP]
        ours = np.array([hit.keyword_score for hit in keyword.retrieve(question, None, k=_TOP)])
        difference = float(np.max(np.abs(ours - best) / best, initial=0)) if len(ours) == len(best) else float("inf")
        rows.append({"question": question, "found": len(best), "difference": difference})
    unequal = [row for row in rows if row["difference"] > TOLERANCE]
    return {
        "equal": len(rows) - len(unequal),
        "questions": len(rows),
        "share_equal": round(1 - len(unequal) / len(rows), 4),
        "tolerance": TOLERANCE,
        "largest_difference": max(row["difference"] for row in rows),
        "with_results": sum(row["found"] > 0 for row in rows),
        "goal": 1.0,
        "met": not unequal,
        "unequal": unequal[:10],
    }


def reference(own: Sequence[Passage], average_length: float) -> Any:
    """bm25s over the passages' terms, with the average length that the store's weights were made with.

    The store makes its weights anew when the average has moved by 2%, so the two differ a little. The library
    takes no average, but one that is r times the true one does what k1 (1 - b + b/r) and (b/r) / (1 - b + b/r)
    do in the places of k1 and b.
    """
    import bm25s

    terms = [analyzer().terms(passage.text) for passage in own]
    share = B * (sum(map(len, terms)) / len(terms)) / average_length
    peer = bm25s.BM25(method="lucene", k1=K1 * (1 - B + share), b=share / (1 - B + share))
    peer.index(terms, show_progress=False)
    return peer
