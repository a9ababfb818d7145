"""Other systems that shorten a context, beside ours, on the same passages, sentences and MiniLM vectors.

They run in the peers' Python, see benchmarks/peers/requirements-diet.txt, and are given every help: sentences are
ours; LangChain's filter gets the greatest k whose page fits; LlamaIndex's optimizer the greatest percentile whose page
fits, and where even one sentence a passage is too much, the passages nearest to the question that fit. Of
LongLLMLingua, which marks no sources, an answer anywhere in the text counts as in its gold passage.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
from numpy.typing import NDArray

from benchmarks.diet import Left, System, Task
from benchmarks.peers import runner
from benchmarks.peers.runner import Answering
from ragdiet.tokens import default_counter

CUTOFFS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1)


@contextmanager
def peers(python: str, *, with_llmlingua: bool = False) -> Iterator[dict[str, System]]:
    """The systems by name, for as long as the block lasts. LongLLMLingua takes seconds a prompt."""
    with ExitStack() as stack:

        def running(system: str) -> Answering:
            return stack.enter_context(runner.answering(python, system))

        systems = {
            "LangChain EmbeddingsFilter": by_filter(running("embeddings_filter")),
            "LlamaIndex optimizer": by_optimizer(running("sentence_optimizer")),
        }
        if with_llmlingua:
            systems["LongLLMLingua, SmolLM2-135M"] = by_llmlingua(running("long_llmlingua"))
        yield systems


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
        found: Left = {}
        for cutoff in CUTOFFS:
            texts = peer.ask(asked | {"cutoff": cutoff})["texts"]
            made = {n: text for n, text in enumerate(texts) if text}
            if not made:
                break
            found = made
            if size(task, made) <= budget:
                return made
        kept: Left = {}
        for n in sorted(found, key=lambda n: -task.hits[n].dense_score):
            if size(task, kept | {n: found[n]}) <= budget:
                kept[n] = found[n]
        return kept

    return run


def by_llmlingua(peer: Answering) -> System:
    def run(task: Task, budget: int) -> Left:
        return dict.fromkeys(task.gold, compressed(peer, task, budget))

    return run


def compressed(peer: Answering, task: Task, budget: int) -> str:
    """LongLLMLingua's text of about ``budget`` tokens by our counter: it aims at the same share of its own."""
    whole = size(task, {n: hit.text for n, hit in enumerate(task.hits)})
    passages = [{"title": hit.title, "text": hit.text} for hit in task.hits]
    text: str = peer.ask({"question": task.question, "passages": passages, "share": budget / whole})["text"]
    return text


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
    return default_counter().count("\n".join(f"[{n + 1}] {task.hits[n].title}\n{text}" for n, text in found.items()))


def encoded(vectors: NDArray[np.generic]) -> str:
    return base64.b64encode(vectors.astype(np.float32).tobytes()).decode()
