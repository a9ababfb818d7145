"""Amounts of money for people: no more digits than one can use, and never a spend shown as nothing."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal


def dollars(amount: Decimal) -> str:
    """USD with cents from a dollar up, and two digits that count below.

    >>> [dollars(Decimal(one)) for one in ("0", "1234.5678", "0.0123456789", "0.00000028", "-3")]
    ['$0', '$1,234.57', '$0.012', '$0.00000028', '-$3.00']
    """
    if not amount:
        return "$0"
    size = abs(amount)
    places = 2 if size >= 1 else max(2, 1 - size.adjusted())
    rounded = size.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
    return f"{'-' if amount < 0 else ''}${rounded:,f}"
