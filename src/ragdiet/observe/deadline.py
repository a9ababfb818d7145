"""When an ask must be at its end: carried by context variables, so that no request need be told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event

_ends: ContextVar[float | None] = ContextVar("ragdiet_ends", default=None)
_cancel: ContextVar[Event | None] = ContextVar("ragdiet_cancel", default=None)


def ends_at() -> float | None:
    """When the running ask must be at its end, by ``time.monotonic``; None where it has all the time it needs."""
    return _ends.get()


def seconds_left() -> float | None:
    """Seconds that the running ask has left, 0 where they are over; None where it has all the time it needs."""
    ends = _ends.get()
    return None if ends is None else max(0.0, ends - time.monotonic())


@contextmanager
def ending(at: float | None) -> Iterator[None]:
    """Have what happens inside the block end at ``at``, by ``time.monotonic``, or earlier where that was set before."""
    before = _ends.get()
    token = _ends.set(min((each for each in (before, at) if each is not None), default=None))
    try:
        yield
    finally:
        _ends.reset(token)


def cancelled() -> bool:
    """Whether nobody waits for the running ask any more."""
    event = _cancel.get()
    return event is not None and event.is_set()


@contextmanager
def cancelled_by(event: Event) -> Iterator[None]:
    """Have what happens inside the block end at its next step once ``event`` is set."""
    token = _cancel.set(event)
    try:
        yield
    finally:
        _cancel.reset(token)
