"""Stages side by side: an iterator that works in a thread of its own, a bounded number of steps ahead."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator
from contextvars import copy_context
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

T = TypeVar("T")

_PATIENCE = 0.1  # seconds between looks at whether to stop


class _End:
    """What a stage sends last: the error that ended it, or None."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Ahead(Generic[T]):
    """Iterates over ``source`` in a thread, at most ``depth`` results (and the one in hand) ahead.

    An error of the source is raised where its result would have come. ``close`` stops the thread, and
    closes a source that is a generator or another stage. The thread has the context of its maker, so
    that ledger rows keep their prompt_id.
    """

    def __init__(self, source: Iterable[T], depth: int) -> None:
        self._source = iter(source)
        self._results: Queue[T | _End] = Queue(depth)
        self._stopped = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=copy_context().run, args=(self._work,), name="ragdiet-ingest")
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        return self._taken(self._results.get())

    def ready(self) -> T | None:
        """The next result if it is there already."""
        if self._ended or self._results.empty():
            return None
        try:
            return self._taken(self._results.get_nowait())
        except (Empty, StopIteration):
            return None

    def close(self) -> None:
        self._stopped.set()
        self._ended = True
        self._thread.join()

    def _taken(self, result: T | _End) -> T:
        if not isinstance(result, _End):
            return result
        self._ended = True
        if result.error is not None:
            raise result.error
        raise StopIteration

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
        self._put(_End(error))

    def _put(self, result: T | _End) -> bool:
        while not self._stopped.is_set():
            try:
                self._results.put(result, timeout=_PATIENCE)
            except Full:
                continue
            return True
        return False
