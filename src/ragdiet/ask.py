"""A question to its answer: each stage in turn, each with a ledger row, and the chain that rules them."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Generator as Steps
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from ragdiet.account import Accounted, Calibrated, Ledger, affordable, metered
from ragdiet.clarify import Clarification, Clarifier, spelling
from ragdiet.diet import follow_up
from ragdiet.errors import InvalidArgument, ModelError
from ragdiet.fallback import Plan, Reason, Step, next_step, safe_reply
from ragdiet.generate import (
    LONGEST,
    REFUSAL,
    answer_length,
    citations,
    pieces,
    stop_fault,
    system_text,
    without_refusal,
)
from ragdiet.guard import Guards, Readable, checked_history, checked_question
from ragdiet.observe import attempt, current, ending
from ragdiet.protocols import Priced, StreamingGenerator
from ragdiet.retrieve import reranked, without_exclusions
from ragdiet.tokens import default_counter
from ragdiet.types import (
    Answer,
    Attempt,
    Budget,
    Citation,
    Context,
    Example,
    Generation,
    Hit,
    Hits,
    Outcome,
    Passage,
    Prompt,
    Quote,
    Replaced,
    Rewritten,
    Turn,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragdiet.filters import Filter
    from ragdiet.protocols import Compressor, Confidence, Embedder, Generator, Reranker, Retriever, Rewriter

DEFAULT_BUDGET = 600
_MOST_HITS = 10_000
_WIDER = 3
_USUAL_REPLY = 1_500  # characters: what is kept back for judging it
_RERANKED = 50
"""Hits that a reranker is given to choose from, or as many as are asked for where that is more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What part of the store a question sees."""

    tenant: str
    collection: str
    filter: Filter | None = None
    k: int = 10

    def __post_init__(self) -> None:
        if not 1 <= self.k <= _MOST_HITS:
            raise InvalidArgument(f"k is {self.k}: ask for 1 to {_MOST_HITS:,} hits")


@dataclass(slots=True, kw_only=True)
class _Ask:
    """One ask as it goes along. ``wanted`` is what the hits are to say: the question without its exclusions, and
    with its spelling corrected where that found the hits; models are asked the question itself. Where it leans on the
    history it has been rewritten, or ``searched`` holds the words that it leans on; ``follow_up`` tells which.
    ``corrected`` is the question as a second search asked it, where it was misspelt. ``readable`` is what the guards
    leave of the hits. ``shown`` is the text that a stream has given, where it ``streams`` and did not take it back."""

    question: str
    searched: str
    follow_up: str
    wanted: str
    scope: Scope
    budget: Budget
    history: tuple[Turn, ...]
    follows: bool
    ends: float | None
    max_cost: Decimal | None
    attempts: list[Attempt] = field(default_factory=list)
    vector: NDArray[np.float32] | None = None
    hits: Sequence[Hit] = ()
    readable: Readable | None = None
    context: Context | None = None
    generation: Generation | None = None
    reason: Reason = "nothing found"
    corrected: str | None = None
    clarification: Clarification | None = None
    streams: bool = False
    shown: str = ""


class Asker:
    """Holds the pieces of the question side; every method is one stage, ``ask`` is all of them."""

    def __init__(
        self,
        *,
        embedder: Embedder,
        retriever: Retriever,
        compressor: Compressor,
        generators: Sequence[Generator],
        confidence: Confidence,
        ledger: Ledger,
        rewriter: Rewriter,
        reranker: Reranker | None = None,
        research: bool = True,
        system: str | None = None,
        examples: Sequence[Example] = (),
        language: str = "english",
        clarifier: Clarifier | None = None,
        guards: Guards,
    ) -> None:
        if not generators:
            raise InvalidArgument("no model to read with: give at least one, such as ExtractiveReader()")
        self._vectors = _QuestionVectors(embedder)
        self._retriever = retriever
        self._rewriter = rewriter
        self._reranker = reranker
        self._compressor = compressor
        self._generators = {generator.model: generator for generator in generators}
        self._confidence = confidence
        self._ledger = ledger
        self._system = system_text(system)
        self._examples = tuple(examples)
        self._language = language
        self._clarifier = clarifier
        self._guards = guards
        self.plan = Plan(models=tuple(self._generators), research=research)

    def retrieve(self, question: str, scope: Scope) -> Hits:
        """The best chunks of the scope."""
        question = checked_question(question)
        hits = self._search(question, self._vectors(question) if self._retriever.needs_vector else None, scope)
        return self._reranked(without_exclusions(question), hits, scope.k)

    def vector(self, question: str) -> NDArray[np.float32]:
        """The question's vector, float32, (dimensions,), unit length."""
        return self._vectors(checked_question(question))

    def compress(self, question: str, passages: Iterable[Passage], budget: Budget) -> Context:
        """The passages cut down to ``budget`` tokens of verbatim sentences."""
        question = checked_question(question)
        passages = tuple(passages)
        vector = self._vectors(question) if _embedded(passages) else None
        return self._diet(without_exclusions(question), passages, budget, vector)

    def generate(
        self, question: str, context: Context, model: str | None = None, history: Sequence[Turn] = ()
    ) -> Generation:
        """One reply of ``model``, by default the first of the chain."""
        generator = self._generators.get(model or self.plan.models[0])
        if generator is None:
            raise InvalidArgument(f"no model {model!r} in the chain, which has: {', '.join(self.plan.models)}")
        return generator.generate(self._prompt(checked_question(question), context, history))

    def ask(
        self,
        question: str,
        scope: Scope,
        *,
        budget: Budget | None = None,
        max_cost: Decimal | None = None,
        deadline: float | None = None,
        history: Sequence[Turn] = (),
    ) -> Answer:
        """Run the chain. Only an argument that cannot work, and the database, raise."""
        run = self._run(question, scope, budget, max_cost, deadline, history, streams=False)
        try:
            while True:
                next(run)
        except StopIteration as end:
            answer: Answer = end.value
            return answer

    def stream(
        self,
        question: str,
        scope: Scope,
        *,
        budget: Budget | None = None,
        max_cost: Decimal | None = None,
        deadline: float | None = None,
        history: Sequence[Turn] = (),
    ) -> Steps[str, None, Answer]:
        """The same, giving the answer's text on the way: of a model that streams as it comes, once gate 1 has let the
        question pass; ``Replaced`` where the model's text did not stand up and other text follows. Where a guard judges
        replies, and of other models, nothing is shown before it is judged."""
        return self._run(question, scope, budget, max_cost, deadline, history, streams=not self._guards.judges_replies)

    def _run(
        self,
        question: str,
        scope: Scope,
        budget: Budget | None,
        max_cost: Decimal | None,
        deadline: float | None,
        history: Sequence[Turn],
        *,
        streams: bool,
    ) -> Steps[str, None, Answer]:
        ends = None if deadline is None else time.monotonic() + deadline
        with ending(ends):
            checked = checked_question(question, needs_words=self._clarifier is None)
            history = checked_history(history)
            judged = self._guards.question(checked, left=max_cost)
            asked = follow_up(judged.text, history, default_counter(), language=self._language)
            state = _Ask(
                question=asked.question,
                searched=asked.searched,
                follow_up=asked.reason,
                wanted=without_exclusions(asked.searched),
                scope=scope,
                budget=DEFAULT_BUDGET if budget is None else _checked_budget(budget),
                history=asked.history,
                follows=bool(history),
                ends=ends,
                max_cost=max_cost,
                attempts=[*judged.attempts],
                reason=judged.refusal or "nothing found",
                streams=streams,
            )
            while step := self._next(state):
                began = time.perf_counter()
                with attempt(len(state.attempts) + 1):
                    made = yield from self._take(step, state)
                state.attempts.append(replace(made, seconds=time.perf_counter() - began))
                if not made.accepted:
                    yield from _taken_back(state, made.reason)
            answer = self._answer(state)
            if answer.text != state.shown:
                yield from _taken_back(state, "another text is the answer")
                yield from pieces(answer.text)
            return answer

    def quote(self, question: str, scope: Scope, budget: Budget | None = None) -> Quote:
        """Retrieves and diets (which may pay for one embedding of the question), but asks no model.

        Least and expected are the first model's alone, and both are 0 where gate 1 would stop the question, or
        choices would meet it. Most is every model of the chain, one after the other, each asked again for what was
        cut off.
        """
        question = checked_question(question)
        hits = self.retrieve(question, scope)
        context = self.compress(question, hits, self._counted(DEFAULT_BUDGET if budget is None else budget))
        prompt = self._prompt(question, context)
        again = replace(prompt, max_tokens=LONGEST)
        quotes = [self._model_quote(model, prompt) for model in self.plan.models]
        longest = [self._model_quote(model, again) for model in self.plan.models]
        passes = self._confidence.of_retrieval(without_exclusions(question), hits) >= self._confidence.gate
        if self._clarifier and self._clarifier.clarification(without_exclusions(question), hits):
            passes = False
        return Quote(
            least=quotes[0].least if passes else Decimal(0),
            expected=quotes[0].expected if passes else Decimal(0),
            most=sum((quote.most for quote in (*quotes, *longest)), Decimal(0)),
        )

    def _prompt(self, question: str, context: Context, history: Sequence[Turn] = ()) -> Prompt:
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

    def _model_quote(self, model: str, prompt: Prompt) -> Quote:
        generator = self._generators[model]
        if isinstance(generator, Priced):
            return generator.quote(prompt)
        return Quote(least=Decimal(0), expected=Decimal(0), most=Decimal(0))

    def _next(self, state: _Ask) -> Step | None:
        step = next_step(state.attempts, self.plan)
        if step and state.ends is not None and time.monotonic() >= state.ends:
            state.reason = "out of time"
            return Step(kind="safe reply")
        if step and self._clarifier and state.attempts and self._unclear(step, state, self._clarifier):
            return Step(kind="clarify")
        return step

    def _unclear(self, step: Step, state: _Ask, clarifier: Clarifier) -> bool:
        """Whether choices should take the place of ``step``: of all that follows the first search, or of a safe reply
        to a question that may be misspelt."""
        if sum(attempt.step != "guard" for attempt in state.attempts) == 1:
            state.clarification = clarifier.clarification(state.wanted, state.hits, follows=state.follows)
        elif step.kind == "safe reply" and state.reason in ("nothing found", "not supported"):
            corrected = state.corrected or self._respelt(state, clarifier)
            state.clarification = spelling(corrected) if corrected else None
        return state.clarification is not None

    def _respelt(self, state: _Ask, clarifier: Clarifier) -> str | None:
        """The question in the corpus's spelling where no second search has looked for that, since the first passed its
        gate: words that the hits hold are no guess."""
        has_looked = any(attempt.step == "re-search" for attempt in state.attempts)
        if has_looked or not self.plan.research or not state.hits or state.searched != state.question:
            return None
        asked = self._rewritten(state)
        return asked.question if asked.changes and clarifier.hold(state.hits, asked.changes) else None

    def _take(self, step: Step, state: _Ask) -> Steps[str, None, Attempt]:
        if step.kind == "retrieve":
            notes = (state.follow_up,) if state.follow_up else ()
            asked = Rewritten(question=state.searched, keywords=state.searched, reasons=notes)
            return self._search_step("retrieve", state, asked, state.scope)
        if step.kind == "re-search":
            wider = replace(state.scope, k=min(_MOST_HITS, state.scope.k * _WIDER))
            asked = self._rewritten(state)
            state.corrected = asked.question if asked.changes else None
            return self._search_step("re-search", state, asked, wider)
        if step.kind == "read":
            assert step.model is not None
            return (yield from self._read_step(state, step.model))
        if step.kind == "clarify":
            assert state.clarification is not None
            return Attempt(step="clarify", accepted=True, reason=state.clarification.fault)
        return Attempt(step="safe reply", accepted=True, reason=state.reason)

    def _rewritten(self, state: _Ask) -> Rewritten:
        scope = state.scope
        try:
            return self._rewriter.rewrite(state.searched, state.hits, tenant=scope.tenant, collection=scope.collection)
        except ModelError as error:
            return Rewritten(
                question=state.searched,
                keywords=state.searched,
                reasons=(f"in the same words, since the rewriter failed: {error}",),
            )

    def _search_step(self, name: str, state: _Ask, asked: Rewritten, scope: Scope) -> Attempt:
        notes = list(asked.reasons)
        vector = None
        if self._retriever.needs_vector:
            try:
                vector = self._vectors(asked.question)
            except ModelError as error:
                notes.append(f"keyword search alone, since the embedder failed: {error}")
        hits = self._search(asked.keywords, vector, scope)
        wanted = without_exclusions(asked.question)
        try:
            hits = self._reranked(wanted, hits, scope.k)
        except ModelError as error:
            hits = Hits(hits[: scope.k], found=hits.found)
            notes.append(f"in the retriever's order, since the reranker failed: {error}")
        if not hits:
            return Attempt(step=name, accepted=False, reason="; ".join(("no hits", *notes)), confidence=0.0)
        state.wanted, state.vector, state.hits, state.readable, state.context = wanted, vector, hits, None, None
        confidence = self._confidence.of_retrieval(wanted, hits)
        accepted = confidence >= self._confidence.gate
        found = (
            f"{len(hits)} hits, confidence {confidence:.2f} {'at or over' if accepted else 'under'} "
            f"{self._confidence.gate:.2f}"
        )
        return Attempt(step=name, accepted=accepted, reason="; ".join((found, *notes)), confidence=confidence)

    def _read_step(self, state: _Ask, model: str) -> Steps[str, None, Attempt]:
        if state.readable is None:
            state.readable = self._guards.passages(state.hits)
            state.attempts += state.readable.attempts
        if state.readable.refusal:
            state.reason = state.readable.refusal
            return Attempt(step="read", model=model, accepted=False, reason="the sources could not be judged")
        if state.context is None:
            state.context = self._asked_diet(state, self._counted(state.budget))
        prompt = self._prompt(state.question, state.context, state.history)
        left = self._left(state)
        if left is not None and model == self._cheapest(prompt):
            state.context = self._affordable(model, prompt, state, left)
            prompt = replace(prompt, context=state.context)
        again = ""
        if problem := self._too_dear(model, prompt, state):
            state.reason = "over budget"
            return Attempt(step="read", model=model, accepted=False, reason=problem)
        try:
            generation = yield from self._generated(model, prompt, state)
            longer = replace(prompt, max_tokens=LONGEST)
            if generation.stop_reason == "max_tokens" and not self._too_dear(model, longer, state):
                again = f"; asked again, since {prompt.max_tokens} tokens cut the reply off"
                yield from _taken_back(state, f"{prompt.max_tokens} tokens cut the reply off")
                whole = yield from self._generated(model, longer, state)
                generation = replace(whole, cost=generation.cost + whole.cost)
        except ModelError as error:
            state.reason = "models failed"
            return Attempt(step="read", model=model, accepted=False, reason=f"{type(error).__name__}: {error}{again}")
        state.reason = "not supported"
        confidence = self._confidence.of_answer(state.wanted, state.hits, state.context, generation)
        problem = _refused(generation, state.context)
        accepted = not problem and confidence >= self._confidence.accept
        if accepted:
            judged = self._guards.reply(
                generation.text, question=state.question, sources=state.context.text, left=self._unspent(state)
            )
            state.attempts += judged.attempts
            if judged.refusal:
                accepted, state.reason, problem = False, judged.refusal, f"a guard stopped it: {judged.refusal}"
            else:
                state.generation = replace(generation, text=judged.text)
        return Attempt(
            step="read",
            model=model,
            accepted=accepted,
            reason=(
                problem
                or f"confidence {confidence:.2f} {'at or over' if accepted else 'under'} {self._confidence.accept:.2f}"
            )
            + again,
            confidence=0.0 if problem else confidence,
            cost=generation.cost,
        )

    def _generated(self, model: str, prompt: Prompt, state: _Ask) -> Steps[str, None, Generation]:
        generator = self._generators[model]
        if not state.streams or not isinstance(generator, StreamingGenerator):
            return generator.generate(prompt)
        with closing(generator.stream(prompt)) as stream:
            for piece in without_refusal(stream):
                state.shown += piece
                yield piece
        return stream.generation

    def _counted(self, budget: Budget) -> Budget:
        """The tokens of our own count that no model of the chain bills as more than ``budget``, as far as it is known
        how they bill."""
        if budget == "auto":
            return budget
        return min(
            (model.billed.now.fits(budget) for model in self._generators.values() if isinstance(model, Calibrated)),
            default=budget,
        )

    def _cheapest(self, prompt: Prompt) -> str | None:
        """The model that asks least for this prompt at worst, of those that cost anything."""
        worst = {model: self._model_quote(model, prompt).most for model in self.plan.models}
        return min((model for model in worst if worst[model]), key=worst.__getitem__, default=None)

    def _affordable(self, model: str, prompt: Prompt, state: _Ask, left: Decimal) -> Context:
        def worst(context: Context) -> Decimal:
            return self._model_quote(model, replace(prompt, context=context)).most

        return affordable(prompt.context, left, worst=worst, diet=partial(self._asked_diet, state))

    def _left(self, state: _Ask) -> Decimal | None:
        """What a model may spend, USD, so that its reply can still be judged; None where there is no limit to it."""
        unspent = self._unspent(state)
        if unspent is None or state.context is None:
            return unspent
        return unspent - self._guards.most(_USUAL_REPLY, len(state.question), len(state.context.text))

    def _unspent(self, state: _Ask) -> Decimal | None:
        """What is left of the ask's money in USD; None where there is no limit to it."""
        if state.max_cost is None:
            return None
        return state.max_cost - self._ledger.cost_of(current().prompt_id, tenant=current().tenant)

    def _too_dear(self, model: str, prompt: Prompt, state: _Ask) -> str:
        """What is wrong where this prompt could cost more than is left; empty where it could not."""
        left = self._left(state)
        if left is None:
            return ""
        worst = self._model_quote(model, prompt).most
        return f"could cost ${worst:f}, ${left:f} is left" if worst > left else ""

    def _answer(self, state: _Ask) -> Answer:
        prompt_id = current().prompt_id
        outcome: Outcome = "answered"
        text, cited = "", tuple[Citation, ...]()
        if state.generation is not None and state.context is not None:
            text, cited = state.generation.text, citations(state.generation.text, state.context)
        elif state.clarification is not None:
            outcome, text = "clarify", state.clarification.text
        else:
            outcome = "failed" if state.reason in ("models failed", "guard failed", "out of time") else "abstained"
            text, cited = safe_reply(state.reason, state.hits)
        # Hits that passed gate 1 say that an answer may exist, which is no confidence in a reply without one.
        judged = [
            a.confidence for a in state.attempts if a.confidence is not None and (a.step == "read" or not a.accepted)
        ]
        answer = Answer(
            text=text,
            citations=cited,
            confidence=judged[-1] if judged else 0.0,
            outcome=outcome,
            cost=self._ledger.cost_of(prompt_id, tenant=current().tenant),
            attempts=tuple(state.attempts),
            prompt_id=prompt_id,
            context=state.context,
            choices=state.clarification.choices if state.clarification else (),
        )
        self._ledger.finish(answer, tenant=current().tenant)
        return answer

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
        with self._reranker_row():
            return Hits(reranked(self._reranker, question, hits, k), found=hits.found)

    def _asked_diet(self, state: _Ask, budget: Budget) -> Context:
        assert state.readable is not None
        hits = state.readable.hits
        made = self._diet(state.wanted, hits, budget, state.vector if _embedded(hits) else None)
        return replace(made, withheld=state.readable.withheld)

    def _reranker_row(self) -> AbstractContextManager[object]:
        """A row at no cost, unless the reranker writes its own."""
        if isinstance(self._reranker, Accounted):
            return nullcontext()
        name = getattr(self._reranker, "name", type(self._reranker).__name__)
        return metered(self._ledger, stage="rerank", model=f"local:{name}")

    def _diet(
        self, question: str, passages: Sequence[Passage], budget: Budget, vector: NDArray[np.float32] | None
    ) -> Context:
        with metered(self._ledger, stage="compress", model="local:diet"):
            return self._compressor.compress(question, passages, budget=budget, question_vector=vector)


