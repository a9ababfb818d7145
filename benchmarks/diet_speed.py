"""What the prompt diet takes: milliseconds a prompt beside a peer, growth with the prompt's size, peak memory.

The prompts are those of Natural Questions, each with as many of its passages as make 2,300 tokens, to 600 tokens, spans
and vectors at hand. The peers sort the same sentences by the same vectors and are timed in their own process, without
the transport; ours also counts tokens and writes the prompt. Larger prompts are made of the passages of several
questions. "exponent" is the slope of a straight line through the logarithms of tokens and milliseconds: 1 is linear.
Peak memory is what Python and numpy allocate on top of the passages, by tracemalloc.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from statistics import fmean, median

import numpy as np

from benchmarks.diet_peers import page, request
from benchmarks.diet_tasks import Task
from benchmarks.peers import runner
from benchmarks.report import Row, shown
from benchmarks.timing import percentiles, question_by_question
from ragdiet.diet import compress
from ragdiet.tokens import default_counter
from ragdiet.types import Context

BUDGET = 600
PROMPT = 2_300
"""Tokens at least of a prompt that is timed beside the peers."""
SIZES = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
ROUNDS = 3
_WARMING = 20
_REPEATS = 7
_PEERS = {"LangChain EmbeddingsFilter": "embeddings_filter", "LlamaIndex optimizer": "sentence_optimizer"}
_CUTOFF = 0.25


def speed(tasks: Sequence[Task], peers: str | None = None) -> Row:
    prompts = [enlarged([task], PROMPT) for task in tasks]
    beside = of_prompts(prompts, peers)
    growth = [of_size(tasks, size) for size in SIZES]
    found: Row = {
        "budget": BUDGET,
        "prompt_tokens": round(fmean(tokens(task) for task in prompts)),
        "exponent": exponent([row["tokens"] for row in growth], [row["p50_ms"] for row in growth]),
        "prompts": beside,
        "growth": growth,
    }
    print(shown(found), flush=True)
    return found


def of_prompts(tasks: Sequence[Task], peers: str | None) -> list[Row]:
    """Milliseconds of each system, asked in turn for each prompt, and ours as a share of the peer's median."""
    with ExitStack() as stack:
        systems: dict[str, Callable[[Task], object]] = {"diet": dieted}
        for name, module in _PEERS.items() if peers else ():
            assert peers
            systems[name] = timed(stack.enter_context(runner.answering(peers, module)))
        for task in tasks[:_WARMING]:  # they load the tokenizer and the stems
            for run in systems.values():
                run(task)
        seconds = question_by_question(systems, tasks, ROUNDS)
    ours = percentiles(seconds["diet"])["p50_ms"]
    rows = [{"system": name, **percentiles(found)} for name, found in seconds.items()]
    return [row | {"diet_p50_as_a_share": round(ours / row["p50_ms"], 3)} for row in rows]


def timed(peer: runner.Answering) -> Callable[[Task], float]:
    """The seconds that a peer says it took."""

    def run(task: Task) -> float:
        return float(peer.ask(request(task) | {"cutoff": _CUTOFF})["seconds"])

    return run


def of_size(tasks: Sequence[Task], size: int) -> Row:
    """Median milliseconds and peak memory of a prompt of at least ``size`` tokens, or of all passages."""
    task = enlarged(tasks, size)
    dieted(task)
    seconds = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        dieted(task)
        seconds.append(time.perf_counter() - began)
    tracemalloc.start()
    dieted(task)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "tokens": tokens(task),
        "p50_ms": round(1000 * median(seconds), 2),
        "peak_memory_mb": round(peak / 1e6, 2),
    }


def enlarged(tasks: Sequence[Task], size: int) -> Task:
    """The first question with as many passages as it takes, each as a document of its own."""
    hits = [hit for task in tasks for hit in task.hits]
    sizes = np.cumsum([default_counter().count(page([hit])) for hit in hits])
    count = int(np.searchsorted(sizes, size)) + 1
    return replace(tasks[0], hits=tuple(replace(hit, document_id=str(n)) for n, hit in enumerate(hits[:count])))


def exponent(sizes: Sequence[float], times: Sequence[float]) -> float:
    """The slope of log(time) over log(size) by least squares.

    >>> exponent([1, 10, 100], [2, 20, 200]), exponent([1, 10, 100], [1, 100, 10_000])
    (1.0, 2.0)
    """
    return round(float(np.polyfit(np.log(sizes), np.log(times), 1)[0]), 2)


def dieted(task: Task) -> Context:
    return compress(task.question, task.hits, BUDGET, question_vector=task.vector)


def tokens(task: Task) -> int:
    return default_counter().count(page(task.hits))
