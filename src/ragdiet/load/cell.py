"""The number in a cell of a sheet as a person reads it: date, time, percentage, or without noise digits."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["general", "fixed", "percent", "date", "time", "datetime", "duration"]

# ECMA-376 part 1, 18.8.30; 27 to 36 and 50 to 58 are the dates of Chinese, Japanese and Korean editions.
_BUILTIN: dict[int, str] = {
    **dict.fromkeys((1, 3, 37, 38), "0"),
    **dict.fromkeys((2, 4, 39, 40), "0.00"),
    9: "0%",
    10: "0.00%",
    **dict.fromkeys((14, 15, 16, 17, *range(27, 32), 36, *range(50, 59)), "yyyy-mm-dd"),
    **dict.fromkeys((18, 19, 20, 21, 32, 33, 34, 35), "h:mm"),
    22: "yyyy-mm-dd h:mm",
    46: "[h]:mm:ss",
    **dict.fromkeys((45, 47), "mm:ss"),
}
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?![hHmMsS]+\])[^\]]*\]')
_DURATION = re.compile(r"\[[hHmMsS]+\]")
_DECIMALS = re.compile(r"0\.([0#?]*)")
_LAST_SERIAL = 2_958_466  # the day after 9999-12-31
_SIGNIFICANT = 10  # digits, as many as the format "General" shows
_LONGEST_WHOLE = 10**15  # floats count one by one up to here


@dataclass(frozen=True, slots=True)
class Format:
    """What a number stands for, and to how many decimals it is shown."""

    kind: Kind = "general"
    decimals: int = 0


def formats(styles: Any) -> list[Format]:
    """The format of each cell style, in the order of ``styles.xml`` (its root element)."""
    codes = dict(_BUILTIN)
    for each in styles.iterfind("{*}numFmts/{*}numFmt"):
        codes[int(each.get("numFmtId"))] = each.get("formatCode", "")
    return [_format(codes.get(int(style.get("numFmtId", "0")), "")) for style in styles.iterfind("{*}cellXfs/{*}xf")]


def shown(number: str, style: Format, *, from_1904: bool = False) -> str:
    """A cell's number in its format.

    >>> shown("3.0000000000004", Format()), shown("0.35", Format("percent")), shown("45292", Format("date"))
    ('3', '35%', '2024-01-01')
    """
    value = float(number)
    if not math.isfinite(value):
        return ""
    if style.kind == "percent":
        return f"{100 * value:.{style.decimals}f}%"
    if style.kind == "fixed":
        return f"{value:.{style.decimals}f}"
    if style.kind != "general" and 0 <= value < _LAST_SERIAL - 1462 * from_1904:
        return _moment(value, style.kind, from_1904)
    if value.is_integer() and abs(value) < _LONGEST_WHOLE:
        return str(int(value))
    return f"{value:.{_SIGNIFICANT}g}"


def _format(code: str) -> Format:
    pattern = _LITERAL.sub("", code.partition(";")[0])
    if _DURATION.search(pattern):
        return Format("duration")
    letters = {letter for letter in pattern.lower() if letter in "ymdhs"} if "General" not in pattern else set()
    if letters:
        has_day = not letters.isdisjoint("yd") or letters == {"m"}
        return Format("datetime" if has_day and "h" in letters else "date" if has_day else "time")
    found = _DECIMALS.search(pattern)
    decimals = len(found[1]) if found else 0
    if "%" in pattern:
        return Format("percent", min(decimals, 10))
    # An optional decimal (#) is not shown where it is zero: General does that best.
    if "0" in pattern and "E" not in pattern and "/" not in pattern and "#" not in (found[1] if found else ""):
        return Format("fixed", min(decimals, 10))
    return Format()


def _moment(serial: float, kind: Kind, from_1904: bool) -> str:
    seconds = round(serial * 86_400)
    if kind == "duration" or (kind == "time" and seconds < 86_400):
        hours, rest = divmod(seconds, 3_600)
        return f"{hours:02}:{rest // 60:02}" + (f":{rest % 60:02}" if rest % 60 else "")
    # Day 60 is 29 February 1900, which never was; the days before it count from one day later.
    start = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30 if serial >= 60 else 31)  # noqa: DTZ001 - sheets know no time zones
    moment = start + timedelta(seconds=seconds)
    if kind == "date" or (kind == "datetime" and seconds % 86_400 == 0):
        return moment.date().isoformat()
    return moment.isoformat(" ", "seconds" if moment.second else "minutes")
