"""What to do next: a pure function of what has been tried and of the chain.

The usual order is: search; if the hits do not look as if they held the answer, search again, wider; read with each
model from the cheapest up until an answer is accepted; else the safe reply. A guard's attempts stand between the
steps; one that refuses ends in the safe reply, and so does a model's refusal that its step believes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from ragdiet.errors import InvalidArgument
from ragdiet.fallback.conditions import unlikely
from ragdiet.fallback.steps import ChainStep, Research, SafeReply, Search, Step

if TYPE_CHECKING:
    from ragdiet.protocols import Generator, Reranker
    from ragdiet.types import Attempt


@dataclass(frozen=True, slots=True, init=False)
class Chain:
    """Steps in their order: a ``Search``, any number of ``Research`` and ``Step``, a ``SafeReply``. The first and the
    last are put there where they are not given.

    Models are asked about hits that a search let pass: after one that did not, the chain goes on with the next
    ``Research``, or the safe reply. After a reply that was not accepted it goes on with the next step of either kind,
    unless a step's ``declines`` has believed that the sources hold no answer: then with the safe reply.

    >>> [step.name for step in Chain([Research(), Step("local:extractive")]).steps]
    ['retrieve', 're-search', 'read', 'safe reply']
    """

    steps: tuple[ChainStep, ...]

    def __init__(self, steps: Sequence[ChainStep]) -> None:
        object.__setattr__(self, "steps", _checked(steps))

    @classmethod
    def of(cls, models: Sequence[Generator | str], *, research: bool = True) -> Self:
        """The chain of these models in their order, with a second search before them. A model's refusal is believed
        where no reply of the next one could be accepted."""
        return cls([*([Research()] if research else []), *(Step(model, declines=unlikely()) for model in models)])

    @property
    def reads(self) -> tuple[Step, ...]:
        """The steps at which a model reads."""
        return tuple(step for step in self.steps if isinstance(step, Step))

    @property
    def models(self) -> tuple[str, ...]:
        """The ids of the models, in their order."""
        return tuple(step.id for step in self.reads)

    @property
    def generators(self) -> dict[str, Generator]:
        """The models by their ids. Raises InvalidArgument where one is no more than a name."""
        if names := [step.model for step in self.reads if isinstance(step.model, str)]:
            raise InvalidArgument(
                f"the chain names {names[0]!r}: names are for RAG.local and RAG.connect; give RAG(...) the generator"
            )
        return {step.id: step.model for step in self.reads if not isinstance(step.model, str)}

    @property
    def rerankers(self) -> tuple[Reranker, ...]:
        """Those that are asked before a model is."""
        return tuple(step.relevance.reranker for step in self.reads if step.relevance)

    @property
    def researches(self) -> bool:
        """Whether it may search a second time."""
        return any(isinstance(step, Research) for step in self.steps)

    @property
    def safe_reply(self) -> SafeReply:
        last = self.steps[-1]
        assert isinstance(last, SafeReply)
        return last

    def named(self, made: Callable[[str], Generator]) -> Chain:
        """The same chain with what is made of each model that is a name."""
        return self._each(lambda model: made(model) if isinstance(model, str) else model)

    def wrapped(self, wrapped: Callable[[Generator], Generator]) -> Chain:
        """The same chain with each model wrapped."""
        return self._each(lambda model: model if isinstance(model, str) else wrapped(model))

    def unbelieving(self) -> Chain:
        """The same chain, in which neither a model's refusal nor a reranker settles an ask."""
        return Chain(
            [replace(step, declines=None, relevance=None) if isinstance(step, Step) else step for step in self.steps]
        )

    def _each(self, made: Callable[[Generator | str], Generator | str]) -> Chain:
        return Chain([replace(step, model=made(step.model)) if isinstance(step, Step) else step for step in self.steps])

    def after(self, step: Step) -> tuple[str, ...]:
        """The ids of the models that may be asked after this one."""
        return self.models[self.models.index(step.id) + 1 :]

    def share(self, step: Step) -> float:
        """The part of the time left that a model may take, in (0, 1]."""
        if step.share is not None:
            return step.share
        return 1.0 if step.id == self.models[-1] else 0.5


def next_step(attempts: Sequence[Attempt], chain: Chain) -> ChainStep | None:
    """The step after ``attempts``; None when an answer was accepted, or choices or the safe reply given.

    >>> next_step([], Chain([Step("local:extractive")])).name
    'retrieve'
    """
    if attempts and (attempts[-1].settles or (attempts[-1].step == "guard" and not attempts[-1].accepted)):
        return chain.safe_reply
    place = 0
    for attempt in attempts:
        if attempt.step in ("clarify", SafeReply.name) or (attempt.step == Step.name and attempt.accepted):
            return None
        if attempt.step == Step.name:
            place += 1
        elif attempt.step != "guard":
            skipped = Research if attempt.accepted else Step
            place = next(n for n, step in enumerate(chain.steps) if n > place and not isinstance(step, skipped))
    return chain.steps[place]


def _checked(given: Sequence[ChainStep]) -> tuple[ChainStep, ...]:
    """The steps in an order that leads somewhere. Raises InvalidArgument."""
    steps = list(given)
    if not steps:
        raise InvalidArgument("the chain has no steps: give at least one, such as Chain([Step('local:extractive')])")
    for step in steps:
        if not isinstance(step, ChainStep):
            raise InvalidArgument(f"{step!r} is no step of a chain: give Search, Research, Step and SafeReply")
    if not isinstance(steps[0], Search):
        steps.insert(0, Search())
    if not isinstance(steps[-1], SafeReply):
        steps.append(SafeReply())
    if any(isinstance(step, Search) for step in steps[1:]):
        raise InvalidArgument("Search stands first in a chain, once: search again with Research()")
    if any(isinstance(step, SafeReply) for step in steps[:-1]):
        raise InvalidArgument("SafeReply stands last in a chain, once: nothing can follow it")
    models = [step.id for step in steps if isinstance(step, Step)]
    if not models:
        raise InvalidArgument("the chain has no model to read with: give a Step, such as Step('local:extractive')")
    if twice := [model for place, model in enumerate(models) if model in models[:place]]:
        raise InvalidArgument(f"the chain asks {twice[0]} twice: it would say the same again. Name each model once.")
    return tuple(steps)
