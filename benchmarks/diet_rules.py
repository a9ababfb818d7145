"""Rules that say when a question has enough sentences, as functions of what the diet reads, best first.

Each is given one question's ``Trace`` and one setting, and says before which steps it would stop. All share a floor,
doubled for questions that seem to need several passages, and a ceiling, so that what lies between tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ragdiet.confidence.fitting import Bools, Fit, Floats
from ragdiet.diet.enough import CEILING, FLOOR, SEVERAL

Setting: TypeAlias = tuple[float, ...]
Traces: TypeAlias = Mapping[str, Sequence["Trace"]]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A question as the diet reads it. ``share`` of the best score, of each step; ``spent`` tokens before each, and
    after the last; ``needed`` steps until the answer is in, None where it never is; ``several``: it seems to need more
    than one passage. ``fixed``: what is left, and whether the answer is, at each fixed budget.
    """

    share: Floats
    spent: NDArray[np.int64]
    needed: int | None
    several: bool
    fixed: tuple[tuple[int, float], ...]

    @property
    def more(self) -> int:
        return SEVERAL if self.several else 1

    @property
    def cost(self) -> NDArray[np.int64]:
        return np.diff(self.spent)


Rule: TypeAlias = Callable[[Trace, Setting], Bools]


def read(trace: Trace, stops: Bools) -> int:
    """How many steps are read, one at least: to the first stop after the floor, as far as the ceiling allows."""
    first = np.flatnonzero(stops & (trace.spent[:-1] >= trace.more * FLOOR))
    within = int(np.searchsorted(trace.spent[1:], CEILING, side="right"))
    return max(1, min(int(first[0]) if len(first) else len(stops), within))


def result(trace: Trace, steps: int) -> tuple[int, bool]:
    """Tokens, and whether the answer is in."""
    return int(trace.spent[steps]), trace.needed is not None and trace.needed <= steps


def reach(trace: Trace, setting: Setting) -> Bools:
    tokens, fade = setting
    return np.asarray(trace.spent[:-1] > trace.more * tokens * trace.share**fade)


def share_of_best(trace: Trace, setting: Setting) -> Bools:
    return np.asarray(trace.share < setting[0])


def score_mass(trace: Trace, setting: Setting) -> Bools:
    """The sentences before hold so much of the sum of all scores."""
    before = np.cumsum(trace.share) - trace.share
    return np.asarray(before >= setting[0] * trace.share.sum())


def score_gap(trace: Trace, setting: Setting) -> Bools:
    """A fall of so much, as a share of the best score, from the sentence before."""
    return np.asarray(-np.diff(trace.share, prepend=trace.share[0]) > setting[0])


@dataclass(frozen=True)
class Chance:
    """A fitted model of the chance that a step is the one that brings the answer; stops where the steps to come do not
    bring their price, a setting in chance per token."""

    model: Fit

    @classmethod
    def fitted(cls, traces: Traces) -> Chance:
        rows, labels, weights = [], [], []
        for group in traces.values():
            for trace in group:
                seen = len(trace.share) if trace.needed is None else trace.needed
                rows.append(_signals(trace)[:seen])
                labels.append(np.arange(1, seen + 1) == (trace.needed or 0))
                weights.append(np.full(seen, 1_000 / len(group)))
        return cls(Fit.to(np.concatenate(rows), np.concatenate(labels), np.concatenate(weights)))

    def __call__(self, trace: Trace, setting: Setting) -> Bools:
        chance = self.model.chances(_signals(trace))
        not_yet = np.cumprod(np.concatenate(([1.0], 1 - chance[:-1])))
        worth = np.cumsum(chance * not_yet - setting[0] * trace.cost)
        return np.arange(len(worth)) > int(np.argmax(worth))


def _signals(trace: Trace) -> Floats:
    rank = np.arange(1, len(trace.share) + 1)
    return np.column_stack(
        [trace.share, np.log(rank), np.log(trace.spent[:-1] + 50), np.full(len(rank), float(trace.several))]
    )


RULES: Mapping[str, tuple[Rule | None, tuple[Setting, ...]]] = {
    "reach times share to a power": (
        reach,
        tuple(product((400, 600, 800, 1_000, 1_200, 1_500, 2_000, 2_500, 3_000, 4_000, 6_000), (2, 3, 4))),
    ),
    "share of the best score": (share_of_best, tuple((share / 100,) for share in range(40, 96, 5))),
    "mass of the scores": (score_mass, tuple((share / 100,) for share in range(5, 96, 5))),
    "gap between scores": (score_gap, tuple((gap / 100,) for gap in (2, 4, 6, 8, 10, 12, 15, 20, 25, 30))),
    "chance by a logistic model": (
        None,
        tuple((price,) for price in (3e-3, 2e-3, 1.5e-3, 1e-3, 7e-4, 5e-4, 4e-4, 3e-4, 2e-4, 1.5e-4, 1e-4, 5e-5)),
    ),
}
"""Each rule with its settings; None is fitted first."""


def fit(name: str, traces: Traces, most: float) -> tuple[Rule, Setting]:
    """The rule with the setting that keeps most answers at ``most`` tokens in the mean, each set counted once."""
    given, settings = RULES[name]
    rule = given or Chance.fitted(traces)

    def kept(setting: Setting) -> tuple[float, float]:
        tokens, answers = means({key: results(rule, setting, group) for key, group in traces.items()})
        return (answers if tokens <= most else -tokens), -tokens

    return rule, max(settings, key=kept)


def results(rule: Rule, setting: Setting, traces: Sequence[Trace]) -> Floats:
    """Tokens and kept answers, float64, (traces, 2)."""
    return np.array([result(trace, read(trace, rule(trace, setting))) for trace in traces], np.float64)


def fixed(traces: Sequence[Trace]) -> Floats:
    """The same for each fixed budget, float64, (traces, budgets, 2)."""
    return np.array([trace.fixed for trace in traces], np.float64)


def means(of_set: Mapping[str, Floats]) -> tuple[float, float]:
    """Of tokens and of kept answers over all sets, each set counted once."""
    each = [values.mean(axis=0) for values in of_set.values()]
    return fmean(float(one[0]) for one in each), fmean(float(one[1]) for one in each)


def at_equal_tokens(curve: Floats, tokens: float) -> float:
    """Kept answers of fixed budgets, (budgets, 2), at a mean number of tokens between them."""
    return float(np.interp(tokens, curve[:, 0], curve[:, 1]))
