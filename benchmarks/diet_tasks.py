"""Questions with their contexts, the passages that hold the answer, and whether it survives in what is left of them.

Natural Questions: 20 passages, the gold one tenth. HotpotQA: about 10 paragraphs, two or more of them gold. SQuAD: the
20 best paragraphs by BM25. chunking_evaluation: the 20 best chunks of its three documents by BM25; its answers are
excerpts of several sentences, so there the share of their characters counts that is left in whole sentences. Where its
reports say a sentence twice, it may be left in either place: the diet writes what is repeated once.
"""

from __future__ import annotations

import re
import string
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import bm25s
import numpy as np
import Stemmer
from numpy.typing import NDArray

from benchmarks.datasets import read_lines
from ragdiet import RecursiveChunker
from ragdiet.embed import MiniLM
from ragdiet.sentences import split_sentences
from ragdiet.types import Document, Hit

GOLD_POSITION = 9
EXCERPTS = "chunking_evaluation"


@dataclass(frozen=True, kw_only=True)
class Task:
    """One question and its context. ``gold`` are positions in ``hits``; ``supporting`` are (position, sentence);
    ``excerpts`` are (position, sentence, start, end), the range of the document's characters that is answered there,
    where answers are no short phrases."""

    question: str
    answers: tuple[str, ...]
    hits: tuple[Hit, ...]
    gold: tuple[int, ...]
    supporting: tuple[tuple[int, str], ...] = ()
    excerpts: tuple[tuple[int, str, int, int], ...] = ()
    vector: NDArray[np.float32] | None = None


# What is left of the passages, by position: their blocks as they are written, without marks.
Left: TypeAlias = dict[int, str]
System: TypeAlias = Callable[["Task", int], "Left"]
"""Given a task and a budget, what is left."""


def natural_questions(folder: Path) -> Iterator[Task]:
    for row in read_lines(folder / "contexts20.jsonl.gz"):
        documents = list(row["docs"])
        documents.insert(GOLD_POSITION, documents.pop(row["gold_index"]))
        yield Task(
            question=row["question"],
            answers=tuple(row["answers"]),
            hits=tuple(as_hit(one["id"], one["title"], one["text"], n) for n, one in enumerate(documents)),
            gold=(GOLD_POSITION,),
        )


def hotpot(folder: Path) -> Iterator[Task]:
    for row in read_lines(folder / "contexts.jsonl.gz"):
        documents = {one["title"]: n for n, one in enumerate(row["docs"])}
        yield Task(
            question=row["question"],
            answers=tuple(row["answers"]),
            hits=tuple(
                as_hit(one["title"], one["title"], "".join(one["sentences"]), n) for n, one in enumerate(row["docs"])
            ),
            gold=tuple({documents[title]: None for title, _ in row["supporting_facts"]}),
            supporting=tuple(
                (documents[title], row["docs"][documents[title]]["sentences"][index])
                for title, index in row["supporting_facts"]
                if index < len(row["docs"][documents[title]]["sentences"])
            ),
        )


def squad(folder: Path) -> Iterator[Task]:
    documents = list(read_lines(folder / "corpus.jsonl.gz"))
    index = indexed([f"{one['title']} {one['text']}" for one in documents])
    for row in read_lines(folder / "queries.jsonl"):
        if not row["answerable"]:
            continue
        scores = index.get_scores(words(row["text"]))
        best = np.argsort(-scores, kind="stable")[:20].tolist()
        hits = [as_hit(documents[one]["id"], documents[one]["title"], documents[one]["text"], one) for one in best]
        yield Task(
            question=row["text"],
            answers=tuple(row["answers"]),
            hits=tuple(replace(hit, keyword_score=float(scores[hit.chunk_id])) for hit in hits),
            gold=tuple(n for n, hit in enumerate(hits) if hit.document_id == row["doc"]),
        )


def excerpts(folder: Path) -> Iterator[Task]:
    documents = [Document(row["id"], row["text"]) for row in read_lines(folder / "corpus.jsonl.gz")]
    chunker = RecursiveChunker()
    chunks = [(document.id, chunk) for document in documents for chunk in chunker.chunk(document)]
    index = indexed([chunk.text for _, chunk in chunks])
    for row in read_lines(folder / "queries.jsonl"):
        scores = index.get_scores(words(row["text"]))
        best = np.argsort(-scores, kind="stable")[:20].tolist()
        hits = tuple(
            replace(
                as_hit(chunks[one][0], "", chunks[one][1].text, one),
                start=chunks[one][1].start,
                end=chunks[one][1].end,
                keyword_score=float(scores[one]),
            )
            for one in best
        )
        wanted = [(row["corpus"], one["start"], one["end"]) for one in row["references"]]
        yield Task(question=row["text"], answers=(), hits=hits, gold=(), excerpts=tuple(answering(hits, wanted)))


