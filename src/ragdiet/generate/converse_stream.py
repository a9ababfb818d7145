"""A reply as it is written: its text piece by piece, then the whole, and what becomes of one that is left early."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from typing import Any, Self

from ragdiet.bedrock import OUT_OF_TIME, ConverseEvents, StreamedReply
from ragdiet.errors import InvalidArgument, ModelError
from ragdiet.types import Generation

DRAINED = 30.0
"""Seconds that a stream which was left early is read on for its price; Bedrock bills it in full either way."""


class LeftEarlyError(Exception):
    """Why a row is at its worst case: the stream was left, and its price did not come."""


class Reading:
    """One try of ConverseStream whose ledger row and turn in the quota, ``held``, end with it.

    ``settled`` prices a whole reply; ``made``, called once the row is written, makes a Generation of it and of the
    seconds from ``began`` (of ``time.perf_counter``) to its first text.
    """

    def __init__(
        self,
        events: ConverseEvents,
        *,
        settled: Callable[[Mapping[str, Any]], None],
        made: Callable[[Mapping[str, Any], float | None], Generation],
        began: float,
    ) -> None:
        self.held = ExitStack()
        self.generation: Generation | None = None
        self._events = events
        self._settled = settled
        self._made = made
        self._began = began
        self._reply = StreamedReply()
        self._first: float | None = None
        self._ready: str | None = None
        self._is_read = False
        self._is_closed = False

    def until_text(self) -> None:
        """Read as far as the first text, or to the end of a reply that has none."""
        try:
            self._ready = self._next()
        except BaseException:
            self._events.close()
            raise

    def next_text(self) -> str | None:
        """The next of the text; None at the end, when the row is written and ``generation`` is there.

        Raises ModelError: the row is written then too, but for one of the code ``OutOfTime``, after which the rest can
        still be read.
        """
        if self._is_closed:
            return None
        try:
            text, self._ready = self._ready, None
            if text is None and not self._is_read:
                text = self._next()
        except BaseException as error:
            if not (isinstance(error, ModelError) and error.code == OUT_OF_TIME):
                self._release(error)
            raise
        if text is None:
            self._release()
            self.generation = self._made(self._reply.whole(), self._first)
        return text

    def read_on(self, seconds: float) -> None:
        """Read what is left, for its price alone; what has not come within ``seconds`` is booked at the worst case."""
        self._events.ends = time.monotonic() + seconds
        with suppress(Exception):  # nobody waits for it, and the row says what it was
            while self.next_text() is not None:
                pass
        self.abandon()

    def abandon(self) -> None:
        """Close the connection, if it is still open; the row is booked at the worst case."""
        self._release(LeftEarlyError())

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def _next(self) -> str | None:
        for event in self._events:
            if text := self._reply.add(event):
                if self._first is None:
                    self._first = time.perf_counter() - self._began
                return text
        self._is_read = True
        self._settled(self._reply.whole())
        return None

    def _release(self, error: BaseException | None = None) -> None:
        """Let go of the turn and write the row."""
        if self._is_closed:
            return
        self._is_closed = True
        if error is None:
            self.held.close()
            return
        self._events.close()
        self.held.__exit__(type(error), error, error.__traceback__)


class ConverseStream:
    """Iterates over the text of one reply as it comes, once; ``generation`` is the whole, after that.

    Leaving early, by ``close``, by the end of a ``with`` block, by a ``break`` or an error out of the loop, has the
    rest read in the background for up to 30 seconds, so that the ledger gets its true price; where that does not
    work, the row is ``unknown`` and holds the worst case.
    """

    def __init__(self, opened: Callable[[], Reading], *, in_background: Callable[[Callable[[], None]], bool]) -> None:
        self._opened = opened
        self._in_background = in_background
        self._reading: Reading | None = None
        self._is_closed = False
        self._is_left = False

    @property
    def generation(self) -> Generation:
        """The whole reply. Raises InvalidArgument before the text was read to its end."""
        if self._reading is None or self._reading.generation is None:
            raise InvalidArgument("the stream was not read to its end: iterate over it first")
        return self._reading.generation

    def __iter__(self) -> Iterator[str]:
        try:
            if self._reading is None and not self._is_closed:
                self._reading = self._opened()
            while self._reading and not self._is_closed and (text := self._reading.next_text()) is not None:
                yield text
        finally:
            self.close()

    def close(self) -> None:
        """Leave the stream; the price of what is left is found out in the background."""
        self._is_closed = True
        reading = self._reading
        if reading is None or reading.is_closed or self._is_left:  # None: whoever opens it now closes it too
            return
        self._is_left = True
        if sys.is_finalizing() or not self._in_background(lambda: reading.read_on(DRAINED)):
            reading.abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
