"""XLSX: each visible sheet under its name, each row a line that names its columns.

The cells are read here one by one: the libraries for sheets fill in every cell of the rectangle a sheet
spans, and two cells in opposite corners then take hours, or all the memory there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragdiet.errors import BrokenFile, EmptyDocument
from ragdiet.load.archive import Archive, elements, tree
from ragdiet.load.broken import MOST_CHARACTERS, reading, too_long
from ragdiet.load.cell import Format, formats, shown
from ragdiet.load.loaded import Loaded, one_line, printable
from ragdiet.load.opc import core_title, relations
from ragdiet.load.rows import Row, lines

_PLACE = re.compile(r"\$?([A-Za-z]{1,3})\$?([0-9]{1,7})")
# Merged ranges stand behind the cells they concern.
_MERGED = re.compile(rb"""<(?:\w+:)?mergeCell\s[^>]*?ref=["']([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})["']""")
_MOST_EXPANDED = 256 * 2**20  # bytes; they are read row by row
_MOST_COLUMNS = 18_278  # those of three letters; sheets have 16,384
_LONGEST_CELL = 32_767  # characters, by the specification
_LONGEST_REPEATED = 80  # characters of a cell that is repeated in each row it reaches down to
_LONGEST_MERGED = 1_000  # rows; more is a column that was coloured, not filled
_ADVICE = "open it and save it as .xlsx anew, or save its sheets as .csv"


@dataclass(frozen=True, slots=True)
class _Book:
    """What the cells of every sheet refer to."""

    strings: Sequence[str]
    formats: Sequence[Format]
    from_1904: bool


def parse_xlsx(data: bytes, name: str) -> Loaded:
    """The title is that of the document's properties. A formula is shown by the value saved with it.

    Raises BrokenFile for what is damaged, encrypted or hostile, UnsupportedFormat for another format under
    this name, EmptyDocument for a workbook whose visible sheets hold nothing.
    """
    archive = Archive(data, suffix=".xlsx", most_expanded=_MOST_EXPANDED)
    parts: list[str] = []
    headings: list[list[Any]] = []
    length = 0
    with reading("a workbook", advice=_ADVICE):
        title = core_title(archive)
        for sheet, rows in _sheets(archive):
            heading = f"{sheet}\n\n"
            start = length
            for line in lines(rows):
                if line and start == length:
                    headings.append([start, 1, sheet])
                    line = f"{heading}{line}"
                elif start == length:
                    continue
                parts.append(f"{line}\n")
                length += len(parts[-1])
                if length > MOST_CHARACTERS:
                    raise too_long()
            if length > start:
                parts.append("\n")
                length += 1
    if not parts:
        raise EmptyDocument("its visible sheets hold nothing: leave it out, or fill it")
    return Loaded(text="".join(parts).rstrip(), title=title, meta={"format": "xlsx", "headings": headings})


def _sheets(archive: Archive) -> Iterator[tuple[str, Iterator[Row]]]:
    """Name and rows of each visible sheet, in the order of their tabs."""
    main = next((each.path for each in relations(archive, "") if each.kind == "officeDocument"), "xl/workbook.xml")
    root = tree(archive.xml(main))
    parts = relations(archive, main)
    by_kind = {each.kind: each.path for each in parts}
    by_id = {each.id: each for each in parts}
    properties = root.find("{*}workbookPr")
    strings, styles = by_kind.get("sharedStrings"), by_kind.get("styles")
    book = _Book(
        strings=[_string(item) for item in elements(archive.xml(strings), "si")] if strings else [],
        formats=formats(tree(archive.xml(styles))) if styles else [],
        from_1904=properties is not None and properties.get("date1904") in ("1", "true"),
    )
    for sheet in root.iterfind("{*}sheets/{*}sheet"):
        key = next((value for name, value in sheet.items() if name.endswith("}id")), "")
        target = by_id.get(key)
        if target is None:
            raise BrokenFile(f"a sheet without its part: {_ADVICE}")
        if target.kind == "worksheet" and sheet.get("state", "visible") == "visible":
            title = one_line(printable(sheet.get("name", ""))) or "Sheet"
            yield title, _rows(archive.xml(target.path), book)


def _rows(data: bytes, book: _Book) -> Iterator[Row]:
    """The rows that hold something, and one empty one for however many between them hold nothing."""
    merged = _merged(data)
    reaching: dict[int, tuple[int, str]] = {}  # by column: the last row, and the text
    last = 0
    for number, row in _filled(data, book):
        reaching = {column: each for column, each in reaching.items() if number <= each[0]}
        for column, (_, text) in reaching.items():
            row.setdefault(column, text)
        if sum(map(len, row.values())) > MOST_CHARACTERS:  # of few strings, over and over
            raise too_long()
        for column, text in row.items():
            end = merged.get((number, column), 0)
            if end and len(text) <= _LONGEST_REPEATED:
                reaching[column] = (end, text)
        if last and number > last + 1:
            yield {}
        last = number
        yield dict(sorted(row.items()))


def _filled(data: bytes, book: _Book) -> Iterator[tuple[int, dict[int, str]]]:
    """Number, from 1, and cells of each row in which something stands."""
    row: dict[int, str] = {}
    number, column = 0, -1
    for element in elements(data, "c", "row"):
        if element.tag.endswith("}row"):
            number = int(element.get("r", number + 1))
            if row:
                yield number, row
            row, column = {}, -1
            continue
        place = _PLACE.fullmatch(element.get("r", ""))
        column = _column(place[1]) if place else column + 1
        if column >= _MOST_COLUMNS:
            raise BrokenFile(f"a row of more than {_MOST_COLUMNS:,} columns, which no sheet has: {_ADVICE}")
        if text := _text(element, book):
            row[column] = text


def _merged(data: bytes) -> Mapping[tuple[int, int], int]:
    """The last row of each merged range of several rows, by the row and column of its first cell."""
    ranges: dict[tuple[int, int], int] = {}
    for match in _MERGED.finditer(data):
        first, last = int(match[2]), int(match[4])
        if first < last <= first + _LONGEST_MERGED:
            ranges[first, _column(match[1].decode())] = last
    return ranges


def _text(cell: Any, book: _Book) -> str:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return "".join(map(_string, cell.iterfind("{*}is")))
    value: str = cell.findtext("{*}v") or ""
    if not value or kind == "e":  # an error such as #N/A
        return ""
    if kind == "s":
        return book.strings[int(value)]
    if kind == "b":
        return "TRUE" if value.strip() == "1" else "FALSE"
    if kind == "n":
        style = int(cell.get("s", "0"))
        return shown(value, book.formats[style] if style < len(book.formats) else Format(), from_1904=book.from_1904)
    return _clean(value)


def _string(item: Any) -> str:
    """The text of a string: its own and that of its runs, without what tells how to pronounce it."""
    runs = (text.text or "" for text in item.iterfind("{*}r/{*}t"))
    return _clean("".join((item.findtext("{*}t") or "", *runs)))


def _clean(text: str) -> str:
    return " ".join(printable(text[:_LONGEST_CELL]).split())


def _column(letters: str) -> int:
    """A column's number, from 0: "A" is 0, "AA" is 26."""
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - 64
    return number - 1
