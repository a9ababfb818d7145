"""What the running month will have cost, with an interval that says how sure that is.

The logarithm of the spend is a level that moves from week to week, plus its weekday, plus the day's own noise. How far
levels move, and whether they have a trend, is what is left of the changes between weeks once the noise of their days is
taken off. Months are then drawn from that, 2,000 times: the interval holds the middle 80% of them.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

WEEKS = 8
LEAST_WEEKS = 4
_DRAWS = 2000
# No spend is taken to be steadier than this from one week to the next, as a ratio: eight quiet weeks prove little.
_LEAST_MOVE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """USD: ``spent`` before today, and the whole month: in 8 of 10 months it ends between ``low`` and ``high``."""

    month: date
    spent: Decimal
    low: Decimal
    expected: Decimal
    high: Decimal
    weeks: int


def forecast(spend: Mapping[date, Decimal], today: date) -> Forecast | None:
    """For the month of ``today``, from the whole days before it. None with less than 4 weeks of history.

    >>> days = [date(2026, 11, 29) - timedelta(days=back) for back in range(56)]
    >>> made = forecast(dict.fromkeys(days, Decimal(2)), date(2026, 11, 30))
    >>> made.spent, made.low, made.expected, made.high
    (Decimal('58'), Decimal('59.87'), Decimal('60.00'), Decimal('60.15'))
    """
    past = {day: cost for day, cost in spend.items() if day < today}
    weeks = min((today - min(past)).days // 7, WEEKS) if past else 0
    if weeks < LEAST_WEEKS:
        return None
    month = today.replace(day=1)
    left = monthrange(today.year, today.month)[1] - today.day + 1
    # The latest week last; in each, the day that has the weekday of today first.
    history = np.array(
        [
            [float(past.get(today - timedelta(days=7 * week - place), 0)) for place in range(7)]
            for week in range(weeks, 0, -1)
        ]
    )
    spent = sum((cost for day, cost in past.items() if day >= month), Decimal(0))
    rest = _drawn(history, left)
    low, expected, high = (
        spent + Decimal(f"{max(one, 0.0):.2f}") for one in np.quantile(rest, (0.1, 0.5, 0.9)).tolist()
    )
    return Forecast(month=month, spent=spent, low=low, expected=expected, high=high, weeks=weeks)


def _drawn(history: NDArray[np.float64], days: int) -> NDArray[np.float64]:
    """What the next ``days`` may cost, many times over; ``history``: (weeks, 7), USD, the latest week last."""
    rng = np.random.default_rng(0)  # the same history says the same
    weeks = len(history)
    least = 0.01 * history.mean() + 1e-12  # a day without spend has a logarithm too
    logs = np.log(history + least)
    season = np.median(logs - logs.mean(axis=1, keepdims=True), axis=0)
    levels = (logs - season).mean(axis=1)
    noise = logs - season - levels[:, None]
    # The variance of a week's level that its days explain, and what is left of the changes: levels that truly move.
    from_days = noise.var(ddof=1) * 7 / 6 / 7
    changes = np.diff(levels)
    moves = max(changes.var(ddof=1) - 2 * from_days, _LEAST_MOVE**2)
    # Exponential smoothing with the weight that is best for these two (Muth 1960).
    ratio = moves / max(from_days, 1e-9)
    weight = (np.sqrt(ratio**2 + 4 * ratio) - ratio) / 2
    level = levels[0]
    for one in levels[1:]:
        level += weight * (one - level)
    trend_error = moves / (weeks - 1) + 2 * from_days / (weeks - 1) ** 2
    trend = changes.mean() * changes.mean() ** 2 / (changes.mean() ** 2 + trend_error)
    trends = rng.normal(trend, np.sqrt(trend_error), _DRAWS)
    coming = -(-days // 7)
    start = level + trend * (1 - weight) / weight + rng.normal(0, np.sqrt(weight * from_days), _DRAWS)
    steps = trends[:, None] + rng.normal(0, np.sqrt(moves), (_DRAWS, coming))
    paths = start[:, None] + np.cumsum(steps, axis=1)
    drawn = np.exp(paths[:, :, None] + season + rng.choice(noise.ravel(), (_DRAWS, coming, 7))) - least
    totals: NDArray[np.float64] = np.maximum(drawn, 0).reshape(_DRAWS, coming * 7)[:, :days].sum(axis=1)
    return totals
