"""An answer piece by piece."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragdiet.types import Answer


class AnswerStream:
    """Iterates over the text of an answer that has passed its gates, word by word.

    No word is shown before gate 2, so none is ever taken back. ``answer`` is the whole; reading it, or
    the first piece, runs the ask.
    """

    def __init__(self, run: Callable[[], Answer]) -> None:
        self._run = run
        self._answer: Answer | None = None
        self._lock = Lock()

    @property
    def answer(self) -> Answer:
        with self._lock:
            if self._answer is None:
                self._answer = self._run()
            return self._answer

    def __iter__(self) -> Iterator[str]:
        yield from re.findall(r"\s*\S+\s*$|\s*\S+", self.answer.text)
