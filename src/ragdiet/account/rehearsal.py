"""Asks whose answer nobody waits for: those of calibrations, evaluations and replays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

REHEARSAL = "rehearsal"
"""The reason that such an ask without an answer has: it is no case of its own, and no sign of how others will go."""

_rehearses: ContextVar[bool] = ContextVar("ragdiet_rehearses", default=False)


def rehearses() -> bool:
    """Whether nobody waits for the running ask's answer."""
    return _rehearses.get()


@contextmanager
def rehearsing() -> Iterator[None]:
    """What is asked inside the block is asked to see how it goes."""
    token = _rehearses.set(True)
    try:
        yield
    finally:
        _rehearses.reset(token)
