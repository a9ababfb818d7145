"""Money into tokens: the context that a model can be asked with for what is left."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from ragdiet.errors import BudgetTooSmall
from ragdiet.types import Context

_EMPTY = Context(text="", tokens=0, tokens_before=0, kept=(), dropped=())


def affordable(
    context: Context, left: Decimal, *, worst: Callable[[Context], Decimal], diet: Callable[[int], Context]
) -> Context:
    """``context`` where its worst case is within ``left`` USD; else the largest that ``diet``, given a budget of
    tokens, makes within it. Where there is none, ``context`` as it was: the model cannot be asked.

    ``worst`` is the price in USD of the whole prompt with a context: the longest reply, every try billed.
    """
    smaller = context
    while (price := worst(smaller)) > left:
        budget = affordable_tokens(tokens=smaller.tokens, whole=price, bare=worst(_EMPTY), left=left)
        try:
            next_one = diet(budget) if budget else context
        except BudgetTooSmall as error:
            # The share of a token is near what it costs, but the smallest context is exact.
            smallest = diet(error.smallest)
            return smallest if worst(smallest) <= left else context
        if next_one.tokens >= smaller.tokens:
            return context
        smaller = next_one
    return smaller


def affordable_tokens(*, tokens: int, whole: Decimal, bare: Decimal, left: Decimal) -> int:
    """The context tokens of a prompt that costs at most ``left``; below ``tokens``, 0 where there is room for none.

    ``whole`` is the worst case in USD of the prompt with ``tokens`` tokens of context, dearer than ``left``, and
    ``bare`` that of the same prompt without any; each token costs an equal share of what is between. Where a model
    charges more for long prompts that share is too great, and the result on the safe side.

    500 tokens cost $0.0005 more than none; after the $0.0010 that are due without any, $0.0002 buy 200:

    >>> affordable_tokens(tokens=500, whole=Decimal("0.0015"), bare=Decimal("0.0010"), left=Decimal("0.0012"))
    200
    """
    if tokens < 1 or whole <= bare or left <= bare:
        return 0
    return min(tokens - 1, int((left - bare) * tokens // (whole - bare)))
