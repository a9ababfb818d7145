"""What to do next: a pure function of what has been tried.

The order is: retrieve; if the passages do not look as if they held the answer, search again, wider;
read with each model from the cheapest up until an answer is accepted; else the safe reply. A question
that is not clear is met with choices ("clarify") in place of all that is left. A guard's attempts stand between the
steps; one that refuses ends in the safe reply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from ragdiet.types import Attempt

StepKind: TypeAlias = Literal["retrieve", "clarify", "re-search", "read", "safe reply"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A thing to do. ``model`` is set for ``read``."""

    kind: StepKind
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which models may read, cheapest first, and whether a second, wider search is made."""

    models: tuple[str, ...]
    research: bool = True


def next_step(attempts: Sequence[Attempt], plan: Plan) -> Step | None:
    """The step after ``attempts``; None when an answer was accepted, or choices or the safe reply given.

    >>> next_step([], Plan(models=("a",)))
    Step(kind='retrieve', model=None)
    """
    if attempts and attempts[-1].step == "guard" and not attempts[-1].accepted:
        return Step(kind="safe reply")
    attempts = [attempt for attempt in attempts if attempt.step != "guard"]
    if not attempts:
        return Step(kind="retrieve")
    last = attempts[-1]
    if last.step in ("clarify", "safe reply") or (last.step == "read" and last.accepted):
        return None
    read = {attempt.model for attempt in attempts if attempt.step == "read"}
    if last.accepted or last.step == "read":
        for model in plan.models:
            if model not in read:
                return Step(kind="read", model=model)
    elif plan.research and all(attempt.step != "re-search" for attempt in attempts):
        return Step(kind="re-search")
    return Step(kind="safe reply")