class _QuestionVectors:
    """The vectors of a tenant's latest questions, so that no stage pays for one twice.

    A question's vector is that of its text without exclusions: an embedder would look for what they name.
    """

    _SIZE = 256

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._vectors: OrderedDict[tuple[str, str], NDArray[np.float32]] = OrderedDict()
        self._lock = Lock()

    def __call__(self, question: str) -> NDArray[np.float32]:
        text = without_exclusions(question)
        key = current().tenant, text  # else the ledger would tell that another tenant has asked the same
        with self._lock:
            if key in self._vectors:
                self._vectors.move_to_end(key)
                return self._vectors[key]
        vector: NDArray[np.float32] = self._embedder.embed([text], kind="query").vectors[0]
        with self._lock:
            self._vectors[key] = vector
            if len(self._vectors) > self._SIZE:
                self._vectors.popitem(last=False)
        return vector


def _taken_back(state: _Ask, reason: str) -> Iterator[Replaced]:
    if state.shown:
        state.shown = ""
        yield Replaced(reason)


def _embedded(passages: Iterable[Passage]) -> bool:
    """Whether the diet can make use of the question's vector."""
    return any(isinstance(passage, Hit) and passage.sentence_vectors is not None for passage in passages)


def _checked_budget(budget: Budget) -> Budget:
    """Told now, and not only once a gate has let the question pass."""
    if budget != "auto" and (not isinstance(budget, int) or isinstance(budget, bool) or budget < 1):
        raise InvalidArgument(f'budget is {budget!r}: give a whole number of tokens, 1 or more, or "auto"')
    return budget


def _refused(generation: Generation, context: Context) -> str:
    """Why a reply cannot be an answer, whatever its confidence; empty when it can."""
    if fault := stop_fault(generation):
        return fault
    if not generation.text.strip():
        return f"the model gave no text (stop reason: {generation.stop_reason})"
    if REFUSAL in generation.text:
        return "the model did not find the answer in the sources"
    if not citations(generation.text, context):
        return "the reply cites none of its sources"
    return ""
