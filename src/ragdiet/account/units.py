"""The price of one request that is billed by units of several kinds, such as a guardrail's by policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragdiet.account.price_row import PriceRow
from ragdiet.errors import UnknownPrice
from ragdiet.types import Usage

if TYPE_CHECKING:
    from ragdiet.account.price_book import PriceBook


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPrices:
    """Rates by kind of unit. ``price`` gives those of one request, as the ledger wants them.

    A kind that is billed and has no rate is charged as the dearest of those that have one, and the reference says
    so: what was spent is never lost.
    """

    rows: Mapping[str, PriceRow]

    @classmethod
    def of(cls, book: PriceBook, names: Mapping[str, str], region: str) -> UnitPrices:
        """``names`` are the kinds and the ids of their rows. Raises UnknownPrice for one that has none."""
        return cls(rows={kind: book.price(name, region) for kind, name in names.items()})

    def price(self, units: Mapping[str, int], note: str = "") -> UnitPrice:
        """The price of exactly these units."""
        cost, references, notes = Decimal(0), set(), [note] if note else []
        for kind, count in units.items():
            row = self.rows.get(kind)
            if count and row is None:
                row = self._dearest()
                notes.append(f"no rate for {kind}, taken as {row.model}")
            if count and row is not None:
                cost += row.cost(Usage(units=count))
                references.add(row.reference)
        said = ", ".join(sorted(references) or sorted({row.reference for row in self.rows.values()}))
        return UnitPrice(reference=f"{said} ({'; '.join(notes)})" if notes else said, total=cost)

    def _dearest(self) -> PriceRow:
        found = max(self.rows.values(), key=lambda row: row.per_1000_units or Decimal(0), default=None)
        if found is None:
            raise UnknownPrice("there is no rate for any kind of unit that was billed")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPrice:
    """What one request costs, USD, whatever the usage that stands beside it in the ledger."""

    reference: str
    total: Decimal

    def cost(self, usage: Usage, *, tier: str = "") -> Decimal:
        """The total."""
        return self.total
