"""How well chunkers serve retrieval: the characters that answer a question, among those retrieved.

    python -m benchmarks.chunking --data FOLDER [--database local|testcontainers|DSN]
                                  [--chunkers NAME ...] [--out results.json]

chunking_evaluation: three corpora in one collection, 229 questions with their exact excerpts. Each
chunker's chunks are ingested into a real database and searched by words (BM25), by vectors (MiniLM),
by both, and by both with the diet's trimming: of the 20 best chunks the runs that ``diet.trim`` keeps.

Recall, precision and IoU (percent, mean and deviation over the questions) are of the first five
passages, chunks or runs. Recall at 500 and 1,000 tokens is of the passages in their order up to so many
cl100k tokens; the last one is cut off there. Precision omega is of the chunking alone: the best
precision at full recall. All as benchmarks.chunk_metrics says; the documents' titles, which are file
names, are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.chunk_metrics import Range, intersection_over_union, precision, precision_omega, recall, within
from benchmarks.chunk_peers import Entry, cl100k, entries
from benchmarks.database import add_argument, database
from benchmarks.datasets import data_folder, read_lines
from benchmarks.machine import machine
from ragdiet import RAG, Document, HybridRetriever, MiniLM, Quality
from ragdiet.diet import trim
from ragdiet.protocols import Chunker
from ragdiet.types import Hits

SET = "chunking_evaluation"
TOP = 5
HITS = 20
BUDGETS = (500, 1_000)
SEARCHES = ("keyword", "dense", "hybrid", "trimmed")
# The report's best recall and best IoU with MiniLM, over its five corpora: three of them are measured here.
PUBLISHED: tuple[dict[str, Any], ...] = (
    {
        "chunker": "published: TokenText 250/125",
        "search": "dense",
        "recall": 82.4,
        "precision": 3.6,
        "omega": 11.4,
        "iou": 3.5,
    },
    {
        "chunker": "published: Cluster 200/0",
        "search": "dense",
        "recall": 75.2,
        "precision": 7.2,
        "omega": 33.6,
        "iou": 7.2,
    },
)


@dataclass(frozen=True, kw_only=True)
class Task:
    question: str
    wanted: tuple[Range, ...]
    vector: NDArray[np.float32]


Search = Callable[[Task], list[Range]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    add_argument(parser)
    parser.add_argument("--chunkers", nargs="+", choices=[entry.name for entry in entries()], help="all unless named")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    folder = data_folder(arguments.data) / SET
    if not folder.is_dir():
        sys.exit(f"DATASET ABSENT: no {SET} in {folder.parent}: nothing was measured or written.")
    documents = [Document(row["id"], row["text"]) for row in read_lines(folder / "corpus.jsonl.gz")]
    tasks = load_tasks(folder)
    rows: list[dict[str, Any]] = []
    with database(arguments.database) as dsn:
        for entry in entries():
            if not arguments.chunkers or entry.name in arguments.chunkers:
                rows += measure(entry, documents, tasks, dsn)
                print_rows(rows[-len(SEARCHES) :])
    print_rows(PUBLISHED)
    if arguments.out:
        result = {"machine": machine(), "published": PUBLISHED, "summary": rows}
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def load_tasks(folder: Path) -> list[Task]:
    rows = list(read_lines(folder / "queries.jsonl"))
    vectors = MiniLM().embed([row["text"] for row in rows], kind="query").vectors
    return [
        Task(
            question=row["text"],
            wanted=tuple((row["corpus"], one["start"], one["end"]) for one in row["references"]),
            vector=vector,
        )
        for row, vector in zip(rows, vectors, strict=True)
    ]


def measure(entry: Entry, documents: Sequence[Document], tasks: Sequence[Task], dsn: str) -> list[dict[str, Any]]:
    """A row for each way of searching one chunker's chunks."""
    chunker = entry.make()
    chunks = [(document.id, chunk) for document in documents for chunk in chunker.chunk(document)]
    ranges = [(document, chunk.start, chunk.end) for document, chunk in chunks]
    texts = {document.id: document.text for document in documents}
    described = {
        "chunker": entry.name,
        "chunks": len(chunks),
        "tokens": round(fmean(chunk.tokens for _, chunk in chunks), 1),
    }
    omega = [100 * precision_omega(task.wanted, ranges) for task in tasks]
    with opened(chunker, dsn) as rag:
        rag.ingest(documents, collection=entry.name)
        return [
            described | {"search": name} | scores(tasks, searched(rag, entry.name, name), texts, omega)
            for name in SEARCHES
        ]


