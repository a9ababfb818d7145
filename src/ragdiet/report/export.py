"""Rows of spend for other programs: CSV and JSON, exact to the last digit, one row in memory at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragdiet.report.costs import CostRow

_FIGURES = (
    "calls",
    "asks",
    "uncached_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "units",
    "cost",
    "unsettled_calls",
    "unsettled",
)


def csv_lines(by: Sequence[str], rows: Iterable[CostRow]) -> Iterator[str]:
    """A header and a line for each row. A name that a spreadsheet would take for a formula gets a ``'`` before it."""
    yield _csv((*by, *_FIGURES))
    for row in rows:
        yield _csv((*map(_inert, row.keys), *map(str, _figures(row).values())))


def json_lines(by: Sequence[str], rows: Iterable[CostRow]) -> Iterator[str]:
    """The lines of one JSON array. Money is a string, as a float would not hold it."""
    before = "["
    for row in rows:
        yield before + json.dumps(dict(zip(by, row.keys, strict=True)) | _figures(row))
        before = ","
    yield "]" if before == "," else "[]"


def _figures(row: CostRow) -> dict[str, int | str]:
    return {
        name: value if isinstance(value := getattr(row, name), int) else f"{value:f}"  # no exponents
        for name in _FIGURES
    }


def _inert(name: str) -> str:
    return f"'{name}" if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name


def _csv(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()
