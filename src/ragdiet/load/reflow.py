"""Lines as a PDF has them to the paragraphs, headings and rows they were set from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from ragdiet.load.running import drop_running_lines

_LIGATURES = str.maketrans(
    {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl", "\ufb05": "st", "\ufb06": "st"}
)
_SPACES = re.compile(r"\s+")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LAST_PART = re.compile(r"([^\W\d_]+)-\Z")
_FIRST_PART = re.compile(r"[^\W\d_]+")
# A list item, a heading with its number, or a page number.
_STARTS_BLOCK = re.compile(
    r"[\u2022\u25e6\u25aa\u2023\u2043*\u2013\u2014-]\s|\(?(?:\d{1,2}|[A-Za-z]|[ivx]{1,4})[.)]\s"
    r"|\d{1,2}(?:\.\d{1,2})*\.?\s+[^\W\d_]|\d+\Z"
)
_SENTENCE_END = re.compile(r"""[.!?:;]["'\u201d\u2019)\]]*\Z""")

# What follows a hyphen that stands for the rest of a word: "best- and worst-case".
_CONJUNCTIONS = frozenset({"and", "or", "und", "oder"})

_FULL = 0.7
"""Share of a page's usual line length from which a line is taken to go on in the next one: lines of
justified text differ by a third in characters."""
_SHORTEST_USUAL = 20
"""Characters. Pages of shorter lines are tables, labels and figures; nothing is joined there."""


def reflow(pages: Iterable[str]) -> list[str]:
    """Each page with its wrapped lines joined and hyphenated words mended.

    A paragraph of several lines stands between blank lines; short lines keep lines of their own.

    >>> reflow(["We study how chunks of text are re-\\ntrieved for a question in the\\ncase of long documents."])
    ['We study how chunks of text are retrieved for a question in the case of long documents.']
    """
    lines = [
        [line for line in (_SPACES.sub(" ", line).strip() for line in page.translate(_LIGATURES).split("\n")) if line]
        for page in pages
    ]
    drop_running_lines(lines)
    words = {word.lower() for page in lines for line in page for word in _WORD.findall(line)}
    return [_reflow_page(page, words) for page in lines]


def _reflow_page(lines: Sequence[str], words: set[str]) -> str:
    if not lines:
        return ""
    usual = sorted(map(len, lines))[len(lines) * 9 // 10]
    blocks: list[list[str]] = [[lines[0]]]
    for line, following in pairwise(lines):
        if _goes_on(line, following, usual):
            blocks[-1].append(following)
        else:
            blocks.append([following])
    parts: list[str] = []
    for block, after in zip(blocks, [*blocks[1:], []], strict=True):
        parts.append(_joined(block, words))
        parts.append("\n\n" if len(block) > 1 or len(after) > 1 else "\n" if after else "")
    return "".join(parts).strip()


def _goes_on(line: str, following: str, usual: int) -> bool:
    """Whether the paragraph of ``line`` goes on in ``following``."""
    if usual < _SHORTEST_USUAL or _STARTS_BLOCK.match(following):
        return False
    has_ended = _SENTENCE_END.search(line) is not None
    if len(line) < _FULL * usual:
        return following[0].islower() and not has_ended
    is_heading = following[0].isupper() and len(following) < _FULL * usual and not _SENTENCE_END.search(following)
    return not (has_ended and is_heading)


def _joined(lines: Sequence[str], words: set[str]) -> str:
    """One line. ``words`` are those of the whole document, lower case."""
    parts: list[str] = []
    for line, following in pairwise((*lines, "")):
        hyphenated = _LAST_PART.search(line)
        rest = _FIRST_PART.match(following)
        if hyphenated and rest:
            parts.append(_mended(line, hyphenated[1], rest[0], words))
        else:
            parts.append(f"{line} ")
    return "".join(parts).rstrip()


def _mended(line: str, start: str, end: str, words: set[str]) -> str:
    """A line that ends in ``start`` and a hyphen, as the next one, which begins with ``end``, follows on it.

    "re-/trieved" loses its hyphen, "MPT-/Instruct" and, where the document has the word in one line,
    "long-/context" keep theirs.
    """
    if start[-1].islower() and end[0].islower():
        if f"{start}{end}".lower() in words:
            return line[:-1]
        if end in _CONJUNCTIONS:
            return f"{line} "
        if f"{start}-{end}".lower() not in words and not line.endswith(f"-{start}-"):
            return line[:-1]
    return line
