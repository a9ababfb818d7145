"""What one model charges: a row of exact rates. Unknown is not zero.

Rates are USD per million tokens; ``per_1000_units`` is USD per 1,000 queries of a reranker, or text units of a
guardrail's policy; ``rates`` are a database's, by the names in ``DATABASE_RATES``. A row names the source of its rates
and the day they were read there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow, localcontext
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from ragdiet.errors import InvalidArgument, UnknownPrice
from ragdiet.types import Usage

Kind: TypeAlias = Literal["generate", "embed", "rerank", "guard", "database"]

TOKEN_RATES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
DATABASE_RATES = ("acu_hour", "gb_month", "million_io")
_NEEDED: Mapping[Kind, tuple[str, ...]] = {
    "generate": ("input", "output"),
    "embed": ("input",),
    "rerank": ("per_1000_units",),
    "guard": ("per_1000_units",),
    "database": (),
}
# Where a row lacks a rate that a bill needs, the greatest factor any Bedrock model charges over its
# input rate (Claude's cache) or its standard rate (the priority tier) stands in: never too little.
_DEAREST_CACHE = {"cache_read": Decimal(1), "cache_write_5m": Decimal("1.25"), "cache_write_1h": Decimal(2)}
_DEAREST_TIER = {"priority": Decimal("1.75")}
# Within these bounds no product of tokens, rate and factor needs more digits than EXACT has.
_HIGHEST, _DIGITS = Decimal(10**6), 30
EXACT = Context(prec=150, traps=[Inexact, InvalidOperation, Overflow])
OWN_ROW = (
    "Read the rate on the provider's price page and give it with "
    "PriceBook.default().with_prices([PriceRow(model=..., kind=..., input=..., output=..., source=..., checked=...)])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRates:
    """The rates of a service tier that is no one factor of the standard rates."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LongContext:
    """The rates of a whole request once its input, cached tokens included, is over ``above`` tokens."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    above: int
    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """The rates of one exact model id, in USD per million tokens. None is unknown, not free.

    ``region=""`` holds wherever the id has no row of its own, the GovCloud and China regions apart.
    ``tiers`` are the service tiers that the source lists: a factor of all rates, such as ``{"flex": Decimal("0.5")}``,
    or rates of their own where no one factor gives them.

    >>> row = PriceRow(model="us.amazon.nova-micro-v1:0", kind="generate", input=Decimal("0.035"),
    ...                output=Decimal("0.14"), source="price list", checked=date(2026, 11, 23))
    >>> row.cost(Usage(input_tokens=3000, output_tokens=300))
    Decimal('0.000147000')
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    model: str
    kind: Kind
    source: str
    checked: date
    region: str = ""
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    per_1000_units: Decimal | None = None
    tiers: Mapping[str, Decimal | TierRates] = field(default_factory=dict, hash=False)
    long_context: LongContext | None = None
    rates: Mapping[str, Decimal] = field(default_factory=dict, hash=False)
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tiers", dict(self.tiers))
        object.__setattr__(self, "rates", dict(self.rates))
        if not self.model or not self.source:
            raise InvalidArgument(f"price row {self.model!r}: give the exact model id and the source of its rates")
        if self.kind not in get_args(Kind):
            raise self._wrong(f"kind {self.kind!r} is none of {', '.join(get_args(Kind))}")
        for name in _NEEDED[self.kind]:
            if getattr(self, name) is None:
                raise self._wrong(f"a row to {self.kind} needs the rate {name!r}")
        if set(self.rates) != (set(DATABASE_RATES) if self.kind == "database" else set()):
            raise self._wrong(f"rates are those of a database, which needs each of {', '.join(DATABASE_RATES)}")
        if self.long_context and self.long_context.above < 0:
            raise self._wrong("long_context.above must be 0 tokens or more")
        if self.long_context and any(isinstance(tier, TierRates) for tier in self.tiers.values()):
            raise self._wrong("the tiers of a row with long_context are factors")
        for name, rate in self._named_rates():
            if not (isinstance(rate, Decimal) and rate.is_finite() and rate >= 0):
                raise self._wrong(f"{name} is {rate!r}, not a Decimal of 0 or more")
            exponent = rate.as_tuple().exponent
            if rate > _HIGHEST or not isinstance(exponent, int) or exponent < -_DIGITS:
                raise self._wrong(f"{name} is {rate}: no rate is over {_HIGHEST} or has over {_DIGITS} decimals")

    def _named_rates(self) -> Iterator[tuple[str, Any]]:
        groups: dict[str, object] = {"": self, "long_context.": self.long_context}
        groups |= {f"tiers.{name}.": tier for name, tier in self.tiers.items() if isinstance(tier, TierRates)}
        for prefix, group in groups.items():
            for name in TOKEN_RATES:
                if (rate := getattr(group, name, None)) is not None:
                    yield f"{prefix}{name}", rate
        yield from ((f"tiers.{name}", tier) for name, tier in self.tiers.items() if not isinstance(tier, TierRates))
        yield from ((f"rates.{name}", rate) for name, rate in self.rates.items())
        if self.per_1000_units is not None:
            yield "per_1000_units", self.per_1000_units

    @property
    def reference(self) -> str:
        """Where the rates come from, for the ledger."""
        note = f" ({self.note})" if self.note else ""
        return f"{self.source} @ {self.checked}{note}"

    def noted(self, note: str) -> PriceRow:
        """The same rates under a reference that says ``note`` too."""
        return replace(self, note=f"{self.note}, {note}" if self.note else note)

    def said(self) -> dict[str, str]:
        """All rates that are known, by name, as text."""
        rates = {name: f"{rate.normalize(EXACT):f}" for name, rate in self._named_rates()}
        for name, tier in self.tiers.items():
            if not isinstance(tier, TierRates):
                rates[f"tiers.{name}"] = f"x{tier.normalize(EXACT):f}"
        if self.long_context:
            rates["long_context.above"] = f"{self.long_context.above:,} tokens"
        return rates

    def same_rates(self, other: PriceRow) -> bool:
        """Whether the two charge alike, whatever their source and day."""
        aside: dict[str, Any] = {"model": "-", "region": "", "source": "-", "checked": date.min, "note": ""}
        return replace(self, **aside) == replace(other, **aside)

    def times(self, factor: Decimal, *, source: str, checked: date) -> PriceRow:
        """This row with every rate multiplied by ``factor``, exactly."""

        def scaled(group: PriceRow | LongContext | TierRates) -> dict[str, Any]:
            found = {name: getattr(group, name) for name in TOKEN_RATES}
            return {name: EXACT.multiply(rate, factor) for name, rate in found.items() if rate is not None}

        given: dict[str, Any] = scaled(self)
        if self.per_1000_units is not None:
            given["per_1000_units"] = EXACT.multiply(self.per_1000_units, factor)
        return replace(
            self,
            **given,
            long_context=replace(self.long_context, **scaled(self.long_context)) if self.long_context else None,
            tiers={
                name: replace(tier, **scaled(tier)) if isinstance(tier, TierRates) else tier
                for name, tier in self.tiers.items()
            },
            rates={name: EXACT.multiply(rate, factor) for name, rate in self.rates.items()},
            source=source,
            checked=checked,
        )

    def cost(self, usage: Usage, *, tier: str = "") -> Decimal:
        """USD for ``usage``, exact to the last digit; UnknownPrice where the row lacks a rate it needs."""
        rates, factor = self._rates(usage, tier)
        with localcontext(EXACT):
            millionths = Decimal(0)
            for name in TOKEN_RATES:
                tokens, rate = getattr(usage, f"{name}_tokens"), getattr(rates, name)
                if tokens < 0:
                    raise InvalidArgument(f"a usage cannot hold {tokens} {name} tokens")
                if tokens and rate is None:
                    raise UnknownPrice(f"{self._named()} has no {name} rate. {OWN_ROW}")
                if tokens:
                    millionths += tokens * rate
            units = Decimal(0)
            if usage.units < 0:
                raise InvalidArgument(f"a usage cannot hold {usage.units} units")
            if usage.units:
                if self.per_1000_units is None:
                    raise UnknownPrice(f"{self._named()} has no rate per 1,000 units. {OWN_ROW}")
                units = usage.units * self.per_1000_units
            return (millionths.scaleb(-6) + units.scaleb(-3)) * factor

    def covering(self, usage: Usage, *, tier: str = "") -> PriceRow:
        """This row, or where it lacks a cache rate or the tier that a bill holds, a copy that charges
        the dearest known factor for it and says so in its reference: what was spent is never lost."""
        row = self
        if tier not in ("", "default") and tier not in row.tiers:
            factor = _DEAREST_TIER.get(tier, Decimal(1))
            row = replace(row, tiers={**row.tiers, tier: factor}).noted(f"tier {tier} taken as x{factor}")
        if not usage.cached_tokens:
            return row
        for name, factor in _DEAREST_CACHE.items():
            rates, _ = row._rates(usage, tier)
            if getattr(usage, f"{name}_tokens") and getattr(rates, name) is None and rates.input is not None:
                rate: dict[str, Any] = {name: rates.input * factor}
                if isinstance(rates, LongContext):
                    row = replace(row, long_context=replace(rates, **rate))
                elif isinstance(rates, TierRates):
                    row = replace(row, tiers={**row.tiers, tier: replace(rates, **rate)})
                else:
                    row = replace(row, **rate)
                row = row.noted(f"{name} taken as x{factor} of input")
        return row

    def _rates(self, usage: Usage, tier: str) -> tuple[PriceRow | LongContext | TierRates, Decimal]:
        """The rates that hold for a usage in a tier, and what they are multiplied by."""
        held = usage.total_tokens - usage.output_tokens
        standard = self.long_context if self.long_context and held > self.long_context.above else self
        if tier in ("", "default"):
            return standard, Decimal(1)
        if tier not in self.tiers:
            raise UnknownPrice(f"{self._named()} has no price for the tier {tier!r}. {OWN_ROW}")
        found = self.tiers[tier]
        return (found, Decimal(1)) if isinstance(found, TierRates) else (standard, found)

    def _named(self) -> str:
        return f"the price row of {self.model!r}" + (f" in {self.region}" if self.region else "")

    def _wrong(self, what: str) -> InvalidArgument:
        place = f" in {self.region}" if self.region else ""
        return InvalidArgument(f"price row {self.model!r}{place}: {what}")
