"""What is read of the hits, by which model, and whether its reply stands."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Generator as Steps
from contextlib import closing
from dataclasses import asdict, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from ragdiet.account import Ledger, metered
from ragdiet.ask.search import ordered
from ragdiet.ask.spending import Spending
from ragdiet.ask.state import AskState, probability
from ragdiet.ask.watched import watched
from ragdiet.bedrock import Breaker
from ragdiet.errors import ModelError, OverBudget
from ragdiet.fallback import Check, Facts, Step, as_condition, once_allowed, saved_unread, saving
from ragdiet.generate import (
    LONGEST,
    REFUSAL,
    answer_length,
    citations,
    cited_claims,
    stop_fault,
    system_text,
    without_refusal,
)
from ragdiet.guard import Guards
from ragdiet.observe import ending, seconds_left
from ragdiet.protocols import StreamingGenerator
from ragdiet.types import Attempt, Budget, Context, Example, Generation, Hit, Passage, Prompt, Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragdiet.protocols import Compressor, Confidence, Generator, Reranker

_NOT_FOUND = "the model did not find the answer in the sources"


class Reading:
    """The diet, the models of the chain, gate 2 and the guards' word on sources and replies."""

    def __init__(
        self,
        *,
        compressor: Compressor,
        generators: Mapping[str, Generator],
        confidence: Confidence,
        ledger: Ledger,
        guards: Guards,
        spending: Spending,
        system: str | None,
        examples: Sequence[Example],
        breakers: Mapping[str, Breaker],
        sent: Callable[[Reranker], Reranker],
    ) -> None:
        self._compressor = compressor
        self._generators = generators
        self._confidence = confidence
        self._ledger = ledger
        self._guards = guards
        self._spending = spending
        self._system = system_text(system)
        self._examples = tuple(examples)
        self._breakers = breakers
        self._sent = sent

    @property
    def prompt_version(self) -> str:
        """A short name of the instructions and examples, the same wherever they are the same."""
        said = json.dumps([self._system, [asdict(example) for example in self._examples]], ensure_ascii=False)
        return hashlib.sha256(said.encode()).hexdigest()[:12]

    def prompt(self, question: str, context: Context, history: Sequence[Turn] = ()) -> Prompt:
        """The question as a model is asked it."""
        length = answer_length(question)
        return Prompt(
            system=self._system,
            examples=self._examples,
            question=question,
            context=context,
            history=tuple(history),
            length=length.ask,
            max_tokens=length.max_tokens,
        )

    def diet(
        self, question: str, passages: Sequence[Passage], budget: Budget, vector: NDArray[np.float32] | None
    ) -> Context:
        """The passages cut down to ``budget`` tokens, with a ledger row."""
        with metered(self._ledger, stage="compress", model="local:diet"):
            return self._compressor.compress(question, passages, budget=budget, question_vector=vector)

    def step(self, state: AskState, step: Step, share: float, following: Sequence[str]) -> Steps[str, None, Attempt]:
        """One model reads, in ``share`` of the time left; ``following`` may be asked after it. Of one that streams the
        text is given as it comes."""
        model = step.id
        if state.readable is None:
            state.readable = self._guards.passages(state.hits)
            state.attempts += state.readable.attempts
        if state.readable.refusal:
            state.reason = state.readable.refusal
            return Attempt(step="read", model=model, accepted=False, reason="the sources could not be judged")
        if state.context is None:
            state.context = self._asked_diet(state, self._spending.counted(state.budget))
        prompt = self.prompt(state.question, state.context, state.history)
        state.context = self._spending.affordable(model, prompt, state, partial(self._asked_diet, state))
        prompt = replace(prompt, context=state.context)
        again = ""
        if strain := self._spending.held_back(model, prompt):
            state.reason = "over budget"
            return Attempt(
                step="read", model=model, accepted=False, reason=f"only the cheapest model is asked, since {strain}"
            )
        if problem := self._spending.too_dear(model, prompt, state):
            state.reason = "over budget"
            return Attempt(step="read", model=model, accepted=False, reason=problem)
        if reason := self._unread(state, step, prompt):
            state.reason = "not supported"
            return Attempt(step="read", model=model, accepted=False, reason=reason, settles=True)
        left = seconds_left()
        try:
            with ending(None if left is None else time.monotonic() + share * left):
                generation = yield from self._generated(model, prompt, state)
                longer = replace(prompt, max_tokens=LONGEST)
                if generation.stop_reason == "max_tokens" and not self._spending.too_dear(model, longer, state):
                    again = f"; asked again, since {prompt.max_tokens} tokens cut the reply off"
                    yield from state.taken_back(f"{prompt.max_tokens} tokens cut the reply off")
                    whole = yield from self._generated(model, longer, state)
                    generation = replace(whole, cost=generation.cost + whole.cost)
        except OverBudget as error:
            state.reason = "over budget"
            return Attempt(step="read", model=model, accepted=False, reason=f"not asked: {error}{again}")
        except ModelError as error:
            state.reason = "models failed"
            return Attempt(step="read", model=model, accepted=False, reason=f"{type(error).__name__}: {error}{again}")
        follows = self._spending.quote(following[0], prompt).expected if step.check and following else None
        return self._judged(state, generation, step, again, follows)

    def _unread(self, state: AskState, step: Step, prompt: Prompt) -> str:
        """Why the hits are not worth a model's reading, by a reranker, where asking it pays; empty where they are."""
        relevance = step.relevance
        if relevance is None or state.is_relevant or self._spending.strain():
            return ""
        price, left = relevance.costs(len(state.hits)), self._spending.unspent(state)
        reading = self._spending.quote(step.id, prompt).expected
        if saved_unread(state.found, reading, price, wrong=relevance.wrong) <= 0 or (left is not None and price > left):
            return ""
        try:
            best = ordered(self._sent(relevance.reranker), self._ledger, state.wanted, state.hits, 1)
        except (ModelError, OverBudget):  # nothing is known then, and the model reads
            return ""
        state.is_relevant = not best or best[0].score >= relevance.at
        if state.is_relevant:
            return ""
        return f"not asked: a reranker scores the best hit {best[0].score:.2f}, under {relevance.at:.2f}"

    def _judged(
        self, state: AskState, generation: Generation, step: Step, again: str, follows: Decimal | None
    ) -> Attempt:
        """Gate 2, and then the guards."""
        assert state.context is not None
        state.reason = "not supported"
        state.is_judged = True
        confidence = probability(self._confidence.of_answer(state.wanted, state.hits, state.context, generation))
        problem = _refused(generation, state.context)
        accepted, settles, why = False, False, problem
        if problem == _NOT_FOUND and step.declines is not None:
            settles, told = as_condition(step.declines).judge(self._facts(state, generation, confidence))
            why = f"{problem}, {'and that settles it' if settles else 'which settles nothing'}: {told}"
        if not problem:
            facts = self._facts(state, generation, confidence)
            accepted, why = as_condition(step.accept).judge(facts)
            if not accepted and step.check and follows is not None:
                accepted, why = self._checked(state, step, step.check, facts, why, follows)
        if accepted:
            judged = self._guards.reply(
                generation.text, question=state.question, sources=state.context.text, left=self._spending.unspent(state)
            )
            state.attempts += judged.attempts
            state.is_judged &= judged.fully
            if judged.refusal:
                accepted, state.reason = False, judged.refusal
                why = problem = f"a guard stopped it: {judged.refusal}"
            else:
                state.generation = replace(generation, text=judged.text)
        return Attempt(
            step="read",
            model=step.id,
            accepted=accepted,
            reason=f"{why}{again}",
            confidence=0.0 if problem else confidence,
            cost=generation.cost,
            settles=settles,
        )

    def _checked(
        self, state: AskState, step: Step, check: Check, facts: Facts, why: str, follows: Decimal
    ) -> tuple[bool, str]:
        """Whether a reply that the condition alone does not accept is, after the check was asked, if that pays."""
        assert state.context is not None
        confidence = once_allowed(facts.confidence, right=check.right, wrong=check.wrong)
        could = as_condition(step.accept).judge(replace(facts, confidence=confidence))
        price = check.costs(len(facts.text), len(state.question), len(state.context.text))
        if not could.accepted:
            return False, why
        if saving(facts.confidence, follows, price, right=check.right, wrong=check.wrong) <= 0:
            return False, f"{why}; a check would cost more than it saves"
        judged = self._guards.beside(check.guard).reply(
            facts.text, question=state.question, sources=state.context.text, left=facts.unspent
        )
        state.attempts += judged.attempts
        state.is_judged &= judged.fully
        if judged.refusal or judged.text != facts.text:
            return False, f"{why}; {check.guard.name} did not allow it"
        return True, f"{could.reason}, once {check.guard.name} allowed it"

    def _facts(self, state: AskState, generation: Generation, confidence: float) -> Facts:
        assert state.context is not None
        there = {source.n for source in state.context.sources}
        claims = cited_claims(generation.text)
        return Facts(
            question=state.wanted,
            confidence=confidence,
            threshold=self._confidence.accept,
            found=state.found,
            hits=state.hits,
            text=generation.text,
            cited=sum(not there.isdisjoint(named) for _, named in claims) / max(1, len(claims)),
            context=state.context,
            generation=generation,
            unspent=self._spending.unspent(state),
            seconds_left=seconds_left(),
        )

    def _asked_diet(self, state: AskState, budget: Budget) -> Context:
        assert state.readable is not None
        hits = state.readable.hits
        made = self.diet(state.wanted, hits, budget, state.vector if embedded(hits) else None)
        return replace(made, withheld=state.readable.withheld)

    def _generated(self, model: str, prompt: Prompt, state: AskState) -> Steps[str, None, Generation]:
        generator = self._generators[model]
        with watched(self._breakers.get(model), model):
            if not state.streams or not isinstance(generator, StreamingGenerator):
                return generator.generate(prompt)
            with closing(generator.stream(prompt)) as stream:
                for piece in without_refusal(stream):
                    state.shown += piece
                    yield piece
            return stream.generation


def embedded(passages: Iterable[Passage]) -> bool:
    """Whether the diet can make use of the question's vector."""
    return any(isinstance(passage, Hit) and passage.sentence_vectors is not None for passage in passages)


def _refused(generation: Generation, context: Context) -> str:
    """Why a reply cannot be an answer, whatever its confidence; empty when it can."""
    if fault := stop_fault(generation):
        return fault
    if not generation.text.strip():
        return f"the model gave no text (stop reason: {generation.stop_reason})"
    if REFUSAL in generation.text:
        return _NOT_FOUND
    if not citations(generation.text, context):
        return "the reply cites none of its sources"
    return ""
