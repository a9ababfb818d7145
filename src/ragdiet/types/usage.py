"""What a provider billed, and what something would cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a provider billed for one request. ``input_tokens`` leaves cached tokens out."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    units: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens + self.cached_tokens

    @property
    def cached_tokens(self) -> int:
        """Tokens that were read from the provider's cache or written to it."""
        return self.cache_read_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What an ask would cost before it is spent, USD: all but one in 20 cost at least ``least`` and at most ``most``.

    ``worst`` is what nothing can go over: every model asked, each with its longest reply, every try billed; None where
    that is ``most``, as in the quote of a single request.
    """

    least: Decimal
    expected: Decimal
    most: Decimal
    worst: Decimal | None = None
