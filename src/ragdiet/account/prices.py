"""What a model charges: a dated table, looked up exactly. Unknown is not zero.

Rates are USD per million tokens; ``per_1000_units`` is USD per 1,000 queries of a reranker, or text units of a
guardrail's policy. The packaged table is ``prices.json``; every row names its source and the day it was read there.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow, localcontext
from functools import cache
from importlib import resources
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from ragdiet.errors import InvalidArgument, UnknownPrice
from ragdiet.types import Usage

Kind: TypeAlias = Literal["generate", "embed", "rerank", "guard"]

_RATES = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
_NEEDED: Mapping[Kind, tuple[str, ...]] = {
    "generate": ("input", "output"),
    "embed": ("input",),
    "rerank": ("per_1000_units",),
    "guard": ("per_1000_units",),
}
# Where a row lacks a rate that a bill needs, the greatest factor any Bedrock model charges over its
# input rate (Claude's cache) or its standard rate (the priority tier) stands in: never too little.
_DEAREST_CACHE = {"cache_read": Decimal(1), "cache_write_5m": Decimal("1.25"), "cache_write_1h": Decimal(2)}
_DEAREST_TIER = {"priority": Decimal("1.75")}
_EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, Overflow])
_TABLE_DAY = date(2026, 11, 23)


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
    ``tiers`` are the factors of the service tiers the source lists, such as ``{"flex": Decimal("0.5")}``.

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
    tiers: Mapping[str, Decimal] = field(default_factory=dict, hash=False)
    long_context: LongContext | None = None
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tiers", dict(self.tiers))
        if not self.model or not self.source:
            raise InvalidArgument(f"price row {self.model!r}: give the exact model id and the source of its rates")
        if self.kind not in get_args(Kind):
            raise InvalidArgument(
                f"price row {self.model!r}: kind {self.kind!r} is none of {', '.join(get_args(Kind))}"
            )
        for name in _NEEDED[self.kind]:
            if getattr(self, name) is None:
                raise InvalidArgument(f"price row {self.model!r}: a row to {self.kind} needs the rate {name!r}")
        rates = {name: getattr(self, name) for name in (*_RATES, "per_1000_units")}
        rates |= {f"tiers.{name}": factor for name, factor in self.tiers.items()}
        if self.long_context:
            if self.long_context.above < 0:
                raise InvalidArgument(f"price row {self.model!r}: long_context.above must be 0 tokens or more")
            rates |= {f"long_context.{name}": getattr(self.long_context, name) for name in _RATES}
        for name, rate in rates.items():
            if rate is not None and not (isinstance(rate, Decimal) and rate.is_finite() and rate >= 0):
                raise InvalidArgument(f"price row {self.model!r}: {name} is {rate!r}, not a Decimal of 0 or more")

    @property
    def reference(self) -> str:
        """Where the rates come from, for the ledger."""
        note = f" ({self.note})" if self.note else ""
        return f"{self.source} @ {self.checked}{note}"

    def noted(self, note: str) -> PriceRow:
        """The same rates under a reference that says ``note`` too."""
        return replace(self, note=f"{self.note}, {note}" if self.note else note)

    def cost(self, usage: Usage, *, tier: str = "") -> Decimal:
        """USD for ``usage``, exact to the last digit; UnknownPrice where the row lacks a rate it needs."""
        rates = self._rates(usage)
        with localcontext(_EXACT):
            millionths = Decimal(0)
            for name in _RATES:
                tokens, rate = getattr(usage, f"{name}_tokens"), getattr(rates, name)
                if tokens < 0:
                    raise InvalidArgument(f"a usage cannot hold {tokens} {name} tokens")
                if tokens and rate is None:
                    raise UnknownPrice(f"{self._named()} has no {name} rate. {_OWN_ROW}")
                if tokens:
                    millionths += tokens * rate
            units = Decimal(0)
            if usage.units < 0:
                raise InvalidArgument(f"a usage cannot hold {usage.units} units")
            if usage.units:
                if self.per_1000_units is None:
                    raise UnknownPrice(f"{self._named()} has no rate per 1,000 units. {_OWN_ROW}")
                units = usage.units * self.per_1000_units
            return (millionths.scaleb(-6) + units.scaleb(-3)) * self._factor(tier)

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
            rates = row._rates(usage)
            if getattr(usage, f"{name}_tokens") and getattr(rates, name) is None and rates.input is not None:
                rate: dict[str, Any] = {name: rates.input * factor}
                if isinstance(rates, LongContext):
                    row = replace(row, long_context=replace(rates, **rate))
                else:
                    row = replace(row, **rate)
                row = row.noted(f"{name} taken as x{factor} of input")
        return row

    def _rates(self, usage: Usage) -> PriceRow | LongContext:
        held = usage.total_tokens - usage.output_tokens
        return self.long_context if self.long_context and held > self.long_context.above else self

    def _factor(self, tier: str) -> Decimal:
        if tier in ("", "default"):
            return Decimal(1)
        if tier not in self.tiers:
            raise UnknownPrice(f"{self._named()} has no price for the tier {tier!r}. {_OWN_ROW}")
        return self.tiers[tier]

    def _named(self) -> str:
        return f"the price row of {self.model!r}" + (f" in {self.region}" if self.region else "")


_OWN_ROW = (
    "Read the rate on the provider's price page and give it with "
    "PriceBook.default().with_prices([PriceRow(model=..., kind=..., input=..., output=..., source=..., checked=...)])"
)


class PriceBook:
    """Price rows by exact model id and region."""

    def __init__(self, rows: Iterable[PriceRow | Mapping[str, Any]]) -> None:
        # Somewhere it is tomorrow already, and on a machine whose clock is behind the packaged table must load.
        latest = max(datetime.now(UTC).date() + timedelta(days=1), _TABLE_DAY)
        self._rows: dict[tuple[str, str], PriceRow] = {}
        for given in rows:
            row = given if isinstance(given, PriceRow) else _parsed(given)
            if row.checked > latest:
                raise InvalidArgument(
                    f"price row {row.model!r}: it says it was checked on {row.checked}, in the future"
                )
            if (row.model, row.region) in self._rows:
                raise InvalidArgument(f"price row {row.model!r}: there are two for the region {row.region!r}")
            self._rows[row.model, row.region] = row

    @classmethod
    @cache
    def default(cls) -> PriceBook:
        """The packaged table."""
        text = resources.files("ragdiet.account").joinpath("prices.json").read_text(encoding="utf-8")
        return cls.from_json(text)

    @classmethod
    def from_json(cls, text: str) -> PriceBook:
        """A book from JSON of the form ``{"rows": [{"model": ..., "kind": ..., "input": "0.06", ...}]}``."""
        try:
            content = json.loads(text, parse_float=Decimal)
        except ValueError as error:
            raise InvalidArgument(f"the price file is not JSON: {error}") from error
        rows = content.get("rows") if isinstance(content, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise InvalidArgument('the price file must hold an object with a list of objects: {"rows": [{...}]}')
        return cls(rows)

    @property
    def rows(self) -> tuple[PriceRow, ...]:
        return tuple(self._rows.values())

    def with_prices(self, rows: Iterable[PriceRow | Mapping[str, Any]]) -> PriceBook:
        """A book in which ``rows`` come before this book's rows of the same model and region."""
        book = PriceBook(rows)
        book._rows = {**self._rows, **book._rows}
        return book

    def price(self, model: str, region: str = "") -> PriceRow:
        """The row of exactly this model, in this region or in all. UnknownPrice when there is none."""
        row = self._rows.get((model, region))
        # GovCloud and China have price lists of their own: Titan v2 costs there 5 to 10 times as much.
        if row is None and (not region.startswith(("us-gov-", "cn-")) or model.startswith("us-gov.")):
            row = self._rows.get((model, ""))
        if row is not None:
            return row
        known = sorted({row.model for row in self._rows.values()})
        nearest = [name for name in known if name.endswith(f".{model}")]
        nearest += [name for name in difflib.get_close_matches(model, known, n=4, cutoff=0.6) if name not in nearest]
        near = f" The nearest known ids are: {', '.join(nearest)}." if nearest else ""
        place = f" in {region}" if region else ""
        raise UnknownPrice(f"no price for the model {model!r}{place}.{near} Name one exactly. {_OWN_ROW}")


def _parsed(row: Mapping[str, Any]) -> PriceRow:
    from pydantic import ValidationError

    try:
        parsed: PriceRow = _row_adapter().validate_python(dict(row))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, InvalidArgument):
            raise cause from error
        place = ".".join(map(str, first["loc"]))
        raise InvalidArgument(f"price row {row.get('model', row)!r}: {place}: {first['msg']}") from error
    return parsed


@cache
def _row_adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(PriceRow)
