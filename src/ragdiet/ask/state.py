"""One ask as it goes along, and what part of the store it sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from ragdiet.clarify import Clarification
from ragdiet.errors import InvalidArgument
from ragdiet.fallback import Reason
from ragdiet.guard import Readable
from ragdiet.observe import Asking, DatabaseUse
from ragdiet.types import Attempt, Budget, Context, Generation, Hit, Replaced, Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragdiet.filters import Filter

MOST_HITS = 10_000


def probability(confidence: float) -> float:
    """A confidence of anybody's as a number from 0 to 1; what is no number is none.

    >>> probability(float("nan")), probability(1.5)
    (0.0, 1.0)
    """
    return min(1.0, max(0.0, confidence))  # in this order: a NaN is neither more nor less, and the first stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What part of the store a question sees."""

    tenant: str
    collection: str
    filter: Filter | None = None
    k: int = 10

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MOST_HITS:
            raise InvalidArgument(f"k is {self.k}: ask for 1 to {MOST_HITS:,} hits")


@dataclass(slots=True, kw_only=True)
class AskState:
    """One ask as it goes along. ``wanted`` is what the hits are to say: the question without its exclusions, and
    with its spelling corrected where that found the hits; models are asked the question itself. Where it leans on the
    history it has been rewritten, or ``searched`` holds the words that it leans on; ``follow_up`` tells which.
    ``corrected`` is the question as a second search asked it, where it was misspelt. ``found`` is the chance that the
    corpus holds an answer, by the ``hits``, and ``readable`` what the guards leave of these. ``shown`` is the text that
    a stream has given, where it ``streams`` and did not take it back. ``is_relevant``: a reranker said so of the hits.
    ``is_judged``: no guard had to let the latest reply pass unjudged.
    """

    question: str
    searched: str
    wanted: str
    scope: Scope
    budget: Budget
    history: tuple[Turn, ...]
    follows: bool
    began: float
    ends: float | None
    max_cost: Decimal | None
    asking: Asking
    follow_up: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    vector: NDArray[np.float32] | None = None
    hits: Sequence[Hit] = ()
    found: float = 0.0
    readable: Readable | None = None
    context: Context | None = None
    generation: Generation | None = None
    reason: Reason = "nothing found"
    corrected: str | None = None
    clarification: Clarification | None = None
    streams: bool = False
    shown: str = ""
    is_relevant: bool = False
    is_judged: bool = True
    database: DatabaseUse = field(default_factory=DatabaseUse)

    def taken_back(self, reason: str) -> Iterator[Replaced]:
        """What a stream says where the text that it has shown does not stand; nothing where it has shown none."""
        if self.shown:
            self.shown = ""
            yield Replaced(reason)
