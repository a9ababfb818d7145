"""Price rows, looked up exactly by model id, region and day. The packaged table is ``prices.json``."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from ragdiet.account.price_file import parse_row, parse_rows, read_text
from ragdiet.account.price_row import OWN_ROW, PriceRow
from ragdiet.errors import InvalidArgument, UnknownPrice

_TABLE_DAY = date(2026, 11, 30)


class PriceBook:
    """Price rows by exact model id and region. Of several days' rows the newest holds, or the one that held ``on`` a
    day: a price that changed is a new row, and what was billed before stays explained."""

    def __init__(self, rows: Iterable[PriceRow | Mapping[str, Any]]) -> None:
        # Somewhere it is tomorrow already, and on a machine whose clock is behind the packaged table must load.
        latest = max(datetime.now(UTC).date() + timedelta(days=1), _TABLE_DAY)
        self._rows: dict[tuple[str, str], list[PriceRow]] = {}
        for given in rows:
            row = given if isinstance(given, PriceRow) else parse_row(given)
            if row.checked > latest:
                raise InvalidArgument(
                    f"price row {row.model!r}: it says it was checked on {row.checked}, in the future"
                )
            days = self._rows.setdefault((row.model, row.region), [])
            if any(other.checked == row.checked for other in days):
                raise InvalidArgument(
                    f"price row {row.model!r}: there are two for the region {row.region!r} of {row.checked}"
                )
            days.append(row)
        for days in self._rows.values():
            days.sort(key=lambda row: row.checked)

    @classmethod
    @cache
    def default(cls) -> PriceBook:
        """The packaged table."""
        text = resources.files("ragdiet.account").joinpath("prices.json").read_text(encoding="utf-8")
        return cls.from_json(text)

    @classmethod
    def from_json(cls, text: str) -> PriceBook:
        """A book of the rows of a price file's text, and of no others."""
        return cls(parse_rows(text))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PriceBook:
        """The packaged table with the rows of your own price file before it."""
        return cls.default().with_prices(parse_rows(read_text(path), str(path)))

    @property
    def rows(self) -> tuple[PriceRow, ...]:
        """All rows, those of one model and region from the oldest to the newest."""
        return tuple(row for days in self._rows.values() for row in days)

    @property
    def newest(self) -> tuple[PriceRow, ...]:
        """The row that holds of each model and region."""
        return tuple(days[-1] for days in self._rows.values())

    def with_prices(self, rows: Iterable[PriceRow | Mapping[str, Any]]) -> PriceBook:
        """A book in which ``rows`` come before this book's rows of the same model and region, from their day on."""
        book = PriceBook(rows)
        for key, days in book._rows.items():
            days[:0] = [row for row in self._rows.get(key, ()) if row.checked < days[0].checked]
        book._rows = {**self._rows, **book._rows}
        return book

    def discounted(
        self, factor: Decimal, *, which: Callable[[PriceRow], bool], source: str, checked: date
    ) -> PriceBook:
        """A book in which the rows that ``which`` takes cost ``factor`` of what they do here, from ``checked`` on.

        ``source`` is what grants it, such as the agreement's number; it stands in the ledger beside every call.
        """
        if not isinstance(factor, Decimal) or not factor.is_finite() or not 0 <= factor <= 1:
            raise InvalidArgument(f"factor is {factor!r}: give what is still paid as a Decimal from 0 to 1")
        taken = [row for row in self.newest if which(row)]
        if not taken:
            raise InvalidArgument("the discount is of no row: which() took none of the book's")
        return self.with_prices(
            row.times(factor, source=f"{source}: x{factor} of {row.source}", checked=checked) for row in taken
        )

    def price(self, model: str, region: str = "", *, on: date | None = None) -> PriceRow:
        """The row of exactly this model, in this region or in all, that holds now or held ``on`` a day.
        UnknownPrice when there is none."""
        days = self._rows.get((model, region), [])
        # GovCloud and China have price lists of their own: Titan v2 costs there 5 to 10 times as much.
        if not days and (not region.startswith(("us-gov-", "cn-")) or model.startswith("us-gov.")):
            days = self._rows.get((model, ""), [])
        held = [row for row in days if on is None or row.checked <= on]
        if held:
            return held[-1]
        if days:
            raise UnknownPrice(f"no price for the model {model!r} on {on}: its oldest row is of {days[0].checked}")
        known = sorted({model for model, _ in self._rows})
        nearest = [name for name in known if name.endswith(f".{model}")]
        nearest += [name for name in difflib.get_close_matches(model, known, n=4, cutoff=0.6) if name not in nearest]
        near = f" The nearest known ids are: {', '.join(nearest)}." if nearest else ""
        place = f" in {region}" if region else ""
        raise UnknownPrice(f"no price for the model {model!r}{place}.{near} Name one exactly. {OWN_ROW}")