def opened(chunker: Chunker, dsn: str) -> RAG:
    rag = RAG.connect(dsn, chunker=chunker, quality=Quality.off())
    rag.migrate()
    return rag


def searched(rag: RAG, collection: str, name: str) -> Search:
    retriever = HybridRetriever(rag.store, rag.space, keyword=name != "dense", dense=name != "keyword")

    def found(task: Task) -> list[Range]:
        hits = retriever.retrieve(task.question, task.vector, k=HITS, collection=collection)
        return list(runs(task, hits) if name == "trimmed" else ((h.document_id, h.start, h.end) for h in hits))

    return found


def runs(task: Task, hits: Hits) -> Iterator[Range]:
    for run in trim(task.question, hits, task.vector):
        yield run.hit.document_id, run.hit.start + run.start, run.hit.start + run.end


def scores(tasks: Sequence[Task], search: Search, texts: dict[str, str], omega: Sequence[float]) -> dict[str, Any]:
    found = [search(task) for task in tasks]
    pairs = [(task.wanted, ranges[:TOP]) for task, ranges in zip(tasks, found, strict=True)]
    recalls = [100 * recall(*pair) for pair in pairs]
    row: dict[str, Any] = {}
    for name, values in {
        "recall": recalls,
        "precision": [100 * precision(*pair) for pair in pairs],
        "omega": omega,
        "iou": [100 * intersection_over_union(*pair) for pair in pairs],
    }.items():
        row |= {name: round(fmean(values), 1), f"{name}_deviation": round(pstdev(values), 1)}
    for tokens in BUDGETS:
        contexts = [within(ranges, tokens, cutter(texts)) for ranges in found]
        row[f"recall@{tokens}"] = round(
            fmean(100 * recall(task.wanted, context) for task, context in zip(tasks, contexts, strict=True)), 1
        )
    # Every other question: what a choice made on one half is worth on the other.
    row["recall_halves"] = [round(fmean(recalls[half::2]), 1) for half in (0, 1)]
    row["recall_by_corpus"] = {
        corpus: round(
            fmean(value for task, value in zip(tasks, recalls, strict=True) if task.wanted[0][0] == corpus), 1
        )
        for corpus in texts
    }
    return row


def cutter(texts: dict[str, str]) -> Callable[[Range, int], tuple[Range, int]]:
    """The beginning of a range with at most so many tokens, and their number."""
    encoding = cl100k()

    def cut(one: Range, most: int) -> tuple[Range, int]:
        document, start, end = one
        tokens = encoding.encode_ordinary(texts[document][start:end])
        if len(tokens) <= most:
            return one, len(tokens)
        return (document, start, start + len(encoding.decode(tokens[:most], errors="ignore"))), most

    return cut


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    print(f"{'chunker':28} {'search':8} recall  IoU  prec. omega  @500 @1000")
    for row in rows:
        numbers = (row.get(name) for name in ("recall", "iou", "precision", "omega", "recall@500", "recall@1000"))
        print(
            f"{row['chunker']:28} {row['search']:8}"
            + "".join(f" {'-' if number is None else f'{number:.1f}':>5}" for number in numbers),
            flush=True,
        )


if __name__ == "__main__":
    main()
