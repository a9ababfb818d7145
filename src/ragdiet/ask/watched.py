"""Models that have no circuit breaker of their own: left alone for a while where they fail again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ragdiet.errors import ModelTimeout, ModelUnavailable

if TYPE_CHECKING:
    from ragdiet.bedrock import Breaker


@contextmanager
def watched(breaker: Breaker | None, model: str) -> Iterator[None]:
    """One request to ``model``, whose outcome ``breaker`` is told; it raises CircuitOpen while the model is to rest.

    A connection that fails and a wait that ends are the model's failures, in whatever words they come.
    """
    period = breaker.admit() if breaker else 0
    try:
        yield
    except Exception as error:
        failure = _failure(error, model)
        if breaker:
            breaker.failed(period, failure)
        if failure is error:
            raise
        raise failure from error
    except BaseException as error:  # a stream that was left
        if breaker:
            breaker.failed(period, error)
        raise
    else:
        if breaker:
            breaker.succeeded(period)


def _failure(error: Exception, model: str) -> Exception:
    if isinstance(error, TimeoutError):
        return ModelTimeout(f"{model} did not answer in time: {error}. Ask again, or another model.", code="Timeout")
    if isinstance(error, ConnectionError):
        return ModelUnavailable(f"{model} cannot be reached: {error}. Ask again, or another model.", code="Connection")
    return error
