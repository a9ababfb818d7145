"""What one ask may spend, in billed tokens and in USD: each request takes its worst case before it is sent, and keeps
its bill."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from threading import Lock

from ragdiet.account.exact import exact_sum
from ragdiet.errors import OverBudget

_NAMES = {"tokens": "max_billed_tokens", "usd": "max_cost"}


class Allowance:
    """At most so many billed ``tokens``, and so much ``usd``, where they are given; safe in the threads of one ask."""

    def __init__(self, *, tokens: int | None, usd: Decimal | None) -> None:
        limits = {"tokens": None if tokens is None else Decimal(tokens), "usd": usd}
        self._left = {unit: limit for unit, limit in limits.items() if limit is not None}
        self._lock = Lock()

    def take(self, *, tokens: int, usd: Decimal) -> None:
        """Before a request. Raises OverBudget where it may use more than is left; then nothing is taken."""
        asked = {"tokens": Decimal(tokens), "usd": usd}
        with self._lock:
            for unit, left in self._left.items():
                if asked[unit] > left:
                    raise OverBudget(budget=_NAMES[unit], unit=unit, left=left, asked=asked[unit])
            for unit, left in self._left.items():
                self._left[unit] = exact_sum((left, asked[unit].copy_negate()))

    def give_back(self, *, tokens: int, usd: Decimal) -> None:
        """What of the taken was not billed."""
        unused = {"tokens": Decimal(tokens), "usd": usd}
        with self._lock:
            for unit, left in self._left.items():
                self._left[unit] = exact_sum((left, unused[unit]))


_allowance: ContextVar[Allowance | None] = ContextVar("ragdiet_allowance", default=None)


def allowance() -> Allowance | None:
    """That of the running ask; None where it has no limit."""
    return _allowance.get()


@contextmanager
def allowing(tokens: int | None, usd: Decimal | None = None) -> Iterator[None]:
    """Requests inside the block, and in threads that it starts with a copy of its context, share so much."""
    unlimited = tokens is None and usd is None
    token = _allowance.set(None if unlimited else Allowance(tokens=tokens, usd=usd))
    try:
        yield
    finally:
        _allowance.reset(token)
