"""What the parser of a format gives, and the clean-up that more than one of them needs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

_LONGEST_TITLE = 300
# Control characters but tab and newline, lone surrogates, and marks that show nothing yet split a word in
# two for a search: soft hyphen, zero-width space, word joiner, byte order mark.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b\u2060\ufeff\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A parsed file. ``title`` is None where the document names none.

    ``meta`` holds at least ``format``. ``meta["headings"]`` is a list of ``[offset, level, title]`` in the
    order of the text: the offset is where the heading's first line begins, markup included, so that a cut
    there keeps the heading whole; levels count from 1. ``meta["pages"]`` is the list of offsets at which
    pages begin.
    """

    text: str
    title: str | None
    meta: Mapping[str, Any]


def one_line(text: str) -> str:
    """``text`` on one line, at most 300 characters: a title is repeated before each of its chunks."""
    return " ".join(text[: 10 * _LONGEST_TITLE].split())[:_LONGEST_TITLE].rstrip()


def printable(text: str) -> str:
    """``text`` without what neither shows nor can be stored, composed to Unicode's normal form C."""
    return unicodedata.normalize("NFC", _UNPRINTABLE.sub("", text))


def line_starts(text: str) -> list[int]:
    """Offset of each line that a newline, and nothing else, ends."""
    return [0, *accumulate(len(line) + 1 for line in text.split("\n"))][:-1]
