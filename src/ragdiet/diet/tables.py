"""Rows that follow each other line by line, and which of them names the columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ragdiet.diet.lines import SENTENCE_END, Line

_LONGEST_LABEL = 60  # characters
_FEWEST_LISTED = 3  # rows of values between commas; with fewer it may be prose

SEPARATOR = re.compile(r"(?=[^-=]*[-=])[|:\s+=-]+\Z")
_TABS = re.compile(r"\S[^\t]*\t\s*\S")
_COMMA = re.compile(r"[,;](?=[^\s])")
_CELL_ENDS = re.compile(r"\||\t|[,;](?=\S)")
_VALUE = re.compile(r"[-+(]?\s*[$€£¥]?\s*[-+]?\d.*|\S+@\S+|https?://\S+|true|false|yes|no|n/?a|null|-+", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d\d")
_NAMED = re.compile(r"(?:\A|[|\t])\s*[^|\t:]{1,60}: \S")


def table_end(lines: Sequence[Line], begin: int) -> int:
    """Where the table ends that begins there; ``begin`` where none does. One row alone is none."""
    end = begin
    while end < len(lines) and _is_row(lines[end]) and (end == begin or lines[end].breaks == 1):
        end += 1
    if end > begin:
        return end if end - begin > 1 else begin
    separators = _separators(lines[begin])
    while end < len(lines) and 0 < separators == _separators(lines[end]) and (end == begin or lines[end].breaks == 1):
        end += 1
    return end if end - begin >= _FEWEST_LISTED else begin


def has_header(rows: Sequence[Line]) -> bool:
    """Whether the first of two or more rows names the columns.

    It does where a line of marks follows, or where it reads like names: words, or years over numbers, each
    once. Rows as the loaders write them, ``Name: Ada | Born: 1815``, name their columns themselves.
    """
    if SEPARATOR.match(rows[1].text):
        return True
    labels = [label.strip() for label in _CELL_ENDS.split(rows[0].text.strip("|"))]
    values = [label for label in labels if _VALUE.fullmatch(label)]
    return (
        any(labels)
        and len(values) < len(labels)
        and all(_YEAR.fullmatch(value) for value in values)
        and not any(len(label) > _LONGEST_LABEL or SENTENCE_END.search(label) for label in labels)
        and len(set(labels)) == len(labels)
        and not all(_NAMED.search(row.text) for row in rows[1:])
        and not _NAMED.search(rows[0].text)
    )


def _is_row(line: Line) -> bool:
    if not (line.breaks and line.is_whole):
        return False
    text = line.text
    return (
        text.startswith("|")
        or " | " in text
        or ("|" in text and SEPARATOR.match(text) is not None)
        or ("\t" in text and _TABS.match(text) is not None)
    )


def _separators(line: Line) -> int:
    """How many commas part values in the line: those that no blank follows."""
    return len(_COMMA.findall(line.text)) if line.breaks and line.is_whole and ", " not in line.text else 0
