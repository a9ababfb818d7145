"""CSV and TSV: each record a line that names its columns."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from operator import itemgetter
from pathlib import PurePosixPath

from ragdiet.errors import BrokenFile
from ragdiet.load.broken import MOST_CHARACTERS, too_long
from ragdiet.load.encoding import decode
from ragdiet.load.loaded import Loaded, printable
from ragdiet.load.rows import Row, lines

_DELIMITERS = ",;\t|"  # the likeliest first
_LOOKED_AT = 200  # records
_MOST_FIELDS = 100_000  # of a record; a list of them is built
_SAMPLE = 200_000  # characters
_NAMED_DELIMITER = re.compile(r"\Asep=(.)\n", re.IGNORECASE)  # for Excel


def parse_delimited(data: bytes, name: str) -> Loaded:
    """Records that commas, semicolons, tabs or bars delimit; it has no title of its own.

    The first row is taken for a header unless it looks like data; a quoted field with newlines stays on its
    line. Raises BrokenFile where a quotation mark is never closed.
    """
    text = printable(decode(data))
    named = _NAMED_DELIMITER.match(text)
    delimiter = named[1] if named else _delimiter(text[:_SAMPLE], PurePosixPath(name).suffix.lower())
    written: list[str] = []
    length = 0
    for line in lines(_rows(text[named.end() :] if named else text, delimiter), first_is_header=True):
        written.append(line)
        length += len(line) + 1
        if length > MOST_CHARACTERS:
            raise too_long()
    return Loaded(text="\n".join(written).strip("\n"), title=None, meta={"format": "csv"})


def _rows(text: str, delimiter: str) -> Iterator[Row]:
    fields = 0  # of the record so far, at most

    def counted() -> Iterator[str]:
        nonlocal fields
        for line in io.StringIO(text):
            fields += line.count(delimiter) + 1
            if fields > _MOST_FIELDS:
                raise BrokenFile(f"a record of more than {_MOST_FIELDS:,} fields or lines: split it, or name it .txt")
            yield line

    records = csv.reader(counted(), delimiter=delimiter)
    try:
        for record in records:
            fields = 0
            yield {column: cell for column, value in enumerate(record) if (cell := " ".join(value.split()))}
    except csv.Error as error:
        raise BrokenFile(
            f"its CSV breaks off at line {records.line_num:,} ({error}): look for a quotation mark that is never "
            "closed, or name it .txt to load it as it is"
        ) from error


def _delimiter(sample: str, suffix: str) -> str:
    """The delimiter by which most records have one and the same number of fields, more than one."""
    candidates = "\t" + _DELIMITERS.replace("\t", "") if suffix in (".tsv", ".tab") else _DELIMITERS
    return max(candidates, key=lambda candidate: _evenness(sample, candidate))


def _evenness(sample: str, delimiter: str) -> float:
    try:
        records = list(islice(csv.reader(io.StringIO(sample), delimiter=delimiter), _LOOKED_AT))
    except csv.Error:  # the reading proper says so
        return 0.0
    widths = Counter(len(record) for record in records if record)
    width, count = max(widths.items(), key=itemgetter(1), default=(0, 0))
    return count / widths.total() if width > 1 else 0.0
