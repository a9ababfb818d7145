"""What is known of an attempt when it is to be accepted or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragdiet.types import Context, Generation, Hit


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """An attempt's facts: of a search, its hits; of a model that has read, its reply too.

    ``confidence`` is the chance that the corpus holds an answer, or that the reply is right, in [0, 1], and
    ``threshold`` the one that the confidence model sets for it. ``found`` is the chance that the corpus holds an answer
    as the latest search left it, whatever a model said since. ``cited`` is the share of the reply's sentences that name
    a source which was there. ``unspent`` is what is left of the ask's money, USD, and ``seconds_left`` of its time;
    None where there is no limit.
    """

    question: str
    confidence: float
    threshold: float
    found: float
    hits: Sequence[Hit]
    text: str = ""
    cited: float = 0.0
    context: Context | None = None
    generation: Generation | None = None
    unspent: Decimal | None = None
    seconds_left: float | None = None
