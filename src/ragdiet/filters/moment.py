"""Dates and times as they stand in metadata: ISO 8601 text.

``2026-01-31``, or that with ``T`` or a space, ``12:30``, ``12:30:05`` or ``12:30:05.123``, and then
``Z``, ``+02:00``, ``+0200``, ``+02`` or nothing. A time without an offset is in UTC. Other text is no
date and meets no comparison with one.
"""

from __future__ import annotations

import re
from datetime import date

_LEAP = "[0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00"
_DAY = (
    "(?!0000)([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    f"|02-(0[1-9]|1[0-9]|2[0-8]))|({_LEAP})-02-29)"
)
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?"
_OFFSET = "(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)"

ISO_PATTERN = f"^{_DAY}([T ]{_TIME}{_OFFSET}?)?$"
"""Matches what PostgreSQL casts to a timestamp without an error, and reads as Python does. Both know its syntax."""

OFFSET_PATTERN = f":.*{_OFFSET}$"
"""Of a text that ``ISO_PATTERN`` matches: whether it names its offset from UTC."""

_ISO = re.compile(ISO_PATTERN.removesuffix("$") + r"\Z")
_PARTS = re.compile("[0-9]+")


def day_of(text: str) -> str | None:
    """The day that is written there, in whatever zone: ``"2026-01-31"``; None where the text is no date.

    >>> day_of("2026-01-31T23:30:00-05:00")
    '2026-01-31'
    """
    return text[:10] if _ISO.match(text) else None


def instant_of(text: str) -> int | None:
    """Microseconds from the first day of the calendar, in UTC; a day is its midnight. None where it is no date.

    >>> instant_of("2026-01-31T23:30:00-05:00") == instant_of("2026-02-01 04:30")
    True
    """
    if not _ISO.match(text):
        return None
    seconds = date.fromisoformat(text[:10]).toordinal() * 86_400
    time, sign, offset = _split(text[11:].removesuffix("Z"))
    clock, _, fraction = time.partition(".")
    for part, unit in zip(_PARTS.findall(clock), (3_600, 60, 1), strict=False):
        seconds += int(part) * unit
    digits = offset.replace(":", "").ljust(4, "0")
    shift = int(digits[:2]) * 3_600 + int(digits[2:]) * 60
    # PostgreSQL rounds a finer fraction to microseconds in this very way.
    return (seconds - sign * shift) * 1_000_000 + round(float(f"0.{fraction or 0}") * 1_000_000)


def _split(time: str) -> tuple[str, int, str]:
    for mark, sign in (("+", 1), ("-", -1)):
        if mark in time:
            clock, _, offset = time.partition(mark)
            return clock, sign, offset
    return time, 1, ""
