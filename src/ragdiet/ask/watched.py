"""Models that have no circuit breaker of their own: left alone for a while where they fail again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ragdiet.account import reached

if TYPE_CHECKING:
    from ragdiet.bedrock import Breaker


@contextmanager
def watched(breaker: Breaker | None, model: str) -> Iterator[None]:
    """One request to ``model``, whose outcome ``breaker`` is told; it raises CircuitOpen while the model is to rest.

    A connection that fails and a wait that ends are the model's failures.
    """
    period = breaker.admit() if breaker else 0
    try:
        with reached(model):
            yield
    except BaseException as error:  # or a stream was left
        if breaker:
            breaker.failed(period, error)
        raise
    else:
        if breaker:
            breaker.succeeded(period)
