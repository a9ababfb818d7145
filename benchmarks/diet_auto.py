"""Whether ``budget="auto"`` keeps more answers than a fixed budget that spends as many tokens.

    python -m benchmarks.diet_auto --data FOLDER [--questions N] [--prepared FILE] [--out results.json]

Questions, contexts and retention are those of ``benchmarks.diet``. All gains are in percent of the questions, over a
fixed budget whose contexts have as many tokens in the mean (between two measured budgets: a straight line).

"shipped" is the diet itself with "auto". "macro": at the mean over the sets, so that a rule may give one set more than
another. "within": each set against a fixed budget with that set's own mean. Its interval holds 95% of 1,000 samples of
the questions, drawn anew within each set. "unseen" are the questions of chunking_evaluation, on which nothing was
chosen; what is kept of their answers is a share. "spread" tells what easy and hard questions got: the first 100 tokens
hold the answer, the first 300, more. "next_100": how often the 100 tokens after the stop would have brought the answer.

"rules" compares ways to stop (``benchmarks.diet_rules``), each with the setting that is best on one part of the
questions and measured on another: "halves", on the other half of each set, both ways; "sets", on the set left out.
The settings that are best on all questions come last, and are what ``ragdiet.diet.enough`` has, rounded.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

import numpy as np

from benchmarks.datasets import data_folder
from benchmarks.diet import has_answer, prepared
from benchmarks.diet_rules import (
    RULES,
    Trace,
    Traces,
    at_equal_tokens,
    fit,
    fixed,
    means,
    reach,
    read,
    results,
)
from benchmarks.diet_systems import by_passage
from benchmarks.diet_tasks import EXCERPTS, Task, normal, retained, spread
from benchmarks.machine import machine
from benchmarks.report import Row, shown
from ragdiet.confidence.fitting import Floats
from ragdiet.diet import compress, selection
from ragdiet.diet.enough import CEILING, FADE, FLOOR, REACH, SEVERAL
from ragdiet.diet.several import asks_for_several
from ragdiet.errors import BudgetTooSmall
from ragdiet.types import Budget, Context

BUDGETS = (100, 200, 300, 400, 500, 600, 800, 1_000)
MEAN = 500
"""Tokens at most in the mean, for the settings of a rule."""
_EASY = (100, 300)
_SAMPLES = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--questions", type=int, help="at most so many of each set, spread over it")
    parser.add_argument("--prepared", type=Path, help="keep the embedded questions here, or take them from here")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    folder = data_folder(arguments.data)
    tasks = prepared(arguments.prepared, folder)
    if arguments.questions:
        tasks = {name: spread(list(group), arguments.questions) for name, group in tasks.items()}
    summary: dict[str, Row] = {
        "constants": {"REACH": REACH, "FADE": FADE, "FLOOR": FLOOR, "CEILING": CEILING, "SEVERAL": SEVERAL},
        "several": {
            name: round(100 * fmean(asks_for_several(task.question) for task in group), 1)
            for name, group in tasks.items()
        },
    }
    print(shown(summary["constants"]), shown(summary["several"]), sep="\n", flush=True)
    for mode, dressed in (("vectors", tasks), ("words only", {name: bare(group) for name, group in tasks.items()})):
        counted = {name: list(filter(has_answer, group)) for name, group in dressed.items()}
        unseen = counted.pop(EXCERPTS)
        traces = {name: list(map(traced, group)) for name, group in counted.items()}
        summary[mode] = {
            **shipped(counted, traces),
            "unseen": [set_row(EXCERPTS, of_auto(unseen), np.array([of_budgets(task) for task in unseen]))],
            "spread": [by_need(name, group) for name, group in traces.items()],
            "rules": [row for name in RULES for row in compared(name, traces)],
            "supporting": [supporting(dressed["hotpotqa_distractor"])],
        }
        print(f"\n{mode}\n{shown(summary[mode])}", flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(), "summary": summary}, indent=1) + "\n")


def bare(tasks: Sequence[Task]) -> list[Task]:
    """Without vectors: words alone decide."""
    return [
        replace(
            task, vector=None, hits=tuple(replace(hit, dense_score=0.0, sentence_vectors=None) for hit in task.hits)
        )
        for task in tasks
    ]


def diet(task: Task, budget: Budget) -> Context:
    try:
        return compress(task.question, task.hits, budget, question_vector=task.vector)
    except BudgetTooSmall as error:
        return compress(task.question, task.hits, error.smallest, question_vector=task.vector)


def kept(task: Task, context: Context) -> float:
    return retained(task, by_passage(task, context))


def traced(task: Task) -> Trace:
    """What the diet reads for the task, without a rule to stop it; and what fixed budgets keep."""
    steps: list[tuple[float, int]] = []

    def recording(question: str, scores: Sequence[float]) -> selection.Stop:
        def stop(sentence: int, spent: int) -> bool:
            steps.append((scores[sentence] / max(scores), spent))
            return False

        return stop

    with patch.object(selection, "_stop", recording), patch.object(selection, "CEILING", 10**9):
        everything = diet(task, "auto")
    share, spent = np.array(steps).T
    return Trace(
        share=share,
        spent=np.append(spent, everything.tokens).astype(np.int64),
        needed=steps_until(lambda steps: kept(task, after(task, steps)) > 0, len(steps)),
        several=asks_for_several(task.question),
        fixed=of_budgets(task),
    )


def after(task: Task, steps: int) -> Context:
    """The context of the first so many steps."""

    def counting(question: str, scores: Sequence[float]) -> selection.Stop:
        seen = iter(range(steps))
        return lambda sentence, spent: next(seen, None) is None

    with patch.object(selection, "_stop", counting), patch.object(selection, "CEILING", 10**9):
        return diet(task, "auto")


def of_auto(tasks: Sequence[Task]) -> Floats:
    """Tokens and what is kept of the answer with "auto", float64, (tasks, 2)."""
    return np.array([(context.tokens, kept(task, context)) for task in tasks for context in [diet(task, "auto")]])


def of_budgets(task: Task) -> tuple[tuple[int, float], ...]:
    """The same with each fixed budget."""
    return tuple((context.tokens, kept(task, context)) for context in (diet(task, budget) for budget in BUDGETS))


def steps_until(holds: Callable[[int], bool], most: int) -> int | None:
    """The fewest steps with which it holds, by halving: what holds once holds with more."""
    if not holds(most):
        return None
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def shipped(tasks: Mapping[str, Sequence[Task]], traces: Traces) -> Row:
    """The diet with "auto" itself, beside fixed budgets: over all sets, and each."""
    auto = {name: of_auto(group) for name, group in tasks.items()}
    budgets = {name: fixed(group) for name, group in traces.items()}
    random = np.random.default_rng(1)
    samples = []
    for _ in range(_SAMPLES):
        drawn = {name: random.integers(0, len(values), len(values)) for name, values in auto.items()}
        samples.append(
            gains({n: auto[n][rows] for n, rows in drawn.items()}, {n: budgets[n][rows] for n, rows in drawn.items()})
        )
    row: Row = {"questions": sum(map(len, auto.values())), **gains(auto, budgets)}
    row |= {
        f"{name}_interval": [
            round(float(edge), 1) for edge in np.percentile([one[name] for one in samples], (2.5, 97.5))
        ]
        for name in ("macro", "within")
    }
    return {"shipped": [row], "sets": [set_row(name, auto[name], budgets[name]) for name in auto]}


def set_row(name: str, auto: Floats, budgets: Floats) -> Row:
    tokens, answers = auto.mean(axis=0)
    curve = budgets.mean(axis=0)
    return {
        "set": name,
        "questions": len(auto),
        "tokens": round(float(tokens)),
        "retention": percent(answers),
        "fixed, as many tokens": percent(at_equal_tokens(curve, tokens)),
        "fixed, 600": percent(curve[BUDGETS.index(600), 1]),
        "tokens, deciles 1 to 9": [int(edge) for edge in np.percentile(auto[:, 0], range(10, 100, 10))],
    }


def gains(auto: Mapping[str, Floats], budgets: Mapping[str, Floats]) -> Row:
    tokens, answers = means(auto)
    curves = {name: values.mean(axis=0) for name, values in budgets.items()}
    even = at_equal_tokens(np.mean(list(curves.values()), axis=0), tokens)
    own = [values[:, 1].mean() - at_equal_tokens(curves[name], values[:, 0].mean()) for name, values in auto.items()]
    return {
        "tokens": round(tokens),
        "retention": percent(answers),
        "fixed": percent(even),
        "macro": percent(answers - even),
        "within": percent(fmean(map(float, own))),
    }


def by_need(name: str, traces: Sequence[Trace]) -> Row:
    """Mean tokens by how hard the question is: by how many tokens bring its answer."""
    given = [read(trace, reach(trace, (REACH, FADE))) for trace in traces]
    tokens = np.array([trace.spent[steps] for trace, steps in zip(traces, given, strict=True)])
    need = np.array([10**9 if trace.needed is None else trace.spent[trace.needed] for trace in traces])
    later = [
        trace.needed is not None and trace.needed > steps and trace.spent[trace.needed] <= trace.spent[steps] + 100
        for trace, steps in zip(traces, given, strict=True)
    ]
    easy, middling = _EASY
    row: Row = {"set": name}
    for label, which in (
        (f"needs {easy}", need <= easy),
        (f"needs {middling}", (need > easy) & (need <= middling)),
        ("needs more", need > middling),
    ):
        row[f"{label}, questions"] = int(which.sum())
        row[f"{label}, tokens"] = round(float(tokens[which].mean())) if which.any() else None
    several = np.array([trace.several for trace in traces])
    row["several, tokens"] = round(float(tokens[several].mean())) if several.any() else None
    row["next_100"] = percent(fmean(later))
    return row


def compared(name: str, traces: Traces) -> list[Row]:
    """One rule on questions that its setting was not chosen on."""
    budgets = {key: fixed(group) for key, group in traces.items()}
    halves: dict[str, list[Floats]] = {key: [] for key in traces}
    settings = []
    for part in (0, 1):
        rule, setting = fit(name, {key: group[part::2] for key, group in traces.items()}, MEAN)
        settings.append(setting)
        for key, group in traces.items():
            halves[key].append(results(rule, setting, group[1 - part :: 2]))
    rows = [{"rule": name, "fit": "halves", **gains({k: np.concatenate(v) for k, v in halves.items()}, budgets)}]
    left_out: dict[str, Floats] = {}
    for key, group in traces.items():
        rule, setting = fit(name, {other: own for other, own in traces.items() if other != key}, MEAN)
        settings.append(setting)
        left_out[key] = results(rule, setting, group)
    rows.append({"rule": name, "fit": "sets", **gains(left_out, budgets)})
    settings.append(fit(name, traces, MEAN)[1])
    for row, chosen in zip(rows, (settings[:2], settings[2:]), strict=True):
        row["settings"] = [list(setting) for setting in chosen]
    return rows


def supporting(tasks: Sequence[Task]) -> Row:
    """HotpotQA: how often all supporting sentences survive, yes/no questions too, and fixed budgets' own."""

    def all_of_them(task: Task, context: Context) -> bool:
        found = by_passage(task, context)
        return all(normal(sentence) in normal(found.get(position, "")) for position, sentence in task.supporting)

    auto = [diet(task, "auto") for task in tasks]
    curve = [
        [(context.tokens, all_of_them(task, context)) for task in tasks for context in [diet(task, budget)]]
        for budget in BUDGETS
    ]
    tokens = fmean(context.tokens for context in auto)
    return {
        "questions": len(tasks),
        "tokens": round(tokens),
        "auto": percent(fmean(all_of_them(task, context) for task, context in zip(tasks, auto, strict=True))),
        "fixed, as many tokens": percent(at_equal_tokens(np.array(curve, np.float64).mean(axis=1), tokens)),
    }


def percent(share: float) -> float:
    return round(100 * float(share), 1)


if __name__ == "__main__":
    main()
