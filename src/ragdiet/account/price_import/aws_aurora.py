"""Aurora Serverless v2 in the AWS Price List: the offer file of AmazonRDS for a region."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from ragdiet.account.price_import.aws_offer import Offer, Unsure
from ragdiet.account.price_import.imported import Imported
from ragdiet.account.price_row import DATABASE_RATES, EXACT, PriceRow
from ragdiet.errors import InvalidArgument

OFFER = "AmazonRDS"
_METERS: Mapping[str, tuple[str, str, str, int]] = {
    "Aurora:ServerlessV2Usage": ("aurora/standard", "acu_hour", "ACU-Hr", 1),
    "Aurora:StorageUsage": ("aurora/standard", "gb_month", "GB-Mo", 1),
    "Aurora:StorageIOUsage": ("aurora/standard", "million_io", "IOs", 10**6),
    "Aurora:ServerlessV2IOOptimizedUsage": ("aurora/io-optimized", "acu_hour", "ACU-Hr", 1),
    "Aurora:IO-OptimizedStorageUsage": ("aurora/io-optimized", "gb_month", "GB-Mo", 1),
}
_PLACE = re.compile(r"^[A-Z]{2,4}\d?-")


def aurora_prices(offer: Offer, *, checked: date) -> Imported:
    """Rows of the kind "database" of Aurora PostgreSQL. Requests cost nothing under I/O-Optimized."""
    found: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(dict)
    engines: dict[tuple[str, str, str], str] = {}
    skipped: dict[str, str] = {}
    for product in offer.products():
        meter = _METERS.get(_PLACE.sub("", product.usage_type))
        engine = product.attributes.get("databaseEngine", "")
        if meter is None or engine not in ("Aurora PostgreSQL", "Any"):
            continue
        model, rate, unit, times = meter
        # Some regions list storage by engine and some for any; the engine's own goes first.
        if engines.get((model, product.region, rate)) == "Aurora PostgreSQL":
            continue
        try:
            price = product.price()
        except Unsure as reason:
            skipped[product.usage_type] = str(reason)
            continue
        if price.unit != unit:
            skipped[product.usage_type] = f"priced per {price.unit!r}, not {unit!r}"
            continue
        engines[model, product.region, rate] = engine
        found[model, product.region][rate] = EXACT.multiply(price.usd, Decimal(times)).normalize(EXACT)
    rows = []
    for (model, region), rates in found.items():
        if model == "aurora/io-optimized":
            rates["million_io"] = Decimal(0)
        if rates.keys() == set(DATABASE_RATES):
            rows.append(
                PriceRow(model=model, kind="database", region=region, rates=rates, source=offer.source, checked=checked)
            )
        else:
            skipped[f"{model} in {region}"] = "only some of the rates that a bill needs"
    if not rows:
        raise InvalidArgument(f"{offer.path} holds no whole price of Aurora Serverless v2 for PostgreSQL")
    return Imported(
        rows=tuple(rows), family=offer.family, skipped=skipped, covers=frozenset(region for _, region in found)
    )
