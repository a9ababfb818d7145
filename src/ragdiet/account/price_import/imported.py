"""What an import gives, and how it differs from a book."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal, TypeAlias

from ragdiet.account.price_book import PriceBook
from ragdiet.account.price_row import EXACT, TOKEN_RATES, PriceRow, TierRates
from ragdiet.errors import UnknownPrice

Change: TypeAlias = Literal["new", "changed", "gone", "kept"]

# What may be replaced by what: by sources from the same place on, and never a row of one's own.
_TRUSTED = ("Amazon Bedrock documentation", "litellm", "AWS Price List")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Rows of one source. ``skipped`` are its entries that give none, with the reason.

    ``family`` begins the source of all rows of its kind, and ``covers`` are the regions for which it is whole (None is
    all of them): what a book has of this family there, and the import has not, is gone.
    """

    rows: tuple[PriceRow, ...]
    family: str
    skipped: Mapping[str, str] = field(default_factory=dict)
    covers: Collection[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How one model's row in a region differs: ``before`` is None for a new one, ``after`` for one that is gone.

    A row that differs is "kept" where what the book has is your own, or of a better source: AWS before litellm.
    """

    change: Change
    model: str
    region: str
    before: PriceRow | None = None
    after: PriceRow | None = None

    @property
    def rates(self) -> tuple[tuple[str, str, str], ...]:
        """The rates that differ: name, before, after. A dash is a rate that is not known."""
        before, after = (row.said() if row else {} for row in (self.before, self.after))
        names = [*before, *(name for name in after if name not in before)]
        return tuple(
            (name, before.get(name, "-"), after.get(name, "-")) for name in names if before.get(name) != after.get(name)
        )


def differences(book: PriceBook, imported: Imported) -> tuple[Difference, ...]:
    """What is new, changed or gone in an import, beside the rows that hold in ``book``.

    A rate that the import does not know is no change. A changed row keeps what only the book knows, unless its input or
    output changed, or the book's row is of all regions: then the old rates beside them would be a guess.
    Gone are only models that the book has from the same kind of source.
    """
    found = []
    for row in imported.rows:
        try:
            before = book.price(row.model, row.region)
        except UnknownPrice:
            found.append(Difference(change="new", model=row.model, region=row.region, after=row))
            continue
        filled = _filled(row, before)
        if not filled.same_rates(before):
            after = (
                filled if (row.region, row.input, row.output) == (before.region, before.input, before.output) else row
            )
            change: Change = "changed" if _trust(row) >= _trust(before) else "kept"
            found.append(Difference(change=change, model=row.model, region=row.region, before=before, after=after))
    there = {(row.model, row.region) for row in imported.rows}
    found += [
        Difference(change="gone", model=row.model, region=row.region, before=row)
        for row in book.newest
        if (row.model, row.region) not in there
        and row.source.startswith(imported.family)
        and (imported.covers is None or row.region in imported.covers)
    ]
    return tuple(sorted(found, key=lambda one: (one.change, one.model, one.region)))


def _filled(row: PriceRow, before: PriceRow) -> PriceRow:
    """``row`` with what only ``before`` knows, and a note of where that is from."""
    known = {name: getattr(before, name) for name in TOKEN_RATES if getattr(row, name) is None}
    filled = replace(
        row, **known, tiers={**before.tiers, **row.tiers}, long_context=row.long_context or before.long_context
    )
    return filled if filled == row else filled.noted(f"what it lacks: {before.reference}")


def _trust(row: PriceRow) -> int:
    ranks = [rank for rank, family in enumerate(_TRUSTED) if row.source.startswith(family)]
    return ranks[0] if ranks else len(_TRUSTED)


def tier_rates(
    standard: Mapping[str, Decimal], rates: Mapping[str, Decimal], *, long_context: bool
) -> Decimal | TierRates | None:
    """What a tier's rates are of the standard ones: one factor if that gives each of them exactly, else themselves.
    None where they are too few to say."""
    found = {name: rate for name, rate in rates.items() if name in standard}
    factors = [(rate / standard[name]).normalize() for name, rate in found.items() if standard[name]]
    if factors and all(EXACT.multiply(standard[name], factors[0]) == rate for name, rate in found.items()):
        return factors[0]
    return TierRates(**found) if {"input", "output"} <= found.keys() and not long_context else None
