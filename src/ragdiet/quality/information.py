"""Chunks that can answer no question: rules and leaders, tables of contents, encoded data, one word over and over.

Each rule is set so that a text somebody wrote to be read passes, however short: a wrong drop loses an
answer, a wrong keep costs one row.
"""

from __future__ import annotations

import re

_WORD_CHARACTER = re.compile(r"[^\W_]")
# "2.4 Notice periods ........ 17", "Index . . . . . 203", "Annex ______ xi"; without its page, a form to fill in.
_LEADER = re.compile(
    r"""(?:\.{4,}+ | (?:[ \t]\.){3,}+ | …{2,}+ | _{4,}+ | ·{4,}+ | (?:[ \t]·){3,}+)
    [ \t.]*+ (?P<page>(?:[0-9]{1,4}|[ivxlc]{1,6})\b)?""",
    re.VERBOSE,
)
_LEADERS = ("....", " . .", "\t.\t.", "……", "____", "····", " · ·")
_CONTENTS_TITLE = re.compile(
    r"(?i)[\W\d]*(?:(?:table of )?contents|inhalt(?:sverzeichnis)?|sommaire|table des matières|índice|indice|sumário|"
    r"sommario|inhoud(?:sopgave)?|spis treści|содержание|оглавление|目次|目录|目錄|차례|목차)\W*"
)
_PAGE_AT_END = re.compile(r"[^\W\d_].*?[ \t]([0-9]{1,4})[ \t]*+\Z")
_FEWEST_CONTENTS_LINES = 3
_CONTENTS_SHARE = 0.8  # of the lines; the others are short, as the names of parts
_LONGEST_OTHER_LINE = 60
_LONG_RUN = 120  # characters without a space: more than a word, a path or a usual address has
# A line of base64 or hex as it is wrapped, in quotes where it stands in code.
_WRAPPED_DATA = re.compile(r"[\"']?+(?:[A-Za-z0-9+/_-]{56,128}+={0,2}|(?:[0-9A-Fa-f]{2}[ :]?){24,64}+)[\"',;\\ ]*+")
_ENCODED_SHARE = 0.8
_FEWEST_ENCODED = 200  # characters
_FEWEST_TOKENS = 64  # a shorter chunk may repeat itself
_FEWEST_REPEATED_WORDS = 16
_MOST_DISTINCT = 2  # words
_WORD = re.compile(r"[^\W_]++")


def why_uninformative(text: str, tokens: int) -> str | None:
    """Why a chunk is not worth indexing, None where it is. ``tokens`` is its length.

    >>> why_uninformative("Hi.", 2), why_uninformative("* * *", 3)
    (None, 'no words')
    """
    if not _WORD_CHARACTER.search(text):
        return "no words"
    if _is_contents(text):
        return "table of contents"
    if _is_encoded(text):
        return "encoded data"
    if tokens >= _FEWEST_TOKENS and _is_repetition(text):
        return "the same words over and over"
    return None


def _is_contents(text: str) -> bool:
    """Whether nearly all lines have dot leaders or end in a page: three leaders with their pages, or a title
    that says contents above pages that count up."""
    title, _, rest = text.strip().partition("\n")
    is_titled = _CONTENTS_TITLE.fullmatch(title[:60].strip()) is not None
    if not is_titled and not any(leader in text for leader in _LEADERS):
        return False
    entries = [line.strip() for line in (rest if is_titled else text).splitlines() if line.strip()]
    others = [line for line in entries if not _LEADER.search(line) and not _PAGE_AT_END.search(line)]
    count = len(entries) - len(others)
    if count < max(_FEWEST_CONTENTS_LINES, _CONTENTS_SHARE * len(entries)):
        return False
    if any(len(line) > _LONGEST_OTHER_LINE for line in others):
        return False
    if sum(bool(match["page"]) for match in _LEADER.finditer(text)) >= _FEWEST_CONTENTS_LINES:
        return True
    pages = [int(match[1]) for match in map(_PAGE_AT_END.search, entries) if match]
    return is_titled and len(pages) >= _FEWEST_CONTENTS_LINES and pages == sorted(pages)


def _is_encoded(text: str) -> bool:
    """Whether most of the text is data written as ASCII: runs without a space, or wrapped lines of base64 or hex."""
    visible = len(text) - sum(map(text.count, " \t\n"))
    if visible < _FEWEST_ENCODED:
        return False
    least = _ENCODED_SHARE * visible
    if sum(len(word) for word in text.split() if len(word) >= _LONG_RUN and word.isascii()) > least:
        return True
    lines = (line.strip(" \t>") for line in text.split("\n") if len(line) >= 48)
    return sum(len(line) - line.count(" ") for line in lines if _WRAPPED_DATA.fullmatch(line)) > least


def _is_repetition(text: str) -> bool:
    """Whether one or two words, with little else about them, make the whole text. A run of a script without
    spaces is one word: it passes."""
    folded = text.casefold()
    if len(set(folded.split())) > 2 * _MOST_DISTINCT:
        return False
    words = _WORD.findall(folded)
    return len(words) >= _FEWEST_REPEATED_WORDS and len(set(words)) <= _MOST_DISTINCT
