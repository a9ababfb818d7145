"""What a model is shown: the context that a diet leaves, and what stands round it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from ragdiet.account import PriceRow
    from ragdiet.display import Shown

from ragdiet.types.usage import Usage

Budget: TypeAlias = int | Literal["auto"]
"""Tokens at most, or as many as the question seems to need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A verbatim sentence of a passage. ``start`` and ``end`` are offsets into the source document;
    ``source`` is the number n of the ``[n]`` block that holds it (0 when it was dropped)."""

    document_id: str
    text: str
    start: int
    end: int
    score: float
    source: int = 0
    chunk_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A numbered block ``[n]`` of a context."""

    n: int
    document_id: str
    chunk_id: int | None = None
    title: str | None = None
    uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The dieted passages: ``text`` is what the prompt holds, ``tokens`` its exact count,
    ``tokens_before`` the count of the passages whole. ``is_enough``: what was dropped was not needed,
    rather than without room in the budget. ``withheld`` are sentences that a guard kept from the diet, with its
    score."""

    text: str
    tokens: int
    tokens_before: int
    kept: tuple[Sentence, ...]
    dropped: tuple[Sentence, ...]
    sources: tuple[Source, ...] = ()
    is_enough: bool = False
    withheld: tuple[Sentence, ...] = ()

    @property
    def ratio(self) -> float:
        """Share of the tokens that is left, in [0, 1]."""
        return self.tokens / self.tokens_before if self.tokens_before else 1.0

    def saved(self, price: PriceRow) -> Decimal:
        """USD that one prompt costs less at this price than with the passages whole, as far as the counter's
        tokens are the model's: ``context.saved(PriceBook.default().price("us.amazon.nova-lite-v1:0"))``.

        Raises UnknownPrice for a price without a rate for input.
        """
        whole, dieted = Usage(input_tokens=self.tokens_before), Usage(input_tokens=self.tokens)
        return price.cost(whole) - price.cost(dieted)

    def show(self, *prices: PriceRow) -> Shown:
        """What was kept and dropped, for a notebook, with the money saved at each of the prices."""
        from ragdiet.display import Shown, context_html

        return Shown(context_html(self, prices))

    def _repr_html_(self) -> str:
        from ragdiet.display import context_html

        return context_html(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A question, the reply that a model should give to it, and the ``sources`` it rests on, as ``[1] ...`` blocks."""

    sources: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a generator is asked.

    ``system`` and ``examples`` come first and are the same for every question, so that a provider can cache
    them. ``length`` is the sentence that asks for so long a reply, and ``max_tokens`` caps it.
    """

    system: str
    question: str
    context: Context
    examples: tuple[Example, ...] = ()
    history: tuple[Turn, ...] = ()
    length: str = ""
    max_tokens: int = 300
