"""Pieces of one's own that work elsewhere: the standard library's errors of connections, as a model's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ragdiet.errors import ModelTimeout, ModelUnavailable


@contextmanager
def reached(name: str) -> Iterator[None]:
    """A connection that fails and a wait that ends are failures of ``name``, in whatever words they come.

    Raises ModelTimeout and ModelUnavailable, which the chain can handle.
    """
    try:
        yield
    except TimeoutError as error:
        raise ModelTimeout(
            f"{name} did not answer in time: {error}. Ask again, or another model.", code="Timeout"
        ) from error
    except ConnectionError as error:
        raise ModelUnavailable(
            f"{name} cannot be reached: {error}. Ask again, or another model.", code="Connection"
        ) from error
