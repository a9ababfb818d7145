"""Days put together to weeks or months where a chart would have too many of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

_MOST_DAYS = 100
_MOST_WEEKS = 100


def steps(first: date, last: date) -> tuple[str, list[date], Callable[[date], date]]:
    """What a step is called, the first day of each from ``first`` to ``last``, and the step of a day.

    >>> name, starts, step = steps(date(2026, 1, 1), date(2026, 11, 30))
    >>> name, starts[:2], step(date(2026, 1, 3))
    ('week', [datetime.date(2025, 12, 29), datetime.date(2026, 1, 5)], datetime.date(2025, 12, 29))
    """
    days = (last - first).days + 1
    if days <= _MOST_DAYS:
        return "day", [first + timedelta(days=number) for number in range(days)], lambda day: day
    if days <= 7 * _MOST_WEEKS:
        monday = first - timedelta(days=first.weekday())
        weeks = [monday + timedelta(days=number) for number in range(0, (last - monday).days + 1, 7)]
        return "week", weeks, lambda day: day - timedelta(days=day.weekday())
    months = [first.replace(day=1)]
    while (following := (months[-1] + timedelta(days=31)).replace(day=1)) <= last:
        months.append(following)
    return "month", months, lambda day: day.replace(day=1)
