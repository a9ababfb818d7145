"""The searches of an ask: the first one, and the wider one in other words."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from ragdiet.account import Accounted, Ledger, metered, reached
from ragdiet.ask.spending import Spending
from ragdiet.ask.state import MOST_HITS, AskState, Scope, probability
from ragdiet.ask.vectors import QuestionVectors
from ragdiet.errors import ModelError, OverBudget
from ragdiet.fallback import Facts, Research, Search, Verdict, as_condition
from ragdiet.observe import seconds_left
from ragdiet.retrieve import reranked, without_exclusions
from ragdiet.types import Attempt, Hit, Hits, Rewritten

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragdiet.protocols import Confidence, Embedder, Reranker, Retriever, Rewriter

_RERANKED = 50
"""Hits that a reranker is given to choose from, or as many as are asked for where that is more."""


class Searching:
    """Embedder, retriever, rewriter and reranker, with a ledger row for each use."""

    def __init__(
        self,
        *,
        embedder: Embedder,
        retriever: Retriever,
        rewriter: Rewriter,
        reranker: Reranker | None,
        confidence: Confidence,
        ledger: Ledger,
        spending: Spending,
    ) -> None:
        self.vectors = QuestionVectors(embedder)
        self._retriever = retriever
        self._rewriter = rewriter
        self._reranker = reranker
        self._confidence = confidence
        self._ledger = ledger
        self._spending = spending

    def hits(self, question: str, scope: Scope) -> Hits:
        """The best chunks of the scope."""
        found = self._search(question, self.vectors(question) if self._retriever.needs_vector else None, scope)
        return self._reranked(without_exclusions(question), found, scope.k)

    def first(self, state: AskState, step: Search) -> Attempt:
        """The search that every ask begins with."""
        notes = (state.follow_up,) if state.follow_up else ()
        asked = Rewritten(question=state.searched, keywords=state.searched, reasons=notes)
        return self._step(step, state, asked, state.scope)

    def again(self, state: AskState, step: Research) -> Attempt:
        """A wider search, in the corpus's own words."""
        wider = replace(state.scope, k=min(MOST_HITS, state.scope.k * step.wider))
        asked = self.rewritten(state)
        state.corrected = asked.question if asked.changes else None
        return self._step(step, state, asked, wider)

    def rewritten(self, state: AskState) -> Rewritten:
        """How the question is to be searched for again."""
        scope = state.scope
        try:
            with reached(type(self._rewriter).__name__):
                return self._rewriter.rewrite(
                    state.searched, state.hits, tenant=scope.tenant, collection=scope.collection
                )
        except (ModelError, OverBudget) as error:
            return Rewritten(
                question=state.searched,
                keywords=state.searched,
                reasons=(f"in the same words, since the rewriter failed: {error}",),
            )

    def _step(self, step: Search | Research, state: AskState, asked: Rewritten, scope: Scope) -> Attempt:
        notes = list(asked.reasons)
        vector = None
        if self._retriever.needs_vector:
            try:
                vector = self.vectors(asked.question)
            except (ModelError, OverBudget) as error:
                notes.append(f"keyword search alone, since the embedder {_said(error)}")
        hits = self._search(asked.keywords, vector, scope)
        wanted = without_exclusions(asked.question)
        try:
            if self._is_reranker_paid and (strain := self._spending.strain()):
                hits = Hits(hits[: scope.k], found=hits.found, version=hits.version)
                notes.append(f"in the retriever's order, since {strain}")
            else:
                hits = self._reranked(wanted, hits, scope.k)
        except (ModelError, OverBudget) as error:
            hits = Hits(hits[: scope.k], found=hits.found, version=hits.version)
            notes.append(f"in the retriever's order, since the reranker {_said(error)}")
        if not hits:
            return Attempt(step=step.name, accepted=False, reason="; ".join(("no hits", *notes)), confidence=0.0)
        state.wanted, state.vector, state.hits, state.readable, state.context = wanted, vector, hits, None, None
        state.found = confidence = probability(self._confidence.of_retrieval(wanted, hits))
        accepted, why = self.judged(step, wanted, hits, confidence, unspent=self._spending.unspent(state))
        reason = "; ".join((f"{len(hits)} hits, {why}", *notes))
        return Attempt(step=step.name, accepted=accepted, reason=reason, confidence=confidence)

    def judged(
        self,
        step: Search | Research,
        wanted: str,
        hits: Sequence[Hit],
        confidence: float,
        *,
        unspent: Decimal | None = None,
    ) -> Verdict:
        """Gate 1: whether models are to be asked about the hits."""
        return as_condition(step.accept).judge(
            Facts(
                question=wanted,
                confidence=confidence,
                threshold=self._confidence.gate,
                found=confidence,
                hits=hits,
                unspent=unspent,
                seconds_left=seconds_left(),
            )
        )

    def _search(self, question: str, vector: NDArray[np.float32] | None, scope: Scope) -> Hits:
        """The scope's ``k`` hits; with a reranker as many as it is to choose from."""
        with metered(self._ledger, stage="retrieve", model="local:postgresql"):
            found = self._retriever.retrieve(
                question,
                vector,
                k=max(scope.k, _RERANKED) if self._reranker else scope.k,
                tenant=scope.tenant,
                collection=scope.collection,
                filter=scope.filter,
            )
            return found if isinstance(found, Hits) else Hits(found)

    def _reranked(self, question: str, hits: Hits, k: int) -> Hits:
        if self._reranker is None or not hits:
            return hits
        return Hits(ordered(self._reranker, self._ledger, question, hits, k), found=hits.found, version=hits.version)

    @property
    def _is_reranker_paid(self) -> bool:
        return isinstance(self._reranker, Accounted)


def ordered(reranker: Reranker, ledger: Ledger, question: str, hits: Sequence[Hit], k: int) -> Sequence[Hit]:
    """The reranker's best ``k``, with a row at no cost, unless it writes its own."""
    name = str(getattr(reranker, "name", type(reranker).__name__))
    is_accounted = isinstance(reranker, Accounted)
    with nullcontext() if is_accounted else metered(ledger, stage="rerank", model=f"local:{name}"), reached(name):
        return reranked(reranker, question, hits, k)


def _said(error: ModelError | OverBudget) -> str:
    return f"was not asked: {error}" if isinstance(error, OverBudget) else f"failed: {error}"
