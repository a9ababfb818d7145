"""Whether a paid check is worth its price: where it could turn the verdict, and saves more than it costs.

``right`` is the share of right replies that a check allows, ``wrong`` the share of wrong ones that it stops.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragdiet.errors import InvalidArgument
from ragdiet.protocols import EstimatedGuard, Local, PricedGuard, PricedReranker

if TYPE_CHECKING:
    from ragdiet.protocols import Guard, Reranker


def chance_allowed(confidence: float, *, right: float, wrong: float) -> float:
    """The chance that a check allows a reply that is right with the chance ``confidence``.

    >>> round(chance_allowed(0.7, right=0.9, wrong=0.7), 2)
    0.72
    """
    return confidence * right + (1 - confidence) * (1 - wrong)


def once_allowed(confidence: float, *, right: float, wrong: float) -> float:
    """The chance that a reply is right, once a check has allowed it (Bayes): 0.7 x 0.9 of the 0.72 above.

    >>> round(once_allowed(0.7, right=0.9, wrong=0.7), 3)
    0.875
    """
    allowed = chance_allowed(confidence, right=right, wrong=wrong)
    return confidence * right / allowed if allowed else 0.0


def saving(confidence: float, follows: Decimal, price: Decimal, *, right: float, wrong: float) -> Decimal:
    """What a check of a reply that was not accepted saves, USD, as expected: where it allows the reply, the next model,
    which costs ``follows``, is not asked. Here 0.72 x 0.004 less the price.

    >>> saving(0.7, Decimal("0.004"), Decimal("0.0003"), right=0.9, wrong=0.7)
    Decimal('0.002580000')
    """
    return Decimal(f"{chance_allowed(confidence, right=right, wrong=wrong):.6f}") * follows - price


def saved_unread(found: float, reading: Decimal, price: Decimal, *, wrong: float) -> Decimal:
    """What asking a reranker before a model reads saves, USD, as expected: where the hits hold no answer, which has the
    chance 1 - ``found``, and it says so, nothing is read. Here 0.5 x 0.7 x 0.005 less the price.

    >>> saved_unread(0.5, Decimal("0.005"), Decimal("0.001"), wrong=0.7)
    Decimal('0.000750000')
    """
    return Decimal(f"{(1 - found) * wrong:.6f}") * reading - price


@dataclass(frozen=True, slots=True)
class Relevance:
    """A reranker that is asked, before a model is, whether any hit has to do with the question.

    It is asked where that is likely to save more than it costs: where an answer is in doubt by gate 1, and reading is
    dear. Scores the best hit less than ``at``, nothing is read, which settles the ask. ``wrong`` is the share of
    questions without an answer that it tells; like ``at`` it is an assumption: measure both on your own questions.
    ``price`` is that of one use, USD; by default what the reranker says that it may cost.
    """

    reranker: Reranker
    at: float = 0.3
    wrong: float = 0.7
    price: Decimal | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.at) and 0 <= self.wrong <= 1):
            raise InvalidArgument(f"Relevance(at={self.at}, wrong={self.wrong}): give a score, and a share from 0 to 1")
        is_local = isinstance(self.reranker, Local) and self.reranker.is_local
        if self.price is None and not is_local and not isinstance(self.reranker, PricedReranker):
            name = getattr(self.reranker, "name", type(self.reranker).__name__)
            raise InvalidArgument(f"what asking {name} costs is not known: give its price")

    def costs(self, hits: int) -> Decimal:
        """USD to score so many hits."""
        if self.price is not None:
            return self.price
        return self.reranker.most(hits) if isinstance(self.reranker, PricedReranker) else Decimal(0)


@dataclass(frozen=True, slots=True)
class Check:
    """A guard that is asked in doubt, by its ``check_grounding``, whether the sources of a reply bear it out.

    It is asked where the reply's confidence is not accepted, that which it has once the check has allowed it would be,
    and the check is likely to save more than it costs. The defaults of ``right`` and ``wrong`` are assumptions: measure
    both on your own questions. ``price`` is that of one check, USD; by default what the guard expects, or else the most
    that it may cost.
    """

    guard: Guard
    right: float = 0.9
    wrong: float = 0.7
    price: Decimal | None = None

    def __post_init__(self) -> None:
        if not (0 < self.right <= 1 and 0 <= self.wrong <= 1):
            raise InvalidArgument(f"Check(right={self.right}, wrong={self.wrong}): give shares from 0 to 1")
        is_local = isinstance(self.guard, Local) and self.guard.is_local
        if self.price is None and not is_local and not isinstance(self.guard, PricedGuard):
            raise InvalidArgument(f"what a check by {self.guard.name} costs is not known: give its price")

    def costs(self, *characters: int) -> Decimal:
        """USD that it is likely to take to judge a reply, its question and its sources, of so many characters each."""
        if self.price is None and isinstance(self.guard, EstimatedGuard):
            return self.guard.expected(*characters)
        return self.most(*characters)

    def most(self, *characters: int) -> Decimal:
        """USD that it may take at most."""
        if self.price is not None:
            return self.price
        return self.guard.most(*characters) if isinstance(self.guard, PricedGuard) else Decimal(0)
