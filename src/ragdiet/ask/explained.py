"""The plan of an ask as a value that shows itself: each step, its condition, its price and the chance of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Self

from ragdiet.display import plan_html
from ragdiet.fallback import Chain, ChainStep, SafeReply, Step
from ragdiet.types import Quote

if TYPE_CHECKING:
    from ragdiet.filters import FilterLike
    from ragdiet.types import Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """``reached`` is the chance that the step is taken, in [0, 1]. The prices, USD, are of one that is."""

    step: str
    model: str
    condition: str
    reached: float
    least: Decimal
    expected: Decimal
    most: Decimal

    @classmethod
    def of(cls, step: ChainStep, reached: float, prices: tuple[Decimal, Decimal, Decimal]) -> Self:
        least, expected, most = prices
        return cls(
            step=step.name,
            model=step.id if isinstance(step, Step) else "",
            condition=_condition(step),
            reached=reached,
            least=least,
            expected=expected,
            most=most,
        )


def _condition(step: ChainStep) -> str:
    if isinstance(step, SafeReply):
        return ""
    if isinstance(step, Step) and step.declines is not None:
        return f"{step.accept}; believed to have found nothing where {step.declines}"
    return str(step.accept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What an ask would do and cost. ``asks`` of the collection were looked back at for the chances."""

    question: str
    steps: tuple[PlannedStep, ...]
    quote: Quote
    asks: int

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The table as text, its head first and the whole ask last."""
        head = ("step", "accepted where", "reached", "least $", "expected $", "most $")
        steps = tuple(
            (
                f"{step.step} {step.model}".strip(),
                step.condition,
                f"{step.reached:.0%}",
                *(f"{amount:f}" for amount in (step.least, step.expected, step.most)),
            )
            for step in self.steps
        )
        quote = self.quote
        whole = ("the whole ask", "", "", *(f"{amount:f}" for amount in (quote.least, quote.expected, quote.most)))
        return (head, *steps, whole)

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in self.rows]
        return "\n".join([self.question, *(line.rstrip() for line in lines), self._seen])

    def _repr_html_(self) -> str:
        return plan_html(self.question, self.rows, self._seen)

    @property
    def _seen(self) -> str:
        return (
            f"Chances and lengths of replies from {self.asks} asks of the collection."
            if self.asks
            else ("No ask of the collection was seen yet: chances and lengths of replies are priors.")
        )


class PlannedChain:
    """The steps of a RAG's chain, and what they would do and cost for a question."""

    def __init__(self, chain: Chain, explain: Callable[..., Explanation]) -> None:
        self.steps = chain.steps
        self._explain = explain

    def explain(
        self,
        question: str,
        budget: Budget | None = None,
        *,
        filter: FilterLike | None = None,
        k: int = 10,
        collection: str | None = None,
        tenant: str | None = None,
    ) -> Explanation:
        """Each step with the condition of its acceptance, its price, and the chance that it is reached; ``str`` of it
        is a table. Asks no model; may pay for an embedding of the question and for a reranker."""
        return self._explain(question, budget, filter, k, collection, tenant)
