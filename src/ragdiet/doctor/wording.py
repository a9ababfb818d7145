"""Sizes, ages and shares as people read them."""

from __future__ import annotations


def size(count: float) -> str:
    """Bytes.

    >>> size(800), size(157_286_400), size(5 * 2**30)
    ('800 B', '150 MB', '5.0 GB')
    """
    for unit, power in (("GB", 30), ("MB", 20), ("kB", 10)):
        if count >= 2**power:
            return f"{count / 2**power:.{1 if unit == 'GB' else 0}f} {unit}"
    return f"{count:.0f} B"


def days(seconds: float) -> str:
    """A length of time, in the largest unit that it has two of.

    >>> days(90), days(7200), days(400_000)
    ('90 s', '2 h', '5 days')
    """
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def named(names: list[str], most: int = 3) -> str:
    """Some names, and how many more there are.

    >>> named(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
