"""The verbs of a RAG for questions: each stage by itself, and ``ask``, which is all of them."""

from __future__ import annotations

from collections.abc import Generator as Steps
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Literal, TypedDict, overload

from ragdiet.account import allowing
from ragdiet.arguments import as_turn, checked_deadline, checked_money, checked_tokens
from ragdiet.ask import DEFAULT_BUDGET, Explanation, PlannedChain
from ragdiet.observe import tracing
from ragdiet.rag.door import Door
from ragdiet.retrieve import growth
from ragdiet.stream import AnswerStream
from ragdiet.types import Hits, Turn

if TYPE_CHECKING:
    from ragdiet.filters import FilterLike
    from ragdiet.types import Answer, Budget, Context, Generation, Passage, Quote


class Questions(Door):
    """Search, diet, models, and the answer."""

    def retrieve(
        self,
        question: str,
        k: int = 10,
        filter: FilterLike | None = None,
        *,
        neighbours: int = 0,
        section_tokens: int | None = None,
        collection: str | None = None,
        tenant: str | None = None,
    ) -> Hits:
        """The ``k`` best chunks by BM25 and vectors. ``filter``: what its metadata must meet, such as
        ``F("year") >= 2020``, or a mapping of keys to values.

        ``neighbours``: so many chunks before and after it are joined to each hit, 100 at most. ``section_tokens``:
        each hit grows to the section it stands in, up to so many tokens; hits of one section become one.

        Raises SpaceBuilding where another embedder filled the collection, here and in ``ask`` and ``quote``.
        """
        grow = growth(self.space, neighbours, section_tokens)
        trace = self._trace(tenant, None, None)
        scope = self._scope(trace, collection, filter, k)
        self._check_search(scope)
        with tracing(trace):
            hits = self._asker.retrieve(question, scope)
        if grow is None:
            return hits
        grown = self.store.run(partial(grow, hits=hits), tenant=trace.tenant, read_only=True)
        return Hits(grown, found=hits.found)

    def compress(self, question: str, passages: Iterable[Passage], budget: Budget = DEFAULT_BUDGET) -> Context:
        """Passages (hits, Documents or plain text) cut down to ``budget`` tokens of verbatim sentences."""
        self._check_schema()
        with tracing(self._trace(None, None, None)):
            return self._asker.compress(question, passages, budget)

    def generate(self, question: str, context: Context, model: str | None = None) -> Generation:
        """One reply of ``model`` (an id, as in the chain; by default its first) from a context."""
        self._check_schema()
        with tracing(self._trace(None, None, None)):
            return self._asker.generate(question, context, model)

    @overload
    def ask(
        self,
        question: str,
        budget: Budget | None = ...,
        max_cost: Decimal | str | None = ...,
        deadline: float | None = ...,
        history: Sequence[Turn | tuple[str, str]] = ...,
        tags: Mapping[str, str] | None = ...,
        stream: Literal[False] = ...,
        *,
        filter: FilterLike | None = ...,
        k: int = ...,
        collection: str | None = ...,
        tenant: str | None = ...,
        prompt_id: str | None = ...,
        max_billed_tokens: int | None = ...,
        fresh: bool = ...,
    ) -> Answer: ...

    @overload
    def ask(
        self,
        question: str,
        budget: Budget | None = ...,
        max_cost: Decimal | str | None = ...,
        deadline: float | None = ...,
        history: Sequence[Turn | tuple[str, str]] = ...,
        tags: Mapping[str, str] | None = ...,
        *,
        stream: Literal[True],
        filter: FilterLike | None = ...,
        k: int = ...,
        collection: str | None = ...,
        tenant: str | None = ...,
        prompt_id: str | None = ...,
        max_billed_tokens: int | None = ...,
        fresh: bool = ...,
    ) -> AnswerStream: ...

    def ask(
        self,
        question: str,
        budget: Budget | None = None,
        max_cost: Decimal | str | None = None,
        deadline: float | None = None,
        history: Sequence[Turn | tuple[str, str]] = (),
        tags: Mapping[str, str] | None = None,
        stream: bool = False,
        *,
        filter: FilterLike | None = None,
        k: int = 10,
        collection: str | None = None,
        tenant: str | None = None,
        prompt_id: str | None = None,
        max_billed_tokens: int | None = None,
        fresh: bool = False,
    ) -> Answer | AnswerStream:
        """An answer with its citations, confidence and price; choices for a question that is not clear, or a safe
        reply when no answer can be stood by.

        ``budget``: tokens of context, 600 by default: as the models bill them once that was learnt from 50 replies,
        else of our own counter; or "auto" for as many as the question seems to need, 1,200 of our own at most.
        ``max_cost``: USD for the whole ask, of which no request is made that may go over it; the context is cut down to
        what the cheapest model can be asked with for it. ``max_billed_tokens``: those of all requests of the
        ask, as they are billed; one that may go over it is not made. ``deadline``: seconds after which no further step
        begins, and a request that is on its way to a model is given up.
        ``stream=True`` gives an iterator of text as the model writes it, see ``AnswerStream``. ``fresh=True`` asks anew
        where an answer is kept (``answer_cache``), and keeps the new one.
        """
        trace = self._trace(tenant, tags, prompt_id)
        scope = self._scope(trace, collection, filter, k)
        spend = None if max_cost is None else checked_money(max_cost)
        tokens = None if max_billed_tokens is None else checked_tokens(max_billed_tokens)
        turns = tuple(turn if isinstance(turn, Turn) else as_turn(turn) for turn in history)

        asked: _Asked = {
            "budget": budget,
            "max_cost": spend,
            "deadline": checked_deadline(deadline),
            "history": turns,
            "fresh": fresh,
        }

        def streamed() -> Steps[str, None, Answer]:
            with tracing(trace), allowing(tokens, spend):
                return (yield from self._asker.stream(question, scope, **asked))

        if stream:
            return AnswerStream(streamed)
        with tracing(trace), allowing(tokens, spend):
            return self._asker.ask(question, scope, **asked)

    def quote(
        self,
        question: str,
        budget: Budget | None = None,
        *,
        filter: FilterLike | None = None,
        k: int = 10,
        collection: str | None = None,
        tenant: str | None = None,
    ) -> Quote:
        """What asking this would cost, USD, before it is spent: least, expected, most, and the worst case.

        Retrieves and diets, which may pay for an embedding of the question and for a reranker, but asks no model. From
        the plan of the chain, the tokens of the prompt and the latest asks of the collection; ``chain.explain`` shows
        the parts.
        """
        return self.chain.explain(question, budget, filter=filter, k=k, collection=collection, tenant=tenant).quote

    @property
    def chain(self) -> PlannedChain:
        """The steps of an ask; ``rag.chain.explain(question)`` is their plan for a question, with prices."""
        return PlannedChain(self._asker.chain, self._explain)

    def _explain(
        self,
        question: str,
        budget: Budget | None,
        filter: FilterLike | None,
        k: int,
        collection: str | None,
        tenant: str | None,
    ) -> Explanation:
        trace = self._trace(tenant, None, None)
        scope = self._scope(trace, collection, filter, k)
        self._check_search(scope)
        with tracing(trace):
            return self._asker.explain(question, scope, budget)


class _Asked(TypedDict):
    budget: Budget | None
    max_cost: Decimal | None
    deadline: float | None
    history: tuple[Turn, ...]
    fresh: bool
