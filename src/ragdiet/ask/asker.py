"""A question to its answer: each stage in turn, each with a ledger row, and the chain that rules them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Generator as Steps
from dataclasses import replace
from decimal import Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING

from ragdiet.account import Ledger
from ragdiet.ask.ending import Ending
from ragdiet.ask.explained import Explanation
from ragdiet.ask.quoting import Quoting
from ragdiet.ask.reading import Reading, embedded
from ragdiet.ask.reuse import Reuse
from ragdiet.ask.search import Searching
from ragdiet.ask.spending import Spending
from ragdiet.ask.state import AskState, Scope
from ragdiet.clarify import Clarifier, spelling
from ragdiet.diet import follow_up
from ragdiet.errors import InvalidArgument
from ragdiet.fallback import Chain, ChainStep, Clarify, Research, SafeReply, Search, Step, next_step
from ragdiet.generate import pieces
from ragdiet.guard import Guards, checked_history, checked_question
from ragdiet.observe import Asking, attempt, cancelled, database_use, ending
from ragdiet.retrieve import without_exclusions
from ragdiet.tokens import default_counter
from ragdiet.types import (
    Answer,
    Attempt,
    Budget,
    Context,
    Example,
    Generation,
    Hit,
    Hits,
    Passage,
    Turn,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragdiet.answers import KeptAnswers
    from ragdiet.bedrock import Breaker
    from ragdiet.protocols import Compressor, Confidence, Embedder, Reranker, Retriever, Rewriter

DEFAULT_BUDGET = 600


class Asker:
    """Holds the pieces of the question side; every method is one stage, ``ask`` is all of them.

    ``ready`` raises where a scope cannot be searched; an ask that ends there is told of like any other.
    """

    def __init__(
        self,
        *,
        embedder: Embedder,
        retriever: Retriever,
        compressor: Compressor,
        chain: Chain,
        breakers: Mapping[str, Breaker],
        sent: Callable[[Reranker], Reranker] = lambda reranker: reranker,
        confidence: Confidence,
        ledger: Ledger,
        rewriter: Rewriter,
        reranker: Reranker | None = None,
        system: str | None = None,
        examples: Sequence[Example] = (),
        language: str = "english",
        clarifier: Clarifier | None = None,
        guards: Guards,
        keeps_records: bool = True,
        answers: KeptAnswers | None = None,
        similar: float | None = None,
        identity: str = "",
        ready: Callable[[Scope], None],
    ) -> None:
        self.chain = chain
        self._ready = ready
        self._generators = chain.generators
        self._confidence = confidence
        self._ledger = ledger
        self._language = language
        self._clarifier = clarifier
        self._guards = guards
        self._spending = Spending(self._generators, ledger, guards)
        self._search = Searching(
            embedder=embedder,
            retriever=retriever,
            rewriter=rewriter,
            reranker=reranker,
            confidence=confidence,
            ledger=ledger,
            spending=self._spending,
        )
        self._reading = Reading(
            compressor=compressor,
            generators=self._generators,
            confidence=confidence,
            ledger=ledger,
            guards=guards,
            spending=self._spending,
            system=system,
            examples=examples,
            breakers=breakers,
            sent=sent,
        )
        self._quoting = Quoting(
            chain=chain,
            searching=self._search,
            reading=self._reading,
            spending=self._spending,
            guards=guards,
            confidence=confidence,
            ledger=ledger,
            unclear=self._is_unclear,
        )
        self._ending = Ending(
            chain=chain,
            ledger=ledger,
            language=language,
            for_record=guards.for_record,
            versions={
                "ragdiet": version("ragdiet"),
                "space": embedder.space.name,
                "models": [*self._generators],
                "prompt": self._reading.prompt_version,
                "language": language,
            },
            keeps_records=keeps_records,
        )
        self._reuse = (
            Reuse(
                answers,
                pieces=identity,
                threshold=similar,
                vector=self._search.vectors,
                for_record=guards.for_record,
            )
            if answers
            else None
        )

    def retrieve(self, question: str, scope: Scope) -> Hits:
        """The best chunks of the scope."""
        return self._search.hits(checked_question(question), scope)

    def vector(self, question: str) -> NDArray[np.float32]:
        """The question's vector, float32, (dimensions,), unit length."""
        return self._search.vectors(checked_question(question))

    def compress(self, question: str, passages: Iterable[Passage], budget: Budget) -> Context:
        """The passages cut down to ``budget`` tokens of verbatim sentences."""
        question = checked_question(question)
        passages = tuple(passages)
        vector = self._search.vectors(question) if embedded(passages) else None
        return self._reading.diet(without_exclusions(question), passages, budget, vector)

    def generate(
        self, question: str, context: Context, model: str | None = None, history: Sequence[Turn] = ()
    ) -> Generation:
        """One reply of ``model``, by default the first of the chain."""
        generator = self._generators.get(model or self.chain.models[0])
        if generator is None:
            raise InvalidArgument(f"no model {model!r} in the chain, which has: {', '.join(self.chain.models)}")
        return generator.generate(self._reading.prompt(checked_question(question), context, history))

    def ask(
        self,
        question: str,
        scope: Scope,
        *,
        budget: Budget | None = None,
        max_cost: Decimal | None = None,
        deadline: float | None = None,
        history: Sequence[Turn] = (),
        fresh: bool = False,
    ) -> Answer:
        """Run the chain, unless the answer is there and need not be ``fresh``. Only an argument that cannot work, and
        the database, raise."""
        run = self._run(question, scope, budget, max_cost, deadline, history, fresh=fresh, streams=False, leads=True)
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
        fresh: bool = False,
    ) -> Steps[str, None, Answer]:
        """The same, giving the answer's text on the way: of a model that streams as it comes, once gate 1 has let the
        question pass; ``Replaced`` where the model's text did not stand up and other text follows. Where a guard judges
        replies, and of other models, nothing is shown before it is judged."""
        streams = not self._guards.judges_replies
        return self._run(
            question, scope, budget, max_cost, deadline, history, fresh=fresh, streams=streams, leads=False
        )

    def _run(
        self,
        question: str,
        scope: Scope,
        budget: Budget | None,
        max_cost: Decimal | None,
        deadline: float | None,
        history: Sequence[Turn],
        *,
        fresh: bool,
        streams: bool,
        leads: bool,
    ) -> Steps[str, None, Answer]:
        began = time.monotonic()
        ends = None if deadline is None else began + deadline
        with ending(ends), database_use() as database, Asking(scope.collection) as asking:
            self._ready(scope)
            checked = checked_question(question, needs_words=self._clarifier is None)
            history = checked_history(history)
            state = AskState(
                question=checked,
                searched=checked,
                wanted=checked,
                scope=scope,
                budget=DEFAULT_BUDGET if budget is None else _checked_budget(budget),
                history=tuple(history),
                follows=bool(history),
                began=began,
                ends=ends,
                max_cost=max_cost,
                streams=streams,
                database=database,
                asking=asking,
            )
            try:
                answer = yield from self._judged(state, fresh=fresh, leads=leads)
            except BaseException as error:
                self._ending.broken_off(state, error)
                raise
            if answer.text != state.shown:
                yield from state.taken_back("another text is the answer")
                yield from pieces(answer.text)
            return answer

    def _judged(self, state: AskState, *, fresh: bool, leads: bool) -> Steps[str, None, Answer]:
        """The guards' word on the question, and then an answer that is there, or the chain's."""
        judged = self._guards.question(state.question, left=state.max_cost)
        state.attempts += judged.attempts
        asked = follow_up(judged.text, state.history, default_counter(), language=self._language)
        state.question, state.searched, state.history = asked.question, asked.searched, asked.history
        state.follow_up, state.wanted = asked.reason, without_exclusions(asked.searched)
        state.reason = judged.refusal or "nothing found"
        state.asking.took(state.attempts)
        if self._reuse is None or judged.refusal:
            return (yield from self._answered(state))
        with self._reuse.turn(state, fresh=fresh, leads=leads) as turn:
            if turn.found is not None:
                return self._ending.given_again(state, turn.found)
            answer = yield from self._answered(state)
            turn.ends(state, answer)
            return answer

    def _answered(self, state: AskState) -> Steps[str, None, Answer]:
        """Take the steps of the chain to their end."""
        while step := self._next(state):
            began = time.perf_counter()
            with attempt(len(state.attempts) + 1):
                made = yield from self._take(step, state)
            state.attempts.append(replace(made, seconds=time.perf_counter() - began))
            state.asking.took(state.attempts)
            if not made.accepted:
                yield from state.taken_back(made.reason)
        return self._ending.answered(state)

    def explain(self, question: str, scope: Scope, budget: Budget | None = None) -> Explanation:
        """The plan of an ask with its prices and chances: retrieves and diets, which may pay for an embedding of the
        question and for a reranker, but asks no model."""
        budget = DEFAULT_BUDGET if budget is None else _checked_budget(budget)
        return self._quoting.explain(checked_question(question), scope, budget)

    def _is_unclear(self, question: str, hits: Sequence[Hit]) -> bool:
        return self._clarifier is not None and self._clarifier.clarification(question, hits) is not None

    def _next(self, state: AskState) -> ChainStep | Clarify | None:
        step = next_step(state.attempts, self.chain)
        if step and cancelled():
            state.reason = "cancelled"
            return self.chain.safe_reply
        if step and state.ends is not None and time.monotonic() >= state.ends:
            state.reason = "out of time"
            return self.chain.safe_reply
        if step and self._clarifier and state.attempts and self._unclear(step, state, self._clarifier):
            return Clarify()
        return step

    def _unclear(self, step: ChainStep, state: AskState, clarifier: Clarifier) -> bool:
        """Whether choices should take the place of ``step``: of all that follows the first search, or of a safe reply
        to a question that may be misspelt."""
        if sum(attempt.step != "guard" for attempt in state.attempts) == 1:
            state.clarification = clarifier.clarification(state.wanted, state.hits, follows=state.follows)
        elif isinstance(step, SafeReply) and state.reason in ("nothing found", "not supported"):
            corrected = state.corrected or self._respelt(state, clarifier)
            state.clarification = spelling(corrected) if corrected else None
        return state.clarification is not None

    def _respelt(self, state: AskState, clarifier: Clarifier) -> str | None:
        """The question in the corpus's spelling where no second search has looked for that, since the first passed its
        gate: words that the hits hold are no guess."""
        has_looked = any(attempt.step == "re-search" for attempt in state.attempts)
        if has_looked or not self.chain.researches or not state.hits or state.searched != state.question:
            return None
        asked = self._search.rewritten(state)
        return asked.question if asked.changes and clarifier.hold(state.hits, asked.changes) else None

    def _take(self, step: ChainStep | Clarify, state: AskState) -> Steps[str, None, Attempt]:
        match step:
            case Search():
                return self._search.first(state, step)
            case Research():
                return self._search.again(state, step)
            case Step():
                return (yield from self._reading.step(state, step, self.chain.share(step), self.chain.after(step)))
            case Clarify():
                assert state.clarification is not None
                return Attempt(step=step.name, accepted=True, reason=state.clarification.fault)
            case SafeReply():
                return Attempt(step=step.name, accepted=True, reason=state.reason)


def _checked_budget(budget: Budget) -> Budget:
    """Told now, and not only once a gate has let the question pass."""
    if budget != "auto" and (not isinstance(budget, int) or isinstance(budget, bool) or budget < 1):
        raise InvalidArgument(f'budget is {budget!r}: give a whole number of tokens, 1 or more, or "auto"')
    return budget
