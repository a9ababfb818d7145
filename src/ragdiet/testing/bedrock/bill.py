"""What the service would charge: tokens by kind, units and the tier, and their price by a table handed in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal, Inexact, localcontext
from types import MappingProxyType
from typing import Any

_EXACT = Context(prec=60, traps=[Inexact])
_PRICES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "per_1000_units")
_MILLION, _THOUSAND = Decimal(1_000_000), Decimal(1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """USD per million tokens, and per 1,000 units of what is not priced by tokens. None is unknown.

    ``tiers`` are the factors of the service tiers but the default one. Where the input, cached tokens included, is
    above ``long_above`` tokens, the rates of ``long`` hold for the whole request.
    """

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    per_1000_units: Decimal | None = None
    tiers: Mapping[str, Decimal | Rates] = field(default_factory=dict)
    long: Rates | None = None
    long_above: int = 0

    @classmethod
    def like(cls, row: Any) -> Rates:
        """The rates of a row of ``ragdiet.PriceBook``, or of whatever has its attributes."""
        names = [name for name in _PRICES if hasattr(row, name)]
        tiers = {
            name: tier if isinstance(tier, Decimal) else cls.like(tier)
            for name, tier in getattr(row, "tiers", {}).items()
        }
        found = cls(**{name: getattr(row, name) for name in names}, tiers=tiers)
        above = getattr(row, "long_context", None)
        return replace(found, long=cls.like(above), long_above=above.above) if above else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one request is billed with.

    ``units`` are queries of a reranker; ``policies`` are text units by the name that usage has for a guardrail's
    policy, or by the check. ``served`` is the exact model id, or the guardrail, behind an ARN or a profile.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    units: int = 0
    policies: Mapping[str, int] = field(default_factory=dict)
    tier: str = "default"
    served: str = ""

    @property
    def cache_write_tokens(self) -> int:
        """Tokens written to the cache, whatever their time to live."""
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens

    def cost(self, rates: Rates, policy_rates: Mapping[str, Decimal] = MappingProxyType({})) -> Decimal:
        """USD, exact. Raises LookupError where a rate that is needed is unknown.

        ``policy_rates`` are USD per 1,000 text units.

        >>> Charge(input_tokens=100, output_tokens=10).cost(Rates(input=Decimal("0.06"), output=Decimal("0.24")))
        Decimal('0.0000084')
        """
        held = self.input_tokens + self.cache_read_tokens + self.cache_write_tokens
        if rates.long and held > rates.long_above:
            rates = replace(rates.long, tiers=rates.tiers)
        factor = Decimal(1) if self.tier == "default" else rates.tiers.get(self.tier)
        if isinstance(factor, Rates):
            rates, factor = factor, Decimal(1)
        parts = (
            (self.input_tokens, rates.input, _MILLION),
            (self.output_tokens, rates.output, _MILLION),
            (self.cache_read_tokens, rates.cache_read, _MILLION),
            (self.cache_write_5m_tokens, rates.cache_write_5m, _MILLION),
            (self.cache_write_1h_tokens, rates.cache_write_1h, _MILLION),
            (self.units, rates.per_1000_units, _THOUSAND),
        )
        units = tuple((count, policy_rates.get(policy), _THOUSAND) for policy, count in self.policies.items())
        if factor is None or any(count and rate is None for count, rate, _ in (*parts, *units)):
            raise LookupError(f"the rates handed in do not cover {self}")
        with localcontext(_EXACT):
            model, guardrail = (
                sum((count * rate / per for count, rate, per in some if count and rate), Decimal(0))
                for some in (parts, units)
            )
            return factor * model + guardrail


@dataclass(frozen=True, slots=True, kw_only=True)
class BillRow:
    """One billed request. ``model`` is the one that served, ``cost`` USD or None without rates for it."""

    request_id: str
    operation: str
    model: str
    charge: Charge
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Bill:
    """All that is billed since the start or the last reset."""

    rows: tuple[BillRow, ...]

    def __iter__(self) -> Iterator[BillRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def total(self) -> Decimal:
        """USD, to the last digit. Raises LookupError if a row has no price: unknown is not free."""
        unpriced = sorted({row.model for row in self.rows if row.cost is None})
        if unpriced:
            raise LookupError(f"no rates were given for {', '.join(unpriced)}: hand them in as rates=")
        with localcontext(_EXACT):
            return sum((row.cost for row in self.rows if row.cost is not None), Decimal(0))
