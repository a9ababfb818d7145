"""Stages side by side: an iterator that works in a thread of its own, a bounded amount of work ahead."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextvars import copy_context
from typing import Generic, TypeVar

T = TypeVar("T")


class Room:
    """What may be under way between the first stage and the last: at most ``most`` in weight, or one heavier thing.

    ``enter`` waits for room; once it is closed nobody waits any more.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._weight = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def enter(self, weight: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or not self._weight or self._weight + weight <= self._most)
            self._weight += weight

    def leave(self, weight: int) -> None:
        with self._changed:
            self._weight -= weight
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()


class Ahead(Generic[T]):
    """Iterates over ``source`` in a thread, results of at most ``most`` in weight ahead.

    ``weigh`` gives the weight of a result, 1 unless told; a single one may be heavier than ``most``. One more
    result may be in hand. An error of the source is raised where its result would have come. ``close`` stops
    the thread, and closes a source that is a generator or another stage. The thread has the context of its
    maker, so that ledger rows keep their prompt_id.
    """

    def __init__(self, source: Iterable[T], most: int, weigh: Callable[[T], int] = lambda _: 1) -> None:
        self._source = iter(source)
        self._most = most
        self._weigh = weigh
        self._results: deque[tuple[T, int]] = deque()
        self._weight = 0
        self._error: BaseException | None = None
        self._has_ended = False
        self._is_stopped = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=copy_context().run, args=(self._work,), name="ragdiet-ingest")
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._results or self._has_ended)
            if self._results:
                return self._take()
            error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def ready(self) -> T | None:
        """The next result if it is there already."""
        with self._changed:
            return self._take() if self._results else None

    def close(self) -> None:
        with self._changed:
            self._is_stopped = self._has_ended = True
            self._results.clear()
            self._changed.notify_all()
        self._thread.join()

    def _take(self) -> T:
        result, weight = self._results.popleft()
        self._weight -= weight
        self._changed.notify_all()
        return result

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            for result in self._source:
                if not self._put(result):
                    break
                del result
        except BaseException as raised:  # noqa: BLE001 - raised again in the thread that waits for the result
            error = raised
        if isinstance(self._source, Generator | Ahead):
            self._source.close()
        with self._changed:
            self._error = error
            self._has_ended = True
            self._changed.notify_all()

    def _put(self, result: T) -> bool:
        """Wait for room; false once the stage is stopped."""
        weight = self._weigh(result)
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or not self._results or self._weight + weight <= self._most)
            if self._is_stopped:
                return False
            self._results.append((result, weight))
            self._weight += weight
            self._changed.notify_all()
            return True
