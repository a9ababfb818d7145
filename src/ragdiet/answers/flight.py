"""Single flight: of identical questions in the air in one process one is answered, and the others share its answer."""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

T = TypeVar("T")


class Lead(Generic[T]):
    """The first of its question. The others wait until it ``lands``, or until its ``with`` block ends without that:
    then they have to go on by themselves."""

    def __init__(self, flights: Flights[T], key: Hashable) -> None:
        self.thread = get_ident()
        self._flights = flights
        self._key = key
        self._landed: Future[T | None] = Future()

    def lands(self, answer: T) -> None:
        """What the others are to share."""
        self._end(answer)

    def wait(self, seconds: float | None) -> T | None:
        """What it landed with; None where it did not, or not in so many seconds."""
        try:
            return self._landed.result(seconds)
        except FutureTimeout:
            return None

    def __enter__(self) -> Lead[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(None)

    def _end(self, answer: T | None) -> None:
        self._flights.forget(self._key, self)
        if not self._landed.done():
            self._landed.set_result(answer)


class Flights(Generic[T]):
    """What is in the air."""

    def __init__(self) -> None:
        self._leads: dict[Hashable, Lead[T]] = {}
        self._lock = Lock()

    def join(self, key: Hashable) -> tuple[Lead[T], bool]:
        """The flight of ``key``, and whether the caller leads it, whose duty it then is to end it."""
        with self._lock:
            lead = self._leads.get(key)
            if lead is not None:
                return lead, False
            lead = self._leads[key] = Lead(self, key)
            return lead, True

    def find(self, key: Hashable) -> Lead[T] | None:
        """The flight of ``key``, for one who cannot lead."""
        with self._lock:
            return self._leads.get(key)

    def forget(self, key: Hashable, lead: Lead[T]) -> None:
        """It has ended: whoever comes now is the first again."""
        with self._lock:
            if self._leads.get(key) is lead:
                del self._leads[key]
