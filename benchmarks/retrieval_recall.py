"""Recall@10 of the dense leg against exact search, with MiniLM's real vectors.

Without a filter; under filters that pass 20%, 14%, 1% and 0.1% of the rows, chosen by a hash of the passage; under
filters that have to do with the topic, the question's own and another one, where nearness and permission agree or
quarrel; and within a tenant that has 0.1% of the rows. Every row of a question's answer counts: an index that gives
fewer than ten where ten are allowed has lost them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Row
from benchmarks.retrieval_corpus import Passage, passages, real_questions, sources
from benchmarks.retrieval_settings import Settings
from benchmarks.retrieval_store import ExactSearch, documents, found_by, opened
from benchmarks.retrieval_vectors import LookedUp, looked_up
from benchmarks.timing import percentiles, question_by_question
from ragdiet import HybridRetriever

SHARES = {"bucket20": 0.2, "bucket14": 0.14, "bucket1": 0.01, "bucket01": 0.001}
"""A metadata key that so large a share of the passages has."""

GOAL, GOAL_FILTERED = 0.99, 0.95

_TOPICS = 50
_TENANT = "a thousandth"
_TENANT_SHARE = 0.001
_K = 10


def measure(settings: Settings) -> Row:
    own = passages(settings.data, settings.recall_chunks)
    questions = real_questions(settings.data, settings.questions, settings.seed)
    embedder = looked_up("minilm", [passage.text for passage in own], questions, settings.cache)
    vectors = np.stack([embedder.of(passage.text) for passage in own])
    centres = vectors[np.random.default_rng(settings.seed).permutation(len(own))[:_TOPICS]]
    topics = nearest(vectors, centres)
    metas: list[dict[str, Any]] = [{"topic": int(topic)} for topic in topics]
    for key, share in SHARES.items():
        for place in drawn(own, key, share):
            metas[place][key] = True
    inner = [own[place] for place in drawn(own, _TENANT, max(_TENANT_SHARE, 2 * _K / len(own)))]
    with settings.databases.fresh(embedder.space) as dsn, opened(dsn, embedder) as rag:
        rag.ingest(documents(own, metas))
        rag.ingest(documents(inner), tenant=_TENANT)
        dense = HybridRetriever(rag.store, rag.space, keyword=False)
        search = _Search(dense, embedder, ExactSearch([passage.id for passage in own], vectors), questions)
        rows = [search.row("no filter", [None] * len(questions), None)]
        for key, share in SHARES.items():
            allowed = np.array([key in meta for meta in metas])
            rows.append(search.row(f"filter passes {share:.1%}", [{key: True}] * len(questions), [allowed]))
        asked = nearest(np.stack([embedder.of(question) for question in questions]), centres)
        for name, turn in (("the question's own topic", 0), ("another topic", _TOPICS // 2)):
            wanted = (asked + turn) % len(centres)
            rows.append(
                search.row(
                    f"filter by {name}", [{"topic": int(one)} for one in wanted], [topics == one for one in wanted]
                )
            )
        within = ExactSearch(
            [passage.id for passage in inner], np.stack([embedder.of(passage.text) for passage in inner])
        )
        rows.append(
            _Search(dense, embedder, within, questions, tenant=_TENANT).row(
                f"a tenant with {len(inner)} of the {len(own) + len(inner):,} rows", [None] * len(questions), None
            )
        )
    return {
        "chunks": len(own),
        "sources": sources(own),
        "vectors": "MiniLM int8, 384 dimensions",
        "questions": len(questions),
        "rows": rows,
        "met": all(row["met"] for row in rows),
    }


class _Search:
    """The dense leg and the exact search, asked the same."""

    def __init__(
        self,
        dense: HybridRetriever,
        embedder: LookedUp,
        exact: ExactSearch,
        questions: Sequence[str],
        tenant: str = "",
    ) -> None:
        self._dense = dense
        self._embedder = embedder
        self._exact = exact
        self._questions = questions
        self._tenant = tenant

    def row(self, name: str, filters: Sequence[Any], allowed: Sequence[NDArray[np.bool_]] | None) -> Row:
        """``filters`` are one a question; ``allowed`` says which passages they pass, one for all or one a question."""
        masks = [None] * len(filters) if allowed is None else [*allowed] * (len(filters) // len(allowed))
        found: dict[int, list[str]] = {}

        def ask(place: int) -> None:
            question = self._questions[place]
            found[place] = found_by(self._dense, self._embedder, question, filters[place], k=_K, tenant=self._tenant)

        seconds = question_by_question({name: ask}, range(len(filters)), 1)[name]
        recalls = [
            self._exact.recall(found[place], self._embedder.of(question), _K, mask)
            for (place, question), mask in zip(enumerate(self._questions), masks, strict=True)
            if mask is None or mask.any()
        ]
        goal = GOAL_FILTERED if allowed is not None or self._tenant else GOAL
        return {
            "search": name,
            "recall@10": round(fmean(recalls), 4),
            "worst_question": round(min(recalls), 2),
            "rows_passed": "all" if allowed is None else round(fmean(float(mask.sum()) for mask in allowed), 1),
            **percentiles(seconds),
            "goal": f">= {goal}",
            "met": fmean(recalls) >= goal,
        }


def drawn(own: Sequence[Passage], key: str, share: float) -> list[int]:
    """Places of so large a share of the passages, one at least, chosen by a hash that knows nothing of the text."""

    def draw(place: int) -> bytes:
        return hashlib.blake2b(f"{key}\0{own[place].id}".encode(), digest_size=8).digest()

    return sorted(range(len(own)), key=draw)[: max(1, round(share * len(own)))]


def nearest(vectors: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    """For each vector the number of the centre with the greatest cosine."""
    return np.argmax(vectors @ centres.T, axis=1)
