"""An ask's share of the database's bill: an estimate, beside its cost and no part of it.

Aurora bills capacity by the hour, used or not, so no question has a price of its own. What is reckoned here is what
the ask took of it: a backend works on one vCPU at a time, so the seconds that the ask held the database, waits
on the network included, are priced as that many seconds of one vCPU. Capacity that stood idle is nobody's.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache

from ragdiet.account.price_book import PriceBook

_ACU_PER_VCPU = 4
"""An ACU has about 2 GiB of memory; instances of the r classes have 8 GiB for each vCPU."""

_DIGITS = Decimal("1e-12")


def database_share(seconds: float, blocks: int | None) -> Decimal:
    """USD for ``seconds`` at the database and ``blocks`` read from its storage, where they were counted.

    The rates are those of Aurora Serverless v2 in us-east-1, with I/O billed by the block.

    >>> database_share(0.009, 100)  # 0.009 s / 3,600 x 4 ACU x $0.12 + 100 x $0.20 / 1,000,000
    Decimal('0.000021200000')
    """
    acu_hour, million_io = _rates()
    busy = Decimal(repr(seconds)) / 3600 * _ACU_PER_VCPU * acu_hour
    return (busy + (blocks or 0) * million_io / 1_000_000).quantize(_DIGITS)


@cache
def _rates() -> tuple[Decimal, Decimal]:
    rates = PriceBook.default().price("aurora/standard", "us-east-1").rates
    return rates["acu_hour"], rates["million_io"]
