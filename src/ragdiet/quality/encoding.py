"""Text that was decoded with the wrong charset: repaired where it is certain, measured where it is lost.

"CafÃ©" is the UTF-8 of "Café" read as Windows-1252. ftfy knows such sequences and undoes them, even twice
over; it changes nothing that does not look so ("badness"). Its other repairs (quotes, widths, entities)
are not asked for.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import accumulate
from typing import Any

from ragdiet.errors import BadEncoding
from ragdiet.types import Document

MOST_BROKEN = 0.01
"""Share of a text's characters that may be lost: U+FFFD and control characters. German that lost its
umlauts has 1.5 to 2%, English that lost its curly quotes 0.3%."""

MOST_PRIVATE = 0.1
"""Share that may be private-use characters: the icons of a page are few, a PDF without a character map has
nothing else."""

_BROKEN = re.compile("[\ufffd\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010fffd]")
# Lines with their ends; longer ones in pieces, since not all of ftfy's patterns are linear. No other character
# ends a line here: U+0085 is half of a mis-decoded letter.
_PIECE = re.compile(r"[^\n]{1,10000}+\n?+|\n")


def repaired(text: str) -> tuple[str, bool]:
    """``text`` with mis-decoded sequences made right, line by line, and whether anything was. The price: a
    lone capital "Ã" before a space, a word of no language, is taken for the "à" it would be mis-decoded from.

    >>> repaired("CafÃ© â€“ naÃ¯ve")
    ('Café – naïve', True)
    """
    parts = _repaired_parts(text)
    return ("".join(parts), True) if parts is not None else (text, False)


def repair_document(document: Document) -> Document:
    """``document`` with its text, title and headings repaired; ``meta["headings"]`` and ``meta["pages"]``
    point at the same lines as before. The same object where there was nothing to repair."""
    title = document.title if document.title is None else repaired(document.title)[0]
    parts = _repaired_parts(document.text)
    if parts is None:
        return document if title == document.title else replace(document, title=title)
    pieces = _PIECE.findall(document.text)
    before = [0, *accumulate(map(len, pieces))]
    after = [0, *accumulate(map(len, parts))]

    def moved(offset: int) -> int:
        """Where the character at ``offset`` stands now; inside a changed line, as far on as the line's
        beginning up to there is long when it is repaired."""
        place = bisect_right(before, max(0, offset)) - 1
        if place == len(pieces):
            return after[place]
        within = max(0, offset) - before[place]
        if within and parts[place] != pieces[place]:
            within = len(_fixed(pieces[place][:within]))
        return after[place] + min(within, len(parts[place].removesuffix("\n")))

    return replace(document, text="".join(parts), title=title, meta=_moved_meta(document.meta, moved))


def broken_share(text: str) -> float:
    """Share of the characters that are lost, in [0, 1]: U+FFFD, which stands for bytes that could not be
    decoded, and controls."""
    return len(_BROKEN.findall(text)) / len(text) if text else 0.0


def check_encoding(text: str) -> None:
    """Raises BadEncoding where a text is too broken to be read."""
    share = broken_share(text)
    if share > MOST_BROKEN:
        raise BadEncoding(
            f"{share:.1%} of its characters are lost (U+FFFD or control characters): decode its source again with "
            "the right charset"
        )
    if not text.isascii() and len(_PRIVATE.findall(text)) > MOST_PRIVATE * len(text):
        raise BadEncoding(
            "its characters are private to one font, as of a PDF without a character map: recognise it afresh "
            "(ocrmypdf --force-ocr IN OUT)"
        )


def _repaired_parts(text: str) -> list[str] | None:
    """The pieces of ``text`` repaired, None where none changes."""
    if text.isascii():
        return None
    pieces = _PIECE.findall(text)
    parts = [piece if piece.isascii() else _fixed(piece) for piece in pieces]
    return parts if parts != pieces else None


def _fixed(text: str) -> str:
    import ftfy
    from ftfy.badness import is_bad

    return ftfy.fix_encoding(text) if is_bad(text) else text


def _moved_meta(meta: Mapping[str, Any], moved: Callable[[int], int]) -> dict[str, Any]:
    """``meta`` with the offsets of headings and pages moved and the headings' titles repaired; values of
    another shape are the caller's own and stay."""
    changed = dict(meta)
    headings, pages = meta.get("headings"), meta.get("pages")
    if isinstance(headings, list | tuple):
        changed["headings"] = [_moved_heading(entry, moved) for entry in headings]
    if isinstance(pages, list | tuple):
        changed["pages"] = [moved(page) if isinstance(page, int) else page for page in pages]
    return changed


def _moved_heading(entry: object, moved: Callable[[int], int]) -> object:
    match entry:
        case [int(offset), int(level), str(title)]:
            return [moved(offset), level, repaired(title)[0]]
        case _:
            return entry
