"""A section of results as it is shown on a terminal."""

from __future__ import annotations

from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]

_WIDEST = 60


def shown(section: Row) -> str:
    """Single figures a line each, then every list of rows as a table."""
    lines = [f"  {name}: {value}" for name, value in section.items() if not _is_table(value)]
    for name, value in section.items():
        if _is_table(value):
            lines += ["", f"  {name}", *table(value)]
    return "\n".join(lines)


def table(rows: list[Row]) -> list[str]:
    """Lines of a table with the columns of all rows; a missing value is left blank."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [columns, *([_cell(row.get(column, "")) for column in columns] for row in rows)]
    widths = [max(len(line[number]) for line in cells) for number in range(len(columns))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    ]


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _cell(value: object) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
