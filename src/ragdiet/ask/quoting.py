"""What an ask would cost before it is spent: the chain's plan with its prices, and the chances of each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from ragdiet.account import Calibrated, Ledger, PastAsk, Remembering
from ragdiet.ask.explained import Explanation, PlannedStep
from ragdiet.ask.forecast import Prospect, Reader, drawn, quote_of, shrunk, spread_of
from ragdiet.ask.foreseen import reader_of
from ragdiet.ask.reading import Reading, embedded
from ragdiet.ask.search import Searching
from ragdiet.ask.spending import USUAL_REPLY, Spending
from ragdiet.ask.state import Scope
from ragdiet.fallback import Chain, Research, Search, Step
from ragdiet.generate import LONGEST
from ragdiet.observe import current
from ragdiet.retrieve import without_exclusions
from ragdiet.types import Budget, Prompt

if TYPE_CHECKING:
    from ragdiet.guard import Guards
    from ragdiet.protocols import Confidence
    from ragdiet.types import Hit

_FOUND_AGAIN, _FOUND_AGAIN_WEIGHS = 0.3, 4
_KNOWN_WEIGHS = 10
_CHARACTERS_A_TOKEN = 4


class Quoting:
    """The pieces of an ask that say what it will cost."""

    def __init__(
        self,
        *,
        chain: Chain,
        searching: Searching,
        reading: Reading,
        spending: Spending,
        guards: Guards,
        confidence: Confidence,
        ledger: Ledger,
        unclear: Callable[[str, Sequence[Hit]], bool],
    ) -> None:
        self._chain = chain
        self._searching = searching
        self._reading = reading
        self._spending = spending
        self._guards = guards
        self._confidence = confidence
        self._ledger = ledger
        self._unclear = unclear

    def explain(self, question: str, scope: Scope, budget: Budget) -> Explanation:
        """The plan of an ask: retrieves and diets, which may pay for an embedding and a reranker, and asks no model."""
        hits = self._searching.hits(question, scope)
        searched = self._ledger.cost_of(current().prompt_id, tenant=current().tenant)
        wanted = without_exclusions(question)
        budget = self._spending.counted(budget)
        vector = self._searching.vectors(question) if embedded(hits) else None
        prompt = self._reading.prompt(question, self._reading.diet(wanted, hits, budget, vector))
        confidence = self._confidence.of_retrieval(wanted, hits)
        first = self._chain.steps[0]
        assert isinstance(first, Search)
        passes = bool(hits) and self._searching.judged(first, wanted, hits, confidence).accepted
        past = self._past(scope)
        embedding = self._searching.vectors.price(question)
        usual = self._judging(question, prompt, len(hits), USUAL_REPLY, models=1)
        ranked = max(Decimal(0), searched - embedding)
        prospect = Prospect(
            passes=passes,
            unclear=self._unclear(wanted, hits),
            readers={step.id: self._reader(step, prompt, past, confidence) for step in self._chain.reads},
            found_again=self._found_again(past),
            known=shrunk(sum(ask.reused for ask in past), len(past), 0.0, _KNOWN_WEIGHS),
            search=(ranked, ranked + embedding + usual),
            research=ranked + embedding,
        )
        draws = drawn(self._chain, prospect)
        searches = sum(isinstance(step, Search | Research) for step in self._chain.steps)
        judging = self._judging(
            question, prompt, len(hits), LONGEST * _CHARACTERS_A_TOKEN, models=len(self._chain.reads)
        )
        worst = searches * (ranked + embedding) + judging + self._worst(prompt)
        planned = tuple(
            PlannedStep.of(step, len(costs) / len(draws.whole), spread_of(costs))
            for step, costs in zip(self._chain.steps, draws.steps, strict=True)
        )
        return Explanation(question=question, steps=planned, quote=quote_of(draws, worst), asks=len(past))

    def _judging(self, question: str, prompt: Prompt, hits: int, reply: int, *, models: int) -> Decimal:
        """What the guards cost at most, USD, where so many models reply with so many characters each, and all of the
        chain's own checks."""
        lengths = reply, len(question), len(prompt.context.text)
        guards = self._guards.most(len(question)) + models * self._guards.most(*lengths)
        reads = self._chain.reads
        hits_judged = sum((step.relevance.costs(hits) for step in reads if step.relevance), Decimal(0))
        return guards + hits_judged + sum((step.check.most(*lengths) for step in reads if step.check), Decimal(0))

    def _reader(self, step: Step, prompt: Prompt, past: Sequence[PastAsk], confidence: float) -> Reader:
        model = step.model
        assert not isinstance(model, str)
        return reader_of(
            model.model,
            self._spending.quote(model.model, prompt),
            self._spending.quote(model.model, replace(prompt, max_tokens=LONGEST)),
            cap=prompt.max_tokens,
            ratio=model.billed.now if isinstance(model, Calibrated) else None,
            past=past,
            confidence=confidence,
            declines=step.declines is not None,
        )

    def _past(self, scope: Scope) -> Sequence[PastAsk]:
        if not isinstance(self._ledger, Remembering):
            return ()
        return self._ledger.past(collection=scope.collection, tenant=scope.tenant)

    def _found_again(self, past: Sequence[PastAsk]) -> float:
        if not self._chain.researches:
            return 0.0
        again = [ask for ask in past if ask.searches > 1]
        return shrunk(sum(bool(ask.replies) for ask in again), len(again), _FOUND_AGAIN, _FOUND_AGAIN_WEIGHS)

    def _worst(self, prompt: Prompt) -> Decimal:
        again = replace(prompt, max_tokens=LONGEST)
        return sum(
            (self._spending.quote(model, each).most for model in self._chain.models for each in (prompt, again)),
            Decimal(0),
        )
