"""How often the answer survives the prompt diet, at 50, 25, 12.5, 6 and 3% of the context's tokens, and at 500 tokens.

    python -m benchmarks.diet --data FOLDER [--questions N] [--peers PYTHON] [--llmlingua N]
                              [--only retention|terms|peers|long_llmlingua|speed ...] [--prepared FILE]
                              [--out results.json]

The questions and their contexts are those of `diet_tasks`. An answer survives when one of its forms, normalised as
SQuAD does, stands in the block of a gold passage; questions whose whole context does not hold it so are left out. Of
chunking_evaluation the figure is the share of the excerpts' characters that is left. Yes/no questions have no answer to
find: for HotpotQA further figures tell how often all supporting sentences survive, theirs included. The context's
tokens are those of the passages written whole, each with mark and title, and so are a budget's. "macro" is the mean of
NQ, SQuAD and HotpotQA.

Parts, each of which can be run alone into the same file:
retention: the diet with stored vectors (MiniLM) and by words alone, the best sentences by bm25s packed in the same way,
and the context cut off at the budget; and what is guaranteed, counted over all prompts of the diet.
terms: each weight of the score at nothing and at twice its size. "chosen": of these and the weights as they are the
best by one half of each set, the questions with even places or odd ones, measured on the other half, the mean of both.
peers: LangChain's EmbeddingsFilter and LlamaIndex's SentenceEmbeddingOptimizer, see `diet_peers`.
long_llmlingua: at 25 and 12.5% of the tokens of N questions of each set, and the diet on the same ones.
speed: see `diet_speed`.
"even" and "odd" are the figures of each half.
"""

from __future__ import annotations

import argparse
import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import TypeAlias

from benchmarks.datasets import data_folder
from benchmarks.diet_peers import LongLLMLingua, long_llmlingua, page, peers
from benchmarks.diet_speed import speed
from benchmarks.diet_systems import (
    TERMS,
    Guarantees,
    best_by_bm25s,
    cut_off,
    diet,
    diet_by_words,
    digit_strings,
    watched,
    weighted,
)
from benchmarks.diet_tasks import (
    EXCERPTS,
    LOADERS,
    System,
    Task,
    is_yes_or_no,
    normal,
    retained,
    spread,
    thinned,
    whole,
    with_vectors,
)
from benchmarks.machine import machine
from benchmarks.report import Row
from ragdiet.errors import BudgetTooSmall
from ragdiet.tokens import default_counter

BUDGETS = (0.5, 0.25, 0.125, 0.06, 0.03, 500)
"""Below 1: shares of the context's tokens; else tokens."""
LONG_LLMLINGUA_BUDGETS = (0.25, 0.125)
PARTS = ("retention", "terms", "peers", "long_llmlingua", "speed")
AS_IT_IS = "diet"

Tasks: TypeAlias = Mapping[str, Sequence[Task]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--questions", type=int, help="at most so many of each set, spread over it")
    parser.add_argument("--peers", help="a Python that has benchmarks/peers/requirements-diet.txt")
    parser.add_argument("--llmlingua", type=int, default=0, help="LongLLMLingua for so many questions of each set")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="all that can be run unless named")
    parser.add_argument("--prepared", type=Path, help="keep the embedded questions here, or take them from here")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    parts = set(arguments.only or PARTS)
    if not arguments.peers:
        parts -= {"peers", "long_llmlingua"}
    if not arguments.llmlingua:
        parts.discard("long_llmlingua")
    folder = data_folder(arguments.data)
    tasks = prepared(arguments.prepared, folder)
    if arguments.questions:
        tasks = {name: spread(list(group), arguments.questions) for name, group in tasks.items()}

    summary: Row = {}
    if "retention" in parts:
        summary |= retention(tasks)
    if "terms" in parts:
        summary["terms"] = terms(tasks)
    if "peers" in parts:
        with peers(arguments.peers) as systems:
            summary["peers"] = [row for name, run in systems.items() for row in measure(name, run, tasks, BUDGETS)]
    if "long_llmlingua" in parts:
        subset = {name: spread(list(filter(has_answer, group)), arguments.llmlingua) for name, group in tasks.items()}
        with long_llmlingua(arguments.peers) as peer:
            summary["long_llmlingua"] = beside_long_llmlingua(peer, subset)
    if "speed" in parts:
        summary["speed"] = speed(next(iter(tasks.values())), arguments.peers)
    if arguments.out:
        merge(arguments.out, {"budgets": BUDGETS, **summary}, parts)


def prepared(path: Path | None, folder: Path) -> dict[str, list[Task]]:
    """All questions with their vectors."""
    if path and path.exists():
        found: dict[str, list[Task]] = pickle.loads(path.read_bytes())
        return found
    tasks = with_vectors({name: thinned(load(folder / name), None) for name, load in LOADERS.items()})
    if path:
        path.write_bytes(pickle.dumps(tasks))
    return tasks


def merge(path: Path, summary: Row, parts: set[str]) -> None:
    """Writes the parts that were run and keeps the others. "machines" says on what each part was measured."""
    before = json.loads(path.read_text()) if path.exists() else {}
    machines = before.get("machines", {}) | {part: machine() for part in sorted(parts)}
    result = {"machines": machines, "summary": before.get("summary", {}) | summary}
    path.write_text(json.dumps(result, indent=1) + "\n")


