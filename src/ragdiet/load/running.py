"""Running headers, footers and page numbers of a PDF's pages, which would cut its sentences in two."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter

_NUMBER = re.compile(r"[0-9]+")
_LETTER = re.compile(r"[^\W\d_]")
_FIRST_NUMBER = re.compile(r"(?P<number>[0-9]{1,5})\s(?P<words>.*)")
_LAST_NUMBER = re.compile(r"(?P<words>.*)\s(?P<number>[0-9]{1,5})")
_PAGE_NUMBER = re.compile(r"[0-9]{1,5}")

_FEWEST_NUMBERED = 3
_FEWEST_PAGES = 4
_MOST = 0.6
"""Share of all pages, or of the left or the right ones, that a line must begin or end."""
_LONGEST = 120  # characters; longer lines are text
_DEEPEST = 3  # lines of a header or footer


def drop_running_lines(pages: Sequence[list[str]]) -> None:
    """Remove first and last lines that only tell document, section or page.

    Such a line is a number that counts the pages; a line that, numbers aside, begins or ends most pages, or
    most left or right ones; or one with the number of its page that comes again on another page. A line
    without a number is kept where it stands first, since it may stand nowhere else.
    """
    for end in (0, -1):
        for _ in range(_DEEPEST):
            before = sum(map(len, pages))
            _drop_page_numbers(pages, end)
            _drop_repeated(pages, end)
            _drop_numbered(pages, end)
            if sum(map(len, pages)) == before:
                break


def _drop_page_numbers(pages: Sequence[list[str]], end: int) -> None:
    firsts = Counter(
        int(page[end]) - number for number, page in enumerate(pages) if page and _PAGE_NUMBER.fullmatch(page[end])
    )
    first, count = max(firsts.items(), key=itemgetter(1), default=(0, 0))
    if count >= _FEWEST_NUMBERED:
        for number, page in enumerate(pages):
            if page and page[end] == str(first + number):
                del page[end]


def _drop_repeated(pages: Sequence[list[str]], end: int) -> None:
    for side in (pages, pages[::2], pages[1::2]):
        if len(side) < _FEWEST_PAGES:
            continue
        keys = Counter(key for page in side if page and (key := _key(page[end])))
        for key, count in keys.items():
            if count < _MOST * len(side):
                continue
            found = [page for page in pages if page and _key(page[end]) == key]
            for page in found if "#" in key else found[1:]:
                del page[end]


def _key(line: str) -> str:
    """A line without its numbers; empty for one that is too long, or has no words."""
    return _NUMBER.sub("#", line) if len(line) <= _LONGEST and _LETTER.search(line) else ""


def _drop_numbered(pages: Sequence[list[str]], end: int) -> None:
    """Remove the names of sections that stand beside the page's number."""
    found: list[tuple[int, int, str]] = []  # the page's index, the number less the index, and the words
    for index, page in enumerate(pages):
        for pattern in (_FIRST_NUMBER, _LAST_NUMBER):
            if page and _key(page[end]) and (match := pattern.fullmatch(page[end])):
                found.append((index, int(match["number"]) - index, match["words"]))
    first, count = max(Counter(first for _, first, _ in found).items(), key=itemgetter(1), default=(0, 0))
    if count < max(_FEWEST_PAGES, len(pages) // 2):
        return
    numbered = {index: words for index, number, words in found if number == first}
    times = Counter(numbered.values())
    for index, words in numbered.items():
        if times[words] > 1:
            del pages[index][end]
