"""What a request to a server of one's own costs: by token, or by the time that it holds the GPU."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING, TypeAlias

from ragdiet.account import PriceRow, UnitPrice
from ragdiet.errors import InvalidArgument

if TYPE_CHECKING:
    from ragdiet.account import Price
    from ragdiet.types import Usage

_SMALLEST = Decimal("1e-12")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuHour:
    """``usd`` an hour for each of ``gpus``, of which a request pays the seconds from its sending to its last byte,
    shared with the others that the server works on: ``at_once`` of them on average. ``typical`` are the seconds that
    a quote reckons with. ``source`` and ``checked`` say where the rate was read, and when.

    An hour at $1.20, 8 requests at once, 3 seconds:

    >>> price = GpuHour(usd=Decimal("1.20"), at_once=8, source="the cluster's bill", checked=date(2026, 11, 1))
    >>> price.for_seconds(3).total
    Decimal('0.000125000000')
    """

    usd: Decimal
    source: str
    checked: date
    gpus: int = 1
    at_once: int = 1
    typical: float = 2.0

    def __post_init__(self) -> None:
        if not isinstance(self.usd, Decimal) or not self.usd.is_finite() or self.usd < 0:
            raise InvalidArgument(f"usd is {self.usd!r}: give the price of a GPU's hour as a Decimal of 0 or more")
        if self.gpus < 1 or self.at_once < 1 or self.typical <= 0:
            raise InvalidArgument("gpus and at_once count from 1, and typical is above 0 s")
        if not self.source:
            raise InvalidArgument("a price says where it was read: give its source")

    @property
    def reference(self) -> str:
        """Where the rate comes from, for the ledger."""
        return f"{self.source} @ {self.checked} (${self.usd} a GPU-hour)"

    def for_seconds(self, seconds: float) -> UnitPrice:
        """The price of a request that took so long, rounded up at the twelfth decimal."""
        share = self.usd * self.gpus * Decimal(str(round(max(seconds, 0.0), 6))) / 3600 / self.at_once
        return UnitPrice(reference=self.reference, total=share.quantize(_SMALLEST, ROUND_UP))


SelfHostedPrice: TypeAlias = PriceRow | GpuHour


def price_of(price: SelfHostedPrice, usage: Usage, seconds: float) -> Price:
    """The price of one request: before it is sent of the most tokens, or of the longest that it is waited for."""
    return price.for_seconds(seconds) if isinstance(price, GpuHour) else price.covering(usage)
