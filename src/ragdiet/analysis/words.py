"""Where words begin and end, and what a word that is no plain one is found by.

A word is a run of letters, digits, marks and ``_``. Runs that ``.``, ``-`` or ``@`` joins without a space, or ``,``
between digits, are one word with parts. What it is indexed as:

==================  ==========================  ==================================================
plain               wings                       wings
hyphenated          well-known                  well, known
one-letter part     e-mail; U.S.; C++           email, mail; us; c++
identifier          ERR_CONN_RESET; foo.bar()   err_conn_reset, err, conn, reset; foo.bar, foo, bar
mixed case          maxRetries                  maxretries, max, retries
with digits         v2.3.1; AB-1234             2.3.1, v2; ab1234, ab, 1234
date                2023-11-05                  20231105, 2023, 11, 05
number              1,200.50                    1200.50
address             jo@example.com              jo@example.com, example.com, jo, example, com
without spaces      東京都                      東京, 京都
==================  ==========================  ==================================================

The whole is indexed beside its parts, so that either finds it; hyphens are left out of it, so that AB1234 finds
AB-1234. A character alone is a term in scripts without spaces, and no term in others.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import TypeAlias

Piece: TypeAlias = tuple[str, bool]
"""In lower case, and whether it is a whole that is neither stemmed nor a stop word."""

# Signs within words that are no letters to Python: accents of decomposed text, vowels of Indic scripts, of Hebrew and
# of Arabic, the joiners of Persian, and the hyphen that only a line break shows.
_MARKS = (
    "\u00ad\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0900-\u0963\u0966-\u0dff\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
    "\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u17b4-\u17d3\u200c\u200d\u3099\u309a"
)
# Chinese, Japanese, Korean, Thai, Lao, Burmese and Khmer.
_WITHOUT_SPACES = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u303b"
    "\u3040-\u30ff\u3100-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
_HYPHENS = "-\u2010\u2011－"


def _word(character: str, flags: int) -> re.Pattern[str]:
    # "C++" and "C#" are one letter and the signs, so that "issue#12" and "a+b" stay apart.
    return re.compile(
        rf"{character}+(?:(?:[.@．＠{_HYPHENS[1:]}-]|(?<=\d),(?=\d)){character}+)*"
        r"(?:(?<=\b[A-Za-z])(?:\+\+\d{0,2}|#)(?!\w))?",
        flags,
    )


_ASCII_WORD = _word(r"\w", re.ASCII)
_WORD = _word(rf"[\w{_MARKS}]", re.NOFLAG)
_INVISIBLE = re.compile("[\u00ad\u200c\u200d]")
_RUN = re.compile(rf"[{_WITHOUT_SPACES}]+|[^{_WITHOUT_SPACES}]+")
_IS_WITHOUT_SPACES = re.compile(rf"[{_WITHOUT_SPACES}]")
_JOINERS = re.compile(rf"[.,@{_HYPHENS[1:]}-]")
_HYPHEN = re.compile(rf"[{_HYPHENS[1:]}-]")
_PARTS = re.compile(r"[^\W_]+")
_PLAIN_PARTS = re.compile(rf"[{_WITHOUT_SPACES}]|(?:[^\W_{_WITHOUT_SPACES}]|[{_MARKS}])+")
# Parts of three letters at least: "logN" and "McCarthy" are one word.
_CHANGES_CASE = re.compile(r"[a-z]{3}[A-Z](?:[a-z]{2}|[A-Z]{2})|[A-Z]{4}[a-z]{2}")
_CASES = re.compile(r"[A-Z]{3,}(?![a-z])|[A-Z]?[a-z]{2,}")
_VERSION = re.compile(r"v(?=\d)")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+")
_GROUPED_BY_POINT = re.compile(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d+,\d+")


def words(text: str) -> list[str]:
    """The words of a text as they stand there, in order."""
    return (_ASCII_WORD if text.isascii() else _WORD).findall(text)


def pieces(word: str, lower: Callable[[str], str], *, decimal_comma: bool) -> list[Piece]:
    """What one of ``words`` is indexed as."""
    if word.isascii():
        return _spaced(word, lower, decimal_comma)
    found: list[Piece] = []
    # What NFKC makes of a word may be several: a half is 1, a slash and 2.
    for plain in words(_INVISIBLE.sub("", unicodedata.normalize("NFKC", word))):
        for run in _RUN.findall(plain):
            found += _bigrams(run) if _IS_WITHOUT_SPACES.match(run) else _spaced(run, lower, decimal_comma)
    return found


def parts_in_order(text: str) -> list[str]:
    """All that stands in a text, split as far as it goes: each character of a script without spaces is one."""
    return _PLAIN_PARTS.findall(_INVISIBLE.sub("", unicodedata.normalize("NFKC", text)))


def _bigrams(run: str) -> list[Piece]:
    return [(run[start : start + 2], True) for start in range(max(1, len(run) - 1))]


def _spaced(word: str, lower: Callable[[str], str], decimal_comma: bool) -> list[Piece]:
    if word[-1] in "+#":
        return [(lower(word), True)]
    if "++" in word:
        return [(lower(word), True), (lower(word.rstrip("0123456789")), True)]
    parts = [part for part in _JOINERS.split(word) if part]
    if len(parts) < 2:
        return _simple(parts[0], lower) if parts else []
    lowered = lower(word)
    if (_GROUPED_BY_POINT if decimal_comma else _GROUPED).fullmatch(lowered):
        return [(_plain_number(lowered, decimal_comma), True)]
    own = [piece for part in parts for piece in _simple(part, lower)]
    if "@" in word:
        host = lowered.rpartition("@")[2]
        return [(lowered, True), *([(host, True)] if "." in host else []), *own]
    if "," in word:
        return own
    whole = _HYPHEN.sub("", lowered)
    if any(map(str.isdigit, word)):
        return [(_VERSION.sub("", whole, count=1) if "." in whole else whole, True), *own]
    if "." in word:
        return [("".join(map(lower, parts)), True)] if max(map(len, parts)) <= 2 else [(whole, True), *own]
    return [(whole, False), *own] if min(map(len, parts)) == 1 else own


def _simple(word: str, lower: Callable[[str], str]) -> list[Piece]:
    word = word.strip("_")
    if "_" in word:
        return [(lower(word), True), *((lower(part), False) for part in _PARTS.findall(word) if len(part) > 1)]
    found = [(lower(word), False)] if len(word) > 1 else []
    if _CHANGES_CASE.search(word):
        found += [(lower(part), False) for part in _CASES.findall(word)]
    return found


def _plain_number(number: str, decimal_comma: bool) -> str:
    """Without thousands marks, and with a point before the decimals."""
    return number.replace(".", "").replace(",", ".") if decimal_comma else number.replace(",", "")
