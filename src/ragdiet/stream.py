"""An answer piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextvars import Context, copy_context
from threading import Lock
from typing import TYPE_CHECKING, Self

from ragdiet.errors import InvalidArgument
from ragdiet.types import Replaced

if TYPE_CHECKING:
    from ragdiet.types import Answer


class AnswerStream:
    """Iterates over the text of an answer as the model writes it, from the moment that gate 1 lets the question pass.

    Text that is shown before it is judged may be taken back: where the answer does not pass gate 2, or the stream
    breaks, a ``Replaced`` comes among the pieces, and the text after it takes the place of all before it. ``text`` is
    what stands at the moment, and at the end ``answer.text``. A model that cannot stream, and a RAG whose guards judge
    replies, show nothing before it is judged.

    ``answer`` is the whole, with its citations; reading it, or the first piece, runs the ask. Iterating again gives
    the same pieces again. ``close``, the end of a ``with`` block, and letting go of a stream that was not read to its
    end stop the ask: no other model is asked, and what the one at work still writes is read for its price alone.
    """

    def __init__(self, run: Callable[[], Generator[str, None, Answer]]) -> None:
        self._run = run
        self._steps: Generator[str, None, Answer] | None = None
        self._context: Context | None = None
        self._pieces: list[str] = []
        self._answer: Answer | None = None
        self._error: BaseException | None = None
        self._lock = Lock()

    @property
    def answer(self) -> Answer:
        """The answer; reads the stream to its end. Raises InvalidArgument where it was closed before."""
        with self._lock:
            while self._answer is None:
                self._advance()
            return self._answer

    @property
    def text(self) -> str:
        """The text that has come so far and was not taken back."""
        pieces = tuple(self._pieces)
        begun = max((place for place, piece in enumerate(pieces, 1) if isinstance(piece, Replaced)), default=0)
        return "".join(pieces[begun:])

    def __iter__(self) -> Iterator[str]:
        place = 0
        while (piece := self._piece(place)) is not None:
            place += 1
            yield piece

    def close(self) -> None:
        """Stop the ask, if it is under way."""
        with self._lock:
            steps, self._steps = self._steps, None
            if self._answer is None and self._error is None:
                self._error = InvalidArgument("the stream was closed before its end: ask again")
            if steps is not None and self._context is not None:
                self._context.run(steps.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _piece(self, place: int) -> str | None:
        with self._lock:
            if place == len(self._pieces) and self._answer is None:
                self._advance()
            return self._pieces[place] if place < len(self._pieces) else None

    def _advance(self) -> None:
        """One more piece, or the answer; the lock is held. In a context of its own: the ask names itself there, which
        is none of the reader's business between two pieces."""
        if self._error is not None:
            raise self._error
        if self._steps is None or self._context is None:
            self._context = copy_context()
            self._steps = self._context.run(self._run)
        try:
            self._pieces.append(self._context.run(next, self._steps))
        except StopIteration as end:
            self._answer = end.value
        except BaseException as error:
            self._error = error
            raise
