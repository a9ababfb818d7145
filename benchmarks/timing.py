"""Contestants measured in turn, so that what the machine does meanwhile falls on all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def in_turn(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each contestant, a figure a round. A round asks every contestant once: A B A B, not A A B B."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name, run in contestants.items():
            seconds[name].append(run())
            print(f"  round {number + 1}: {name} {seconds[name][-1]:.2f} s", flush=True)
    return seconds


def rate(amount: float, seconds: list[float]) -> float:
    """Amount a second at the median."""
    return amount / median(seconds)


def question_by_question(
    contestants: Mapping[str, Callable[[T], object]], questions: Sequence[T], rounds: int
) -> dict[str, list[float]]:
    """Seconds of each contestant for each question, round after round. Each question is put to all of them before
    the next one, and in each round another contestant begins: what one finds in the caches another has brought.

    A contestant that returns a float has measured itself; any other is measured here.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(rounds):
        first = number % len(names)
        for question in questions:
            for name in names[first:] + names[:first]:
                began = time.perf_counter()
                found = contestants[name](question)
                seconds[name].append(found if isinstance(found, float) else time.perf_counter() - began)
    return seconds


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Milliseconds.

    >>> percentiles([0.001] * 99 + [0.1])
    {'p50_ms': 1.0, 'p99_ms': 1.99}
    """
    return {f"p{share}_ms": round(1000 * float(np.percentile(seconds, share)), 2) for share in (50, 99)}
