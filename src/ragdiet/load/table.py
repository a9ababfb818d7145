"""Rows of a table as lines: ``a | b | c``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from bs4.element import Tag

Kind: TypeAlias = Literal["data", "column", "layout"]

_CELLS = ("td", "th")
_NOT_IN_DATA = frozenset({"table", "h1", "h2", "h3", "h4", "h5", "h6"})
_LONGEST_REPEATED = 80  # characters
_MOST_COLUMNS = 1_000


def kind(table: Tag) -> Kind:
    """What an HTML table is for: ``data`` has rows of several cells, a ``column`` several rows of one.

    A table that holds headings or other tables, or one cell alone, only lays out the page.
    """
    from bs4.element import Tag

    rows = 0
    has_columns = False
    # Not table.descendants, which goes down to the last of them first: quadratic for nested tables.
    pending = [table]
    while pending:
        inside = [child for child in pending.pop().contents if isinstance(child, Tag)]
        if any(child.name in _NOT_IN_DATA for child in inside):
            return "layout"
        has_columns = has_columns or sum(child.name in _CELLS for child in inside) > 1
        rows += sum(child.name == "tr" for child in inside)
        pending += inside
    return "data" if has_columns else "column" if rows > 1 else "layout"


class Table:
    """Collects cells and gives each row as a line.

    A cell that spans rows is repeated in each, when it is short: a row then reads without those above.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._row: list[str] = []
        self._spanning: dict[int, tuple[int, str]] = {}
        self._new: dict[int, tuple[int, str]] = {}

    def cell(self, text: str, *, columns: int, rows: int) -> None:
        """Add the next cell of the row; ``columns`` and ``rows`` are its spans."""
        self._fill()
        if rows > 1:
            repeated = text if len(text) <= _LONGEST_REPEATED else ""
            self._new[len(self._row)] = (rows - 1, repeated)
        self._row += [text, *[""] * (min(columns, _MOST_COLUMNS - len(self._row)) - 1)]

    def end_row(self) -> str:
        """The row as a line, without the empty cells at its end; nothing for a row without cells."""
        if not self._row:
            return ""
        self._fill()
        while self._row and not self._row[-1]:
            self._row.pop()
        line = " | ".join(self._row)
        self._row = []
        self._spanning |= self._new
        self._new = {}
        return line

    def _fill(self) -> None:
        """Put in the cells that rows above reach down into this place with."""
        while (column := len(self._row)) in self._spanning:
            left, text = self._spanning.pop(column)
            if left > 1:
                self._new[column] = (left - 1, text)
            self._row.append(text)
