"""Other systems that shorten a context, beside ours, on the same passages, sentences and MiniLM vectors.

They run in the peers' Python, see benchmarks/peers/requirements-diet.txt, and are given every help: sentences are
ours; LangChain's filter gets the greatest k whose page fits; LlamaIndex's optimizer, which knows a percentile of each
passage but no budget for all, the greatest percentile whose page fits, at least a sentence each, and where even that is
too much, the passages nearest to the question that fit. Of LongLLMLingua, which marks no sources, an answer anywhere in
the text counts as in its gold passage.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.diet_tasks import Left, System, Task, whole
from benchmarks.peers import runner
from benchmarks.peers.runner import Answering
from ragdiet.tokens import default_counter
from ragdiet.types import Hit

CUTOFFS = tuple(step / 20 for step in range(21))


@contextmanager
def peers(python: str) -> Iterator[dict[str, System]]:
    """The fast systems by name, for as long as the block lasts."""
    with (
        runner.answering(python, "embeddings_filter") as embeddings_filter,
        runner.answering(python, "sentence_optimizer") as sentence_optimizer,
    ):
        yield {
            "LangChain EmbeddingsFilter": titled(by_filter(embeddings_filter)),
            "LlamaIndex optimizer": titled(by_optimizer(sentence_optimizer)),
        }


def titled(system: System) -> System:
    """Each block under the title that was paid for."""

    def run(task: Task, budget: int) -> Left:
        return {n: f"{task.hits[n].title}\n{text}" for n, text in system(task, budget).items()}

    return run


@contextmanager
def long_llmlingua(python: str) -> Iterator[LongLLMLingua]:
    """The slow one, which takes many seconds a prompt."""
    with runner.answering(python, "long_llmlingua") as peer:
        yield LongLLMLingua(peer)


class LongLLMLingua:
    """A ``System``; ``filled`` are the tokens of each text that it wrote, by token of the budget."""

    def __init__(self, peer: Answering) -> None:
        self._peer = peer
        self.filled: list[float] = []

    def __call__(self, task: Task, budget: int) -> Left:
        text = self.compressed(task, budget)
        self.filled.append(default_counter().count(text) / budget)
        return dict.fromkeys(range(len(task.hits)), text)

    def compressed(self, task: Task, budget: int) -> str:
        """Its text of about ``budget`` tokens by our counter: it aims at the same share of its own."""
        passages = [{"title": hit.title, "text": hit.text} for hit in task.hits]
        share = budget / size(task, whole(task))
        text: str = self._peer.ask({"question": task.question, "passages": passages, "share": share})["text"]
        return text


def by_filter(peer: Answering) -> System:
    def run(task: Task, budget: int) -> Left:
        places = [(n, index) for n, index in peer.ask(request(task))["places"]]
        fits, over = 0, len(places) + 1  # so many sentences fit, so many do not
        while over - fits > 1:
            middle = (fits + over) // 2
            if size(task, joined(task, places[:middle])) <= budget:
                fits = middle
            else:
                over = middle
        return joined(task, places[:fits])

    return run


def by_optimizer(peer: Answering) -> System:
    def run(task: Task, budget: int) -> Left:
        asked = request(task)

        def left(cutoff: float) -> Left:
            return dict(enumerate(peer.ask(asked | {"cutoff": cutoff})["texts"]))

        fits, over = 0, len(CUTOFFS)  # at the first so much is left that fits, unless one sentence each is too much
        found = left(CUTOFFS[fits])
        if size(task, found) > budget:
            return nearest(task, found, budget)
        while over - fits > 1:
            middle = (fits + over) // 2
            made = left(CUTOFFS[middle])
            if size(task, made) <= budget:
                fits, found = middle, made
            else:
                over = middle
        return found

    return run


def nearest(task: Task, found: Left, budget: int) -> Left:
    """The passages nearest to the question, as many as fit together."""
    kept: Left = {}
    for n in sorted(found, key=lambda n: -task.hits[n].dense_score):
        if size(task, kept | {n: found[n]}) > budget:
            break
        kept[n] = found[n]
    return kept


def request(task: Task) -> dict[str, object]:
    """A task with its sentences and their vectors."""
    assert task.vector is not None
    return {
        "question": task.question,
        "vector": encoded(task.vector),
        "passages": [
            {
                "text": hit.text,
                "sentences": [hit.text[start:end] for start, end in hit.sentences],
                "vectors": encoded(np.asarray(hit.sentence_vectors)),
            }
            for hit in task.hits
        ],
    }


def joined(task: Task, places: list[tuple[int, int]]) -> Left:
    """Those sentences by passage, in the order of the text."""
    found: Left = {}
    for n, index in sorted(places):
        start, end = task.hits[n].sentences[index]
        sentence = task.hits[n].text[start:end]
        found[n] = f"{found[n]}\n{sentence}" if n in found else sentence
    return found


def size(task: Task, found: Left) -> int:
    """Tokens of the page, each block under the header that ours has."""
    return default_counter().count(page(replace(task.hits[n], text=text) for n, text in found.items()))


def page(hits: Iterable[Hit]) -> str:
    """Passages written whole, each under its mark and title."""
    return "\n".join(f"[{n}] {hit.title}\n{hit.text}" for n, hit in enumerate(hits, start=1))


def encoded(vectors: NDArray[np.generic]) -> str:
    return base64.b64encode(vectors.astype(np.float32).tobytes()).decode()
