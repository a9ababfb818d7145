"""Days whose spend is far from what the same series spent before.

A day is compared with the 56 before it, weekday by weekday, on the logarithm of the spend: money is skewed, and twice
the usual is as far from it as half. Centre and spread are medians (Iglewicz and Hoaglin 1993: z = .6745 (x - median) /
MAD), so that one bad day among them hides neither itself nor the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Series: TypeAlias = Literal["all", "model", "tenant"]

HISTORY = 56
LEAST_HISTORY = 28
# Measured in docs/measurements.md, "Money reports".
THRESHOLD = 4.0
# Day to day noise below this ratio is never told apart: 4 of it are 1.8 times the usual.
_LEAST_SPREAD = 0.15
FLOOR = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """A day on which ``key`` of ``series`` spent ``cost``, where ``usual`` was to be expected, USD.

    ``score`` is the robust z: how many times the usual spread the day is away, below 0 for too little.
    ``all`` is the spend of everybody, and its key is empty.
    """

    day: date
    series: Series
    key: str
    cost: Decimal
    usual: Decimal
    score: float

    def __str__(self) -> str:
        whose = f"{self.series} {self.key or '(none)'}" if self.series != "all" else "all spend"
        return f"{self.day}  {whose}: ${self.cost:,.2f} where ${self.usual:,.2f} was usual"


def anomalies(
    series: Series, key: str, spend: Mapping[date, Decimal], tested: Iterable[date], *, floor: Decimal = FLOOR
) -> list[Anomaly]:
    """Those of the ``tested`` days that are far from the history of ``spend``, which lacks days without any.

    A day with less than 28 days of history, counted from the first spend, is not judged. One that differs from the
    usual by less than ``floor``, USD, is none, however rare.

    >>> usual = {date(2026, 11, 1) + timedelta(days=n): Decimal(10 + n % 2) for n in range(28)}
    >>> today = date(2026, 11, 29)
    >>> [found.usual for found in anomalies("all", "", usual | {today: Decimal(60)}, [today])]
    [Decimal('10.49')]
    """
    days = [*tested]
    if not spend or not days:
        return []
    first = min(spend)
    known = [spend.get(first + timedelta(days=number), Decimal(0)) for number in range((max(days) - first).days + 1)]
    logs = np.log(np.array([float(one) for one in known]) + float(floor))
    found = []
    for day in days:
        place = (day - first).days
        weeks = min(place // 7, HISTORY // 7)
        if weeks < LEAST_HISTORY // 7:
            continue
        past = logs[place - 7 * weeks : place].reshape(weeks, 7)
        centre = float(np.median(past[:, 0]))  # every seventh day before it has its weekday
        usual = Decimal(f"{max(float(np.exp(centre)) - float(floor), 0.0):.2f}")
        if abs(known[place] - usual) < floor:
            continue
        score = (float(logs[place]) - centre) / _spread(past)
        if abs(score) >= THRESHOLD:
            found.append(
                Anomaly(day=day, series=series, key=key, cost=known[place], usual=usual, score=round(score, 1))
            )
    return found


def _spread(past: NDArray[np.float64]) -> float:
    """How far a day is that was not known before: each from the median of its weekday in the other weeks.

    ``past``: logarithms, (weeks, 7).
    """
    weeks = len(past)
    others = np.array([[other for other in range(weeks) if other != week] for week in range(weeks)])
    errors = past - np.median(past[others], axis=1)
    return max(float(np.median(np.abs(errors))) / 0.6745, _LEAST_SPREAD)
