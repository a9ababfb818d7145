"""A question to its answer: each stage in turn, each with a ledger row, and the chain that rules them."""

from __future__ import annotations

import time
from collections.abc import Generator as Steps
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING

from ragdiet.account import REHEARSAL, AskRow, Ledger, database_share, metered, rehearses
from ragdiet.ask.explained import Explanation
from ragdiet.ask.quoting import Quoting
from ragdiet.ask.reading import Reading, embedded
from ragdiet.ask.record import record_of
from ragdiet.ask.reuse import Found, Reuse
from ragdiet.ask.search import Searching
from ragdiet.ask.spending import Spending
from ragdiet.ask.state import AskState, Scope
from ragdiet.clarify import Clarifier, spelling
from ragdiet.diet import follow_up
from ragdiet.errors import InvalidArgument, RagdietError
from ragdiet.fallback import Chain, ChainStep, Clarify, Research, SafeReply, Search, Step, next_step, safe_reply
from ragdiet.generate import citations, pieces
from ragdiet.guard import Guards, checked_history, checked_question
from ragdiet.observe import Asking, attempt, cancelled, current, database_use, ending
from ragdiet.retrieve import without_exclusions
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
    Turn,
    Usage,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragdiet.answers import KeptAnswers
    from ragdiet.bedrock import Breaker
    from ragdiet.protocols import Compressor, Confidence, Embedder, Reranker, Retriever, Rewriter

DEFAULT_BUDGET = 600
_FAILURES = ("models failed", "guard failed", "out of time", "cancelled")


class Asker:
    """Holds the pieces of the question side; every method is one stage, ``ask`` is all of them."""

    def __init__(
        self,
        *,
        embedder: Embedder,
        retriever: Retriever,
        compressor: Compressor,
        chain: Chain,
        breakers: Mapping[str, Breaker],
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
    ) -> None:
        self.chain = chain
        self._generators = chain.generators
        self._confidence = confidence
        self._ledger = ledger
        self._language = language
        self._clarifier = clarifier
        self._guards = guards
        self._keeps_records = keeps_records
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
        self._versions = {
            "ragdiet": version("ragdiet"),
            "space": embedder.space.name,
            "models": [*self._generators],
            "prompt": self._reading.prompt_version,
            "language": language,
        }
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
                self._broken_off(state, error)
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
                return self._given_again(state, turn.found)
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
        answer, row = self._made(state)
        self._ledger.finish(row)
        state.asking.ended(row, answer.attempts)
        return answer

    def _broken_off(self, state: AskState, error: BaseException) -> None:
        """An ask that is over without an answer: left by its caller, as the reader of a stream leaves it, or ended by
        an error that reaches him. It has its row all the same, unless an argument let it not begin."""
        if state.asking.has_ended or (isinstance(error, InvalidArgument) and not state.attempts):
            return
        state.generation = state.clarification = None
        state.reason = "cancelled"
        with suppress(RagdietError):  # closed with the RAG itself, perhaps; its calls have their rows
            answer, row = self._made(state)
            if isinstance(error, Exception):
                self._ledger.finish(replace(row, reason=f"raised {type(error).__name__}"))
            else:
                self._ledger.finish(row)
                state.asking.ended(row, answer.attempts)

    def _given_again(self, state: AskState, found: Found) -> Answer:
        """An answer that was there, as this ask's own."""
        trace, kept = current(), found.kept
        with metered(self._ledger, stage="reuse", model="local:answers") as call:
            call.settle(Usage(), served=kept.prompt_id)
        state.attempts.append(
            Attempt(step="reuse", accepted=True, reason=found.reason, confidence=kept.answer.confidence)
        )
        state.asking.took(state.attempts)
        answer = replace(
            kept.answer,
            cost=self._ledger.cost_of(trace.prompt_id, tenant=trace.tenant),
            attempts=tuple(state.attempts),
            prompt_id=trace.prompt_id,
            database_cost=database_share(state.database.seconds, state.database.blocks),
        )
        # No prompt was sent for it: the tokens of its context are those of the ask that it was made in.
        row = replace(self._row(state, answer), model=kept.model, reused=found.how, tokens=0, tokens_before=0)
        self._ledger.finish(row)
        state.asking.ended(row, answer.attempts)
        return answer

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

    def _made(self, state: AskState) -> tuple[Answer, AskRow]:
        """The answer of where the ask stands, and its row."""
        prompt_id = current().prompt_id
        outcome: Outcome = "answered"
        text, cited = "", tuple[Citation, ...]()
        if state.generation is not None and state.context is not None:
            text, cited = state.generation.text, citations(state.generation.text, state.context)
        elif state.clarification is not None:
            outcome, text = "clarify", state.clarification.text
        else:
            outcome = "failed" if state.reason in _FAILURES else "abstained"
            text, cited = safe_reply(state.reason, state.hits, self.chain.safe_reply, language=self._language)
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
            database_cost=database_share(state.database.seconds, state.database.blocks),
        )
        return answer, self._row(state, answer)

    def _row(self, state: AskState, answer: Answer) -> AskRow:
        trace, context = current(), answer.context
        return AskRow(
            prompt_id=answer.prompt_id,
            outcome=answer.outcome,
            confidence=answer.confidence,
            tenant=trace.tenant,
            collection=state.scope.collection,
            tags=trace.tags,
            question=self._guards.for_record(state.question),
            reason="" if answer.outcome == "answered" else REHEARSAL if rehearses() else state.reason,
            model=state.generation.model if state.generation else "",
            cost=answer.cost,
            tokens=context.tokens if context else 0,
            tokens_before=context.tokens_before if context else 0,
            seconds=time.monotonic() - state.began,
            database_seconds=state.database.seconds,
            database_blocks=state.database.blocks,
            database_cost=answer.database_cost,
            record=record_of(state, answer, self._versions, self._guards.for_record) if self._keeps_records else {},
        )


def _checked_budget(budget: Budget) -> Budget:
    """Told now, and not only once a gate has let the question pass."""
    if budget != "auto" and (not isinstance(budget, int) or isinstance(budget, bool) or budget < 1):
        raise InvalidArgument(f'budget is {budget!r}: give a whole number of tokens, 1 or more, or "auto"')
    return budget
