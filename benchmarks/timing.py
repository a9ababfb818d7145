"""Contestants measured in turn, so that what the machine does meanwhile falls on all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median


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
