"""Hybrid search beside other libraries: the same chunks and vectors, in databases of the same server.

Each peer runs in the peers' Python and is put each question right after ragdiet. What they compute is not the same,
and the result says what: of the questions from Natural Questions whose gold passage is among the rows, the share that
have it among the first ten shows what the time buys.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.datasets import judgements, read_lines
from benchmarks.peers import rows as peer_rows
from benchmarks.peers import runner
from benchmarks.report import Row
from benchmarks.retrieval_corpus import Passage, passages, sources
from benchmarks.retrieval_settings import Settings
from benchmarks.retrieval_store import documents, opened
from benchmarks.retrieval_vectors import looked_up
from benchmarks.timing import percentiles, question_by_question

OURS = "ragdiet"
COMPUTES = (
    "exact BM25 and vectors, 100 candidates each, every candidate scored in both; scores standardised and summed by "
    "weight. One statement."
)
_SET = "nq_lost_in_the_middle"


def measure(settings: Settings) -> Row:
    if settings.peers is None:
        return {"left_out": "give --peers a Python that has them, see benchmarks/peers/requirements.txt"}
    own = passages(settings.data, settings.peer_chunks)
    gold = judged(settings.data, own, settings.questions, settings.seed)
    questions = list(gold)
    embedder = looked_up("minilm", [passage.text for passage in own], questions, settings.cache)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rows = [peer_rows.Row(passage.document, place, passage.text) for place, passage in enumerate(own)]
        peer_rows.save_rows(folder, rows, np.stack([embedder.of(passage.text) for passage in own]))
        peer_rows.save_questions(folder, questions, np.stack([embedder.of(question) for question in questions]))
        dsn = stack.enter_context(settings.databases.fresh(embedder.space))
        rag = stack.enter_context(opened(dsn, embedder))
        rag.ingest(documents(own))
        document_of = {passage.id: passage.document for passage in own}
        found: dict[str, dict[int, list[str]]] = {OURS: {}, **{module: {} for module in runner.HYBRIDS}}

        def ragdiet(place: int) -> float:
            began = time.perf_counter()
            hits = rag.retrieve(questions[place], 10)
            seconds = time.perf_counter() - began
            found[OURS][place] = [document_of[hit.document_id] for hit in hits]
            return seconds

        contestants: dict[str, Callable[[int], object]] = {OURS: ragdiet}
        for module in runner.HYBRIDS:
            theirs = stack.enter_context(settings.databases.fresh())
            peer = stack.enter_context(runner.searching(settings.peers, module, theirs, folder))
            contestants[module] = _asking(peer, found[module])
        question_by_question(contestants, range(len(questions)), 1)
        seconds = question_by_question(contestants, range(len(questions)), settings.rounds)
    ours = percentiles(seconds[OURS])
    return {
        "chunks": len(own),
        "sources": sources(own),
        "vectors": "MiniLM int8, 384 dimensions",
        "questions": len(questions),
        "peers": runner.versions(settings.peers),
        "computes": {OURS: COMPUTES, **runner.HYBRIDS},
        "rows": [
            {
                "contestant": name,
                **percentiles(taken),
                "p50_over_ragdiet": round(percentiles(taken)["p50_ms"] / ours["p50_ms"], 2),
                "gold_in_first_10": round(
                    sum(gold[question] in found[name][place][:10] for place, question in enumerate(questions))
                    / len(questions),
                    4,
                ),
            }
            for name, taken in seconds.items()
        ],
    }


def judged(data: Path, own: Sequence[Passage], number: int, seed: int) -> dict[str, str]:
    """Questions whose gold document is among the passages, at most so many as ``number``, and that document."""
    held = {passage.document for passage in own}
    grades = judgements(data / _SET)
    questions = {
        row["text"]: f"{_SET}/{next(iter(grades[row['id']]))}"
        for row in read_lines(data / _SET / "queries.jsonl")
        if row["id"] in grades
    }
    pairs = [(question, document) for question, document in questions.items() if document in held]
    picked = np.random.default_rng(seed).permutation(len(pairs))[: min(number, _CACHED)]
    return dict(pairs[place] for place in picked)


_CACHED = 240  # fewer than rag.retrieve keeps the vectors of


def _asking(peer: runner.Searching, found: dict[int, list[str]]) -> Callable[[int], float]:
    def ask(place: int) -> float:
        seconds, found[place] = peer.ask(place)
        return seconds

    return ask
