"""An ask's share of the database's bill: an estimate, beside its cost and no part of it.

Aurora bills capacity by the hour, used or not, so no question has a price of its own. What is reckoned here is what
the ask took of it: a backend works on one vCPU at a time, so the seconds that the ask held the database, waits
on the network included, are priced as that many seconds of one vCPU. Capacity that stood idle is nobody's.
"""

from __future__ import annotations

from decimal import Decimal

# Aurora Serverless v2, us-east-1, aws.amazon.com/rds/aurora/pricing as noted on 2026-11-23.
ACU_HOUR = Decimal("0.12")
READS = Decimal("0.20") / 1_000_000
"""USD for each block that is not in memory; Aurora I/O-Optimized bills none."""

ACU_PER_VCPU = 4
"""An ACU has about 2 GiB of memory; instances of the r classes have 8 GiB for each vCPU."""

_DIGITS = Decimal("1e-12")


def database_share(seconds: float, blocks: int | None) -> Decimal:
    """USD for ``seconds`` at the database and ``blocks`` read from its storage; None: not counted, and left out.

    >>> database_share(0.009, 100)
    Decimal('0.000021200000')
    """
    busy = Decimal(repr(seconds)) / 3600 * ACU_PER_VCPU * ACU_HOUR
    return (busy + (blocks or 0) * READS).quantize(_DIGITS)
