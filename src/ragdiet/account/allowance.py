"""How many billed tokens one ask may use: each request takes its worst case before it is sent, and keeps its bill."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from threading import Lock

from ragdiet.errors import OverBudget


class Allowance:
    """At most so many tokens; safe in the threads of one ask."""

    def __init__(self, tokens: int) -> None:
        self._left = tokens
        self._lock = Lock()

    def take(self, tokens: int) -> None:
        """Before a request. Raises OverBudget where it may use more than is left; then nothing is taken."""
        with self._lock:
            if tokens > self._left:
                raise OverBudget(
                    budget="max_billed_tokens", unit="tokens", left=Decimal(self._left), asked=Decimal(tokens)
                )
            self._left -= tokens

    def give_back(self, tokens: int) -> None:
        """What of the taken was not billed."""
        with self._lock:
            self._left += tokens


_allowance: ContextVar[Allowance | None] = ContextVar("ragdiet_allowance", default=None)


def allowance() -> Allowance | None:
    """That of the running ask; None where it has no limit."""
    return _allowance.get()


@contextmanager
def allowing(tokens: int | None) -> Iterator[None]:
    """Requests inside the block, and in threads that it starts with a copy of its context, share so many tokens."""
    token = _allowance.set(None if tokens is None else Allowance(tokens))
    try:
        yield
    finally:
        _allowance.reset(token)
