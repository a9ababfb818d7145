"""The AWS Price List: the offer files of Amazon Bedrock, as AWS publishes them for anyone to fetch.

``https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/OFFER/current/REGION/index.json``, where OFFER is
AmazonBedrock (Amazon's and open models, guardrails) or AmazonBedrockFoundationModels (Claude, Cohere, AI21); that of
AmazonRDS has Aurora. AWS names models in its own way: a name that ``aws_names.json`` does not hold gives no row, and is
said.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from ragdiet.account.price_book import PriceBook
from ragdiet.account.price_import.aws_aurora import OFFER, aurora_prices
from ragdiet.account.price_import.aws_meter import Meter, meter_of, per
from ragdiet.account.price_import.aws_offer import Offer, Price, Unsure
from ragdiet.account.price_import.imported import Imported, tier_rates
from ragdiet.account.price_row import EXACT, Kind, LongContext, PriceRow
from ragdiet.errors import InvalidArgument

OFFERS = ("AmazonBedrock", "AmazonBedrockService", "AmazonBedrockFoundationModels")
# The geographies of system inference profiles, by the regions that a request may be sent from.
_GEOGRAPHIES = {
    "us": re.compile(r"us-(?!gov)|ca-"),
    "eu": re.compile(r"eu-"),
    "apac": re.compile(r"ap-"),
    "jp": re.compile(r"ap-northeast-[13]"),
    "au": re.compile(r"ap-southeast-[24]"),
    "in": re.compile(r"ap-south-"),
    "us-gov": re.compile(r"us-gov-"),
}


@dataclass(slots=True)
class _Rates:
    """What a file says of one model, one region and one scope: rates by tier ("" is the standard one)."""

    tiers: dict[str, dict[str, Decimal]] = field(default_factory=lambda: defaultdict(dict))
    long_context: dict[str, Decimal] = field(default_factory=dict)


def aws_prices(path: str | os.PathLike[str], *, book: PriceBook, checked: date) -> Imported:
    """The rows of an offer file. ``book`` says which profiles of a model there are, and where its long requests begin.

    A price for a region is also that of the geographic profiles which may be called from there; a global one is that of
    the ``global.`` profile.
    """
    offer = Offer.read(path, (*OFFERS, OFFER))
    if offer.code == OFFER:
        return aurora_prices(offer, checked=checked)
    skipped: dict[str, str] = {}
    found: dict[tuple[str, str, bool], _Rates] = defaultdict(_Rates)
    regions, twice = set(), set()
    for meter, name, region, rate in _lines(offer, skipped):
        model = _names().get(re.sub(r"[^a-z0-9]", "", name.lower())) or _spelt_out(name, book)
        regions.add(region)
        if model is None:
            skipped[name] = "a name that stands for no model id known here"
            continue
        rates = found[model, region, meter.everywhere]
        kept = rates.long_context if meter.long_context else rates.tiers[meter.tier]
        if meter.long_context and meter.tier:
            continue
        if kept.setdefault(meter.rate, rate) != rate:
            twice.add((model, region, meter.everywhere))
            skipped[f"{model} in {region}"] = f"two prices for its {meter.rate}, and no word of which holds"
    rows = []
    for (model, region, everywhere), rates in found.items():
        if (model, region, everywhere) in twice:
            continue
        for exact, known in _ids(model, region, everywhere, book):
            row = _row(exact, region, rates, known)
            if row is None:
                skipped[f"{exact} in {region}"] = "only some of the rates that a bill needs"
            else:
                rows.append(PriceRow(**row, source=offer.source, checked=checked))
    if not rows:
        raise InvalidArgument(f"{path} holds no price of a model that is known here")
    return Imported(rows=tuple(rows), family=offer.family, skipped=skipped, covers=frozenset(regions))


def _lines(offer: Offer, skipped: dict[str, str]) -> Iterator[tuple[Meter, str, str, Decimal]]:
    """Each on-demand price that is metered in tokens or units: meter, name, region, and USD as a price row has it."""
    for product in offer.products():
        meter = meter_of(product.usage_type)
        if meter is None:
            continue
        name = (
            meter.name
            or str(product.attributes.get("servicename", "")).removesuffix("(Amazon Bedrock Edition)").strip()
        )
        try:
            yield meter, name, product.region, _rate(name, meter, product.price())
        except Unsure as reason:
            skipped[name] = str(reason)


def _rate(name: str, meter: Meter, price: Price) -> Decimal:
    if "-mantle" in name:
        raise Unsure("of the mantle endpoint, which has ids of its own")
    count = per(price.unit, price.description)
    if count is None:
        raise Unsure(f"priced per {price.unit!r}, and no word of how many that is")
    times = Decimal(1000 if meter.rate == "per_1000_units" else 10**6) / count
    return EXACT.multiply(price.usd, times).normalize(EXACT)


def _spelt_out(name: str, book: PriceBook) -> str | None:
    """A name that is a model id itself, but for the version at its end."""
    bare = {_bare(row.model) for row in book.newest}
    return next((one for one in (name, f"{name}-v1:0", f"{name}-1:0") if one in bare), None)


def _ids(model: str, region: str, everywhere: bool, book: PriceBook) -> Iterator[tuple[str, PriceRow | None]]:
    # A row of another region, such as GovCloud's, does not say that the id is asked for here.
    known = {row.model: row for row in book.newest if _bare(row.model) == model and row.region in ("", region)}
    if everywhere:
        named = [f"global.{model}"]
    else:
        named = [f"{place}.{model}" for place, regions in _GEOGRAPHIES.items() if regions.match(region)]
        named = [name for name in (model, *named) if name in known] or [model]
    yield from ((name, known.get(name)) for name in named)


def _bare(model: str) -> str:
    place, _, rest = model.partition(".")
    return rest if place in (*_GEOGRAPHIES, "global") else model


def _row(model: str, region: str, rates: _Rates, known: PriceRow | None) -> dict[str, Any] | None:
    standard = rates.tiers.get("", {})
    kind: Kind = known.kind if known else "generate" if "output" in standard else "embed"
    needed = {"generate": {"input", "output"}, "embed": {"input"}}.get(kind, {"per_1000_units"})
    if not needed <= standard.keys():
        return None
    row: dict[str, Any] = {"model": model, "kind": kind, "region": region, **standard}
    if known and known.long_context and {"input", "output"} <= rates.long_context.keys():
        row["long_context"] = LongContext(above=known.long_context.above, **rates.long_context)
    long_context = known is not None and known.long_context is not None
    tiers = {
        tier: tier_rates(standard, found, long_context=long_context) for tier, found in rates.tiers.items() if tier
    }
    row["tiers"] = {tier: found for tier, found in tiers.items() if found is not None}
    return row


@cache
def _names() -> Mapping[str, str]:
    text = resources.files("ragdiet.account.price_import").joinpath("aws_names.json").read_text(encoding="utf-8")
    names: Mapping[str, str] = json.loads(text)["names"]
    return names