def answering(hits: Sequence[Hit], wanted: Sequence[tuple[str, int, int]]) -> Iterator[tuple[int, str, int, int]]:
    """The sentences of the hits that hold a part of a range of their document, as in ``Task.excerpts``, and each once
    more for every other place of the document that says the same."""
    places: dict[tuple[str, str], list[int]] = {}
    for position, hit in enumerate(hits):
        for begin, end in hit.sentences:
            places.setdefault((hit.document_id, _said(hit.text[begin:end])), []).append(position)
    for hit in hits:
        for begin, end in hit.sentences:
            sentence = hit.text[begin:end]
            for document, start, stop in wanted:
                first, last = max(hit.start + begin, start), min(hit.start + end, stop)
                if document == hit.document_id and first < last:
                    for position in dict.fromkeys(places[document, _said(sentence)]):
                        yield position, sentence, first, last


def _said(sentence: str) -> str:
    return " ".join(sentence.split())


PHRASES: dict[str, Callable[[Path], Iterator[Task]]] = {
    "nq_lost_in_the_middle": natural_questions,
    "squad_v2": squad,
    "hotpotqa_distractor": hotpot,
}
"""How to read each set whose answers are short phrases."""
LOADERS = PHRASES | {EXCERPTS: excerpts}
"""How to read each set."""


def as_hit(document_id: str, title: str, text: str, number: int) -> Hit:
    return Hit(
        chunk_id=number,
        document_id=document_id,
        text=text,
        score=0.0,
        title=title,
        end=len(text),
        sentences=split_sentences(text),
    )


def thinned(tasks: Iterable[Task], limit: int | None) -> list[Task]:
    """Those whose whole context holds the answer, and those with supporting sentences."""
    kept = [task for task in tasks if task.supporting or task.excerpts or retained(task, whole(task))]
    return spread(kept, limit) if limit else kept


def spread(tasks: list[Task], limit: int) -> list[Task]:
    """At most ``limit`` of them, from the whole length of the list."""
    return tasks[:: max(1, len(tasks) // limit)][:limit]


def with_vectors(tasks: dict[str, list[Task]]) -> dict[str, list[Task]]:
    """The tasks with the vectors a store would bring; each passage and each question is embedded once."""
    embedder = MiniLM()
    all_tasks = [task for group in tasks.values() for task in group]
    passages = {(hit.title, hit.text): hit for task in all_tasks for hit in task.hits}
    began = time.perf_counter()
    texts = [f"{title}\n{text}" for title, text in passages]
    shifts = [len(title or "") + 1 for title, _ in passages]
    spans = [
        [(start + shift, end + shift) for start, end in hit.sentences]
        for hit, shift in zip(passages.values(), shifts, strict=True)
    ]
    embedding = embedder.embed_sentences(texts, spans)
    print(f"{len(texts):,} passages embedded in {time.perf_counter() - began:.0f} s", flush=True)
    stored = dict(zip(passages, zip(embedding.vectors, embedding.sentence_vectors, strict=True), strict=True))
    vectors = iter(embedder.embed([task.question for task in all_tasks], kind="query").vectors)

    def dressed(task: Task) -> Task:
        vector = next(vectors)
        hits = []
        for hit in task.hits:
            passage, sentences = stored[hit.title, hit.text]
            hits.append(
                replace(hit, dense_score=float(passage @ vector), sentence_vectors=sentences.astype(np.float16))
            )
        return replace(task, hits=tuple(hits), vector=vector)

    return {name: [dressed(task) for task in group] for name, group in tasks.items()}


def whole(task: Task) -> Left:
    return {n: hit.text for n, hit in enumerate(task.hits)}


def retained(task: Task, found: Left) -> float:
    """1 if a form of the answer stands in the block of a gold passage, as whole words, else 0. Of excerpts the share
    of the characters that the whole context has of them, by whole sentences; each counts once, wherever it is left."""
    blocks = {position: normal(text) for position, text in found.items()}
    if task.excerpts:
        there: set[int] = set()
        left: set[int] = set()
        for position, sentence, start, end in task.excerpts:
            there.update(range(start, end))
            if normal(sentence) in blocks.get(position, ""):
                left.update(range(start, end))
        return len(left) / len(there)
    forms = [form for form in map(normal, task.answers) if form.strip()]
    return float(any(form in blocks[n] for n in task.gold if n in blocks for form in forms))


def is_yes_or_no(task: Task) -> bool:
    return not task.excerpts and {normal(answer) for answer in task.answers} <= {" yes ", " no "}


def normal(text: str) -> str:
    """SQuAD's normalisation: small letters, no punctuation, no articles; a blank before and after."""
    plain = "".join(character for character in text.lower() if character not in string.punctuation)
    return f" {' '.join(_ARTICLE.sub(' ', plain).split())} "


_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_STEMMER = Stemmer.Stemmer("english")


def words(text: str) -> list[str]:
    found = bm25s.tokenize([text], stopwords="en", stemmer=_STEMMER, return_ids=False, show_progress=False)
    return list(found[0])


def indexed(texts: Sequence[str]) -> bm25s.BM25:
    index = bm25s.BM25()
    tokens = bm25s.tokenize(list(texts), stopwords="en", stemmer=_STEMMER, show_progress=False)
    index.index(tokens, show_progress=False)
    return index
