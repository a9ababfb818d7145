"""Sums of money that no precision of the calling thread rounds."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal

_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)  # an addition takes the digits it needs, and no more


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """The sum, to the last digit.

    >>> exact_sum([Decimal("1e20"), Decimal("1e-20")])
    Decimal('100000000000000000000.00000000000000000001')
    """
    total = Decimal(0)
    for amount in amounts:
        total = _EXACT.add(total, amount)
    return total
