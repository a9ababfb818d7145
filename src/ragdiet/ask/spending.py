"""What an ask may still spend, and what a prompt could cost it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from ragdiet.account import Budgeted, Calibrated, Ledger, affordable, exact_sum
from ragdiet.ask.state import AskState
from ragdiet.observe import current
from ragdiet.protocols import Priced
from ragdiet.types import Budget, Context, Prompt, Quote

if TYPE_CHECKING:
    from ragdiet.guard import Guards
    from ragdiet.protocols import Generator

USUAL_REPLY = 1_500
"""Characters: what is kept back for judging a reply."""


class Spending:
    """The models of the chain with their quotes, the ledger and the guards' own costs."""

    def __init__(self, generators: Mapping[str, Generator], ledger: Ledger, guards: Guards) -> None:
        self._generators = generators
        self._ledger = ledger
        self._guards = guards

    def quote(self, model: str, prompt: Prompt) -> Quote:
        """What the prompt would cost; nothing where the model says nothing of that."""
        generator = self._generators[model]
        if isinstance(generator, Priced):
            return generator.quote(prompt)
        return Quote(least=Decimal(0), expected=Decimal(0), most=Decimal(0))

    def counted(self, budget: Budget) -> Budget:
        """The tokens of our own count that no model of the chain bills as more than ``budget``, as far as it is known
        how they bill."""
        if budget == "auto":
            return budget
        return min(
            (model.billed.now.fits(budget) for model in self._generators.values() if isinstance(model, Calibrated)),
            default=budget,
        )

    def unspent(self, state: AskState) -> Decimal | None:
        """What is left of the ask's money in USD; None where there is no limit to it."""
        if state.max_cost is None:
            return None
        return _less(state.max_cost, self._ledger.cost_of(current().prompt_id, tenant=current().tenant))

    def affordable(self, model: str, prompt: Prompt, state: AskState, diet: Callable[[int], Context]) -> Context:
        """The prompt's context, or where ``model`` is the cheapest and the ask's money is short, a smaller one."""
        left = self._left(state)
        if left is None or model != self._cheapest(prompt):
            return prompt.context

        def worst(context: Context) -> Decimal:
            return self.quote(model, replace(prompt, context=context)).most

        return affordable(prompt.context, left, worst=worst, diet=diet)

    def too_dear(self, model: str, prompt: Prompt, state: AskState) -> str:
        """What is wrong where this prompt could cost more than is left; empty where it could not."""
        left = self._left(state)
        if left is None:
            return ""
        worst = self.quote(model, prompt).most
        return f"could cost ${worst:f}, ${left:f} is left" if worst > left else ""

    def held_back(self, model: str, prompt: Prompt) -> str:
        """Which budget keeps this ask from ``model``, since it is past its soft limit and another model of the chain is
        cheaper; empty where none does."""
        strain = self.strain()
        return strain if strain and model != self._cheapest(prompt) and self.quote(model, prompt).most else ""

    def strain(self) -> str:
        """Which budget holds this ask to what is cheapest; empty where none does."""
        trace = current()
        return self._ledger.strain(trace.tenant, trace.tags) if isinstance(self._ledger, Budgeted) else ""

    def _cheapest(self, prompt: Prompt) -> str | None:
        """The model that asks least for this prompt at worst, of those that cost anything."""
        worst = {model: self.quote(model, prompt).most for model in self._generators}
        return min((model for model in worst if worst[model]), key=worst.__getitem__, default=None)

    def _left(self, state: AskState) -> Decimal | None:
        """What a model may spend, USD, so that its reply can still be judged; None where there is no limit to it."""
        unspent = self.unspent(state)
        if unspent is None or state.context is None:
            return unspent
        return _less(unspent, self._guards.most(USUAL_REPLY, len(state.question), len(state.context.text)))


def _less(left: Decimal, spent: Decimal) -> Decimal:
    """The difference to the last digit, whatever the precision of this thread."""
    return exact_sum((left, spent.copy_negate()))
