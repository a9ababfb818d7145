"""How likely a small model finds the answer after the dieted context, and after others.

    python -m benchmarks.nll --data FOLDER --peers PYTHON [--questions N] [--no-llmlingua] [--out results.json]

Natural Questions with 20 passages, the set on which it was first measured that models overlook what stands in the
middle of a long context. The figure is the mean negative log-likelihood of the tokens of the answer's first form, in
nats, after a context and the question, under SmolLM2-135M (4-bit weights, in bfloat16). Contexts: none; all passages in
the given order, the gold one tenth; all with the gold one first, or last; for each question the likelier of these two,
"best ordering"; the diet at 25% of the tokens; LongLLMLingua, which uses the same model, aimed at as many tokens as the
diet took. ``tokens`` are the model's own, of context and question.

The file is written anew after each question, so a run may be cut short.

``ours_minus``: mean difference of the diet's figure from another's on the same questions, below 0 where ours is better,
and its standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean, stdev

from benchmarks.datasets import data_folder
from benchmarks.diet_peers import long_llmlingua, page
from benchmarks.diet_tasks import Task, natural_questions, thinned, with_vectors
from benchmarks.machine import machine
from benchmarks.peers import runner
from benchmarks.report import Row, shown
from ragdiet.diet import compress
from ragdiet.types import Context, Hit

SET = "nq_lost_in_the_middle"
SHARE = 0.25
OURS = "diet at 25%"
BEST = "best ordering"
LONG_LLMLINGUA = "LongLLMLingua, equal tokens"
_WHOLE = 10**9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--peers", default=sys.executable, help="a Python with benchmarks/peers/requirements-diet.txt")
    parser.add_argument("--questions", type=int, default=60, help="at most so many, spread over the set")
    parser.add_argument("--no-llmlingua", action="store_true", help="leave out LongLLMLingua, which takes longest")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    folder = data_folder(arguments.data)
    tasks = with_vectors({SET: thinned(natural_questions(folder / SET), arguments.questions)})[SET]
    with ExitStack() as stack:
        contexts: dict[str, Callable[[Task], str]] = {
            "no context": lambda _: "",
            "gold tenth": lambda task: page(task.hits),
            "gold first": lambda task: page(reordered(task, gold_first=True)),
            "gold last": lambda task: page(reordered(task, gold_first=False)),
            OURS: lambda task: dieted(task).text,
        }
        if not arguments.no_llmlingua:
            lingua = stack.enter_context(long_llmlingua(arguments.peers))
            contexts[LONG_LLMLINGUA] = lambda task: lingua.compressed(task, dieted(task).tokens)
        model = stack.enter_context(runner.answering(arguments.peers, "likelihood"))
        replies: dict[str, list[Row]] = {name: [] for name in contexts}
        for number, task in enumerate(tasks, start=1):
            for name, context in contexts.items():
                replies[name].append(model.ask(asked(task, context(task))))
            print(f"{number} of {len(tasks)}", flush=True)
            summary = summed(
                {name: [reply["nll"] for reply in found] for name, found in replies.items()},
                {name: [reply["tokens"] for reply in found] for name, found in replies.items()},
            )
            if arguments.out:
                arguments.out.write_text(json.dumps({"machine": machine(), "summary": summary}, indent=1) + "\n")
    print(shown(summary))


def asked(task: Task, context: str) -> Row:
    """The prompt and the reply whose likelihood is wanted."""
    return {"prompt": f"{context}\n\nQuestion: {task.question}\nAnswer:".lstrip(), "answer": f" {task.answers[0]}"}


def reordered(task: Task, *, gold_first: bool) -> list[Hit]:
    """The passages with the gold ones at one end, all else as it was."""
    return sorted(task.hits, key=lambda hit: (task.hits.index(hit) in task.gold) != gold_first)


def dieted(task: Task) -> Context:
    before = compress(task.question, task.hits, _WHOLE).tokens_before
    return compress(task.question, task.hits, int(SHARE * before), question_vector=task.vector)


def summed(nll: dict[str, list[float]], tokens: dict[str, list[int]]) -> Row:
    """Means for each context, and how far ours is from each. ``nll`` and ``tokens`` are of the same questions."""
    nll = {**nll, BEST: [min(pair) for pair in zip(nll["gold first"], nll["gold last"], strict=True)]}
    tokens = {**tokens, BEST: tokens["gold first"]}
    rows = [
        {
            "context": name,
            "nll": round(fmean(values), 4),
            "tokens": round(fmean(tokens[name]), 1),
            "ours_minus": round(fmean(difference(nll[OURS], values)), 4),
            "standard_error": round(standard_error(difference(nll[OURS], values)), 4),
        }
        for name, values in nll.items()
    ]
    mean = {name: fmean(values) for name, values in nll.items()}
    summary: Row = {
        "questions": len(nll[OURS]),
        "no_worse_than_best_ordering": mean[OURS] <= mean[BEST],
    }
    if LONG_LLMLINGUA in nll:
        summary["better_than_long_llmlingua"] = mean[OURS] < mean[LONG_LLMLINGUA]
    return {**summary, "contexts": rows}


def difference(ours: Sequence[float], other: Sequence[float]) -> list[float]:
    return [one - two for one, two in zip(ours, other, strict=True)]


def standard_error(values: Sequence[float]) -> float:
    """Of their mean: the standard deviation over the root of their number; 0 for a single one.

    >>> standard_error([1.0, 3.0, 1.0, 3.0])
    0.5773502691896257
    """
    return stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


if __name__ == "__main__":
    main()
