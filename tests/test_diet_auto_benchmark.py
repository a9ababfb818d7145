"""The benchmark of ``budget="auto"`` reads what the diet reads, and counts by hand what it counts."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks import diet_auto, diet_rules
from benchmarks.diet_rules import Trace, read, result
from benchmarks.diet_tasks import Task, as_hit

from ragdiet.diet.enough import CEILING, FADE, FLOOR, REACH
from ragdiet.types import Hit

OTHERS = [
    f"The {animal} of hall {number} was fed at noon by keeper {number} who wore a long grey coat and old boots."
    for number, animal in enumerate(("fox", "heron", "badger", "owl", "otter", "lynx", "marten", "hare") * 4)
]


def task(*texts: str, answer: str) -> Task:
    hits: tuple[Hit, ...] = tuple(as_hit(f"d{n}", f"Hall {n}", text, n) for n, text in enumerate(texts))
    return Task(question="Which keeper fed the zebra?", answers=(answer,), hits=hits, gold=(0,))


def trace(*shares: float, cost: int = 50, needed: int | None = 3, several: bool = False) -> Trace:
    return Trace(
        share=np.array(shares),
        spent=np.arange(len(shares) + 1) * cost,
        needed=needed,
        several=several,
        fixed=((60, False), (CEILING, True)),
    )


def test_a_trace_has_the_tokens_and_the_step_that_brings_the_answer() -> None:
    one = diet_auto.traced(task("The zebra was fed by keeper Ada Lund.", *OTHERS, answer="Ada Lund"))
    assert one.needed == 1
    assert one.share[0] == 1.0
    assert list(one.share) == sorted(one.share, reverse=True)
    assert one.spent[0] == 0
    assert [answer for _, answer in one.fixed] == [True] * len(diet_auto.BUDGETS)
    never = diet_auto.traced(task("The zebra was fed by a keeper.", *OTHERS, answer="Ada Lund"))
    assert never.needed is None


def test_the_rule_of_the_benchmark_is_the_one_that_is_shipped() -> None:
    asked = task("The zebra was fed by keeper Ada Lund.", *OTHERS, answer="Ada Lund")
    one = diet_auto.traced(asked)
    steps = read(one, diet_rules.reach(one, (REACH, FADE)))
    assert diet_auto.after(asked, steps) == diet_auto.diet(asked, "auto")


def test_reading_begins_with_the_floor_and_ends_at_the_ceiling() -> None:
    one = trace(*[1.0] * 40)
    always, never = np.ones(40, bool), np.zeros(40, bool)
    assert one.spent[read(one, always)] == FLOOR
    assert one.spent[read(one, never)] == CEILING
    assert read(trace(*[1.0] * 40, several=True), always) == 2 * read(one, always)
    assert read(trace(1.0, cost=5_000), never) == 1
    assert result(one, 2) == (100, False)
    assert result(one, 3) == (150, True)


@pytest.mark.parametrize("rule", ["share of the best score", "mass of the scores", "gap between scores"])
def test_a_setting_is_the_best_within_the_tokens_allowed(rule: str) -> None:
    traces = {"set": [trace(1.0, 0.9, 0.85, *[0.3] * 30, needed=3)] * 4}
    best, setting = diet_rules.fit(rule, traces, most=300)
    tokens, answers = diet_rules.means({"set": diet_rules.results(best, setting, traces["set"])})
    assert answers == 1
    assert tokens <= 300


def test_fixed_budgets_are_compared_at_equal_tokens() -> None:
    curve = np.array([[100.0, 0.5], [300.0, 0.7]])
    assert diet_rules.at_equal_tokens(curve, 200) == pytest.approx(0.6)


def test_steps_until_finds_the_first_that_holds() -> None:
    asked: list[int] = []
    assert diet_auto.steps_until(lambda steps: asked.append(steps) or steps >= 37, 1_000) == 37
    assert len(asked) < 13
    assert diet_auto.steps_until(lambda steps: False, 1_000) is None
