"""An ask as its observers see it, from its beginning to one end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ragdiet.observe.events import AskEnded, AskRaised, AskStarted, StepTaken, category_of, emit

if TYPE_CHECKING:
    from ragdiet.account import AskRow
    from ragdiet.types import Attempt


class Asking:
    """Tells of an ask inside a ``with`` block: that it began, each step once, and exactly one end."""

    def __init__(self, collection: str) -> None:
        self._collection = collection
        self._told = 0
        self.has_ended = False
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        emit(AskStarted(collection=self._collection))
        return self

    def took(self, attempts: Sequence[Attempt]) -> None:
        """All steps so far; those that are new are told."""
        for place in range(self._told, len(attempts)):
            attempt = attempts[place]
            emit(StepTaken(attempt=attempt, number=place + 1, before=_led_to(attempt, attempts[:place])))
        self._told = len(attempts)

    def ended(self, row: AskRow, attempts: Sequence[Attempt]) -> None:
        """The ask has its answer."""
        self.has_ended = True
        emit(AskEnded(row=row, attempts=attempts))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None and not self.has_ended:
            seconds = time.monotonic() - self._began
            emit(AskRaised(error=type(error).__name__, category=category_of(error), seconds=seconds))


def _led_to(attempt: Attempt, earlier: Sequence[Attempt]) -> Attempt | None:
    """The step that was not accepted and so led to this one. A guard's verdict stands before the step that it judges,
    so it leads to nothing but the safe reply."""
    counting = [each for each in earlier if each.step != "guard" or attempt.step == "safe reply"]
    return counting[-1] if counting and not counting[-1].accepted else None
