"""Rows of a sheet or CSV file as lines that each read on their own, far from the header row."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from typing import TypeAlias

Row: TypeAlias = Mapping[int, str]
"""The cells of a row that hold something, by column, in the order of the columns."""

_LOOKED_AT = 50  # rows from which a header is told from data
_DEEPEST_HEADER = 10  # rows of titles and notes above it
_LONGEST_LABEL = 60  # characters
_NAMED = 0.6  # share of the columns in use that a header row names, at least
_FEWEST_OF_WORDS = 3  # columns of a table without numbers, from which its first row is taken for a header

# Number, date, time, truth, address: what a cell holds rather than what names a column.
_VALUE = re.compile(
    r"[-+(]?\s*[$€£¥]?\s*[-+]?[\d][\d.,'\u2019\u202f\xa0 ]*(?:[eE][-+]?\d+)?\s*(?:[%€$£¥]|[A-Za-z]{1,3})?\)?"
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T].*)?|\d{1,2}:\d{2}(?::\d{2})?.*"
    r"|true|false|yes|no|n/?a|null|-+|\S+@\S+\.\S+|https?://\S+",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_LETTER = re.compile(r"[^\W\d_]")
_SENTENCE = re.compile(r"[.!?]\Z|[.!?]\s")


def lines(rows: Iterable[Row], *, first_is_header: bool = False) -> Iterator[str]:
    """Each row as a line; an empty row is a blank line, and a header whose every name has a value is none.

    Under a header a row is ``Name: Ada | Born: 1815`` without its empty cells, elsewhere ``Ada | 1815``.
    ``first_is_header`` says that the first row names the columns where nothing in it speaks against that.

    >>> list(lines([{0: "Name", 1: "Born"}, {0: "Ada", 1: "1815"}, {0: "Grace", 1: "1906"}]))
    ['Name: Ada | Born: 1815', 'Name: Grace | Born: 1906']
    """
    source = iter(rows)
    ahead: deque[Row] = deque()
    header: Row = {}
    within = False  # a block of rows without a blank one
    while True:
        ahead.extend(islice(source, _LOOKED_AT - len(ahead)))
        if not ahead:
            return
        row = ahead.popleft()
        if not row:
            yield ""
            within = False
            continue
        if not within:
            within = True
            block = [row, *takewhile(bool, ahead)]
            found = _header(block, first_is_header)
            first_is_header = False
            if found is not None:
                yield from map(plain, block[:found])
                header = block[found]
                if not all(any(column in other for other in block[found + 1 :]) for column in header):
                    yield plain(header)  # the name of an empty column would be lost
                for _ in range(found):
                    ahead.popleft()
                continue
            if not all(column in header for other in block for column in other):
                header = {}  # a table of its own
        yield _line(row, header)


def plain(row: Row) -> str:
    """A row without a header: ``a | b | c``."""
    return " | ".join(row.values())


def _line(row: Row, header: Row) -> str:
    return " | ".join(f"{header[column]}: {cell}" if header.get(column) else cell for column, cell in row.items())


def _header(block: Sequence[Row], first_is_header: bool) -> int | None:
    """Which row of a block names its columns, if any does."""
    for number, row in enumerate(block[:_DEEPEST_HEADER]):
        if _is_header(row, block[number + 1 :], first_is_header and number == 0):
            return number
        if len(row) > 1 and any(_VALUE.fullmatch(cell) for cell in row.values()):
            return None  # data has begun
    return None


def _is_header(row: Row, body: Sequence[Row], is_likely: bool) -> bool:
    if not body or len(row) < 2 or len(set(row.values())) < len(row):
        return False
    if any(len(label) > _LONGEST_LABEL or _SENTENCE.search(label) for label in row.values()):
        return False
    columns: dict[int, list[str]] = {}
    for other in body:
        for column, cell in other.items():
            columns.setdefault(column, []).append(cell)
    if sum(column in row for column in columns) < _NAMED * len(columns):
        return False
    if 2 * sum(column in columns for column in row) < len(row):
        return False
    has_corner = min(columns) < min(row)  # years above their columns, and nothing above the names of the rows
    if not has_corner and not any(_LETTER.search(label) and not _VALUE.fullmatch(label) for label in row.values()):
        return False
    has_values = False
    for column, label in row.items():
        cells = columns.get(column, [])
        if label in cells:
            return False
        if _VALUE.fullmatch(label):
            if not _YEAR.fullmatch(label) or any(_YEAR.fullmatch(cell) for cell in cells):
                return False
            has_values = True
        elif 2 * sum(_VALUE.fullmatch(cell) is not None for cell in cells) > len(cells):
            has_values = True
    return has_values or is_likely or (len(row) >= _FEWEST_OF_WORDS and len(body) > 1)