def retention(tasks: Tasks) -> Row:
    guarantees = Guarantees()
    systems = {
        AS_IT_IS: watched(guarantees),
        "diet, words only": diet_by_words,
        "bm25s sentences": best_by_bm25s,
        "cut off": cut_off,
    }
    rows = [row for name, run in systems.items() for row in measure(name, run, tasks, BUDGETS)]
    print(f"guarantees over the diet's prompts: {asdict(guarantees)}", flush=True)
    return {"retention": rows, "guarantees": asdict(guarantees)}


def terms(tasks: Tasks) -> list[Row]:
    systems: dict[str, System] = {AS_IT_IS: diet}
    for term in TERMS:
        systems |= {f"{term} = 0": weighted(term, 0.0), f"{term} twice": weighted(term, 2.0)}
    rows = [row for name, run in systems.items() for row in measure(name, run, tasks, BUDGETS)]
    best = chosen(rows)
    print_rows(best)
    return rows + best


def chosen(rows: Sequence[Row]) -> list[Row]:
    """For each set what a system does on one half of the questions that was picked on the other half of all sets."""
    macros = [row for row in rows if row["set"] == "macro"]
    picked = {half: max(macros, key=lambda row: fmean(row[half]))["system"] for half in ("even", "odd")}
    by_name = {(row["system"], row["set"]): row for row in rows}
    found = []
    for name in dict.fromkeys(row["set"] for row in rows):
        even, odd = by_name[picked["odd"], name]["even"], by_name[picked["even"], name]["odd"]
        row: Row = {"system": f"chosen: {picked['odd']}; {picked['even']}", "set": name, "even": even, "odd": odd}
        row["questions"] = by_name[AS_IT_IS, name]["questions"]
        row["retention"] = [round((one + other) / 2, 1) for one, other in zip(even, odd, strict=True)]
        found.append(row)
    return found


def beside_long_llmlingua(peer: LongLLMLingua, tasks: Tasks) -> Row:
    rows = measure("LongLLMLingua, SmolLM2-135M", peer, tasks, LONG_LLMLINGUA_BUDGETS)
    rows += measure("diet, the same questions", diet, tasks, LONG_LLMLINGUA_BUDGETS)
    return {
        "budgets": LONG_LLMLINGUA_BUDGETS,
        "tokens_per_token_of_budget": round(fmean(peer.filled), 3),
        "retention": rows,
    }


def measure(system: str, run: System, tasks: Tasks, budgets: Sequence[float]) -> list[Row]:
    """A row for each set and their mean, shown as soon as they are there."""
    rows = [measure_set(system, run, name, group, budgets) for name, group in tasks.items()]
    rows.append(macro(system, rows))
    print_rows(rows)
    return rows


def measure_set(system: str, run: System, name: str, tasks: Sequence[Task], budgets: Sequence[float]) -> Row:
    """Percents at each budget."""
    answer: list[list[float]] = []
    support: list[list[float]] = []
    written = strange = 0
    for task in tasks:
        before = default_counter().count(page(task.hits))
        source = digit_strings(" ".join(f"{hit.title} {hit.text}" for hit in task.hits))
        kept, supported = [], []
        for budget in budgets:
            try:
                found = run(task, int(budget * before if budget < 1 else budget))
            except BudgetTooSmall:
                found = {}
            digits = digit_strings("\n".join(dict.fromkeys(found.values())))
            written += len(digits)
            strange += len(digits - source)
            kept.append(retained(task, found))
            blocks = {position: normal(found.get(position, "")) for position, _ in task.supporting}
            supported.append(float(all(normal(sentence) in blocks[position] for position, sentence in task.supporting)))
        if has_answer(task):
            answer.append(kept)
        if task.supporting:
            support.append(supported)
    row: Row = {"system": system, "set": name, "questions": len(answer)}
    row |= {"retention": percents(answer), "even": percents(answer[::2]), "odd": percents(answer[1::2])}
    row |= {"digit_strings": written, "not_in_source": strange}
    if support:
        row["all_supporting_sentences"] = percents(support)
    return row


def has_answer(task: Task) -> bool:
    """Whether the passages whole hold an answer that can be found."""
    return not is_yes_or_no(task) and retained(task, whole(task)) > 0


def percents(kept: Sequence[Sequence[float]]) -> list[float]:
    return [round(100 * fmean(values), 1) for values in zip(*kept, strict=True)]


def macro(system: str, rows: Sequence[Row]) -> Row:
    rows = [row for row in rows if row["set"] != EXCERPTS]
    counted = {name: sum(row[name] for row in rows) for name in ("questions", "digit_strings", "not_in_source")}
    means = {
        name: [round(fmean(values), 1) for values in zip(*(row[name] for row in rows), strict=True)]
        for name in ("retention", "even", "odd")
    }
    return {"system": system, "set": "macro", **counted, **means}


def print_rows(rows: Sequence[Row]) -> None:
    for row in rows:
        for name in ("retention", "all_supporting_sentences"):
            if values := row.get(name):
                figures = " ".join(f"{value:6.1f}" for value in values)
                what = "" if name == "retention" else "   all supporting sentences"
                print(f"{row['system']:28} {row['set']:22} {row['questions']:5}  {figures}{what}", flush=True)


if __name__ == "__main__":
    main()
