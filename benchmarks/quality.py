"""Ranking quality through the public API, beside known systems on the same sets.

    python -m benchmarks.quality --data FOLDER [--database local|testcontainers|DSN]
                                 [--sets NAME ...] [--dense-weight SHARE] [--question-words] [--out results.json]

Documents are indexed whole, as title and text, and each question with judgements is asked of the
keyword leg, the dense leg (MiniLM int8) and both fused. The peers' figures are those published with
the sets: BM25 by the bm25s library, MiniLM by cosine, and both by reciprocal rank fusion (k = 60).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.database import add_argument, database
from benchmarks.datasets import data_folder, judgements, read_lines
from benchmarks.machine import machine
from benchmarks.metrics import ndcg, recall, reciprocal_rank
from ragdiet import RAG, Document, HybridRetriever, MiniLM, Quality, RecursiveChunker

# nDCG@10, recall@10, MRR@10 of the peers, from the BASELINES.md that comes with the sets.
PEERS = {
    "squad_v2": {"keyword": (0.873, 0.953, 0.848), "dense": (0.787, 0.933, 0.741), "hybrid": (0.868, 0.974, 0.834)},
    "cranfield": {"keyword": (0.373, 0.400, 0.531), "dense": (0.381, 0.418, 0.536), "hybrid": (0.418, 0.454, 0.574)},
    "cacm": {"keyword": (0.494, 0.336, 0.747), "dense": (0.408, 0.263, 0.607), "hybrid": (0.539, 0.348, 0.777)},
    "nq_lost_in_the_middle": {
        "keyword": (0.777, 0.898, 0.739),
        "dense": (0.876, 0.959, 0.850),
        "hybrid": (0.848, 0.946, 0.817),
    },
}
PEER_NAMES = {"keyword": "bm25s", "dense": "MiniLM-int8", "hybrid": "RRF60"}
WHOLE = 100_000


@dataclass(frozen=True, slots=True)
class Variant:
    """A way of searching: arguments of HybridRetriever, and which of the peers it stands beside."""

    name: str
    peer: str
    retriever: Mapping[str, Any] = field(default_factory=dict)


# The peer's keyword search knows no question words; the hybrid is measured as it ships, without them.
LEGS = (
    Variant("keyword", "keyword", {"dense": False, "question_words": True}),
    Variant("dense", "dense", {"keyword": False}),
    Variant("hybrid", "hybrid"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    add_argument(parser)
    parser.add_argument("--sets", nargs="+", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--dense-weight", type=float, help="the hybrid's, instead of the one it ships with")
    parser.add_argument("--question-words", action="store_true", help="the hybrid keeps them as keyword terms")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    folder = data_folder(arguments.data)
    asked: dict[str, Any] = {"question_words": arguments.question_words}
    if arguments.dense_weight is not None:
        asked["dense_weight"] = arguments.dense_weight
    variants = [*LEGS[:-1], Variant("hybrid", "hybrid", asked)]
    with database(arguments.database) as dsn, opened(dsn) as rag:
        rows = [row for name in arguments.sets for row in measure(rag, folder / name, variants)]
    print_table(rows)
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(), "summary": rows}, indent=1) + "\n")


def opened(dsn: str, *, late_interaction: bool = False) -> RAG:
    """Documents whole, and all of them: judged by document, a copy that was kept out would count as not found."""
    pieces = {"chunker": RecursiveChunker(size=WHOLE), "quality": Quality.off(), "late_interaction": late_interaction}
    rag = RAG.connect(dsn, **pieces)
    rag.migrate()
    return rag


def measure(rag: RAG, folder: Path, variants: Sequence[Variant]) -> list[dict[str, Any]]:
    """A row for each way of searching one set."""
    name = folder.name
    report = rag.ingest(documents(folder), collection=name)
    print(f"{name}: {report.added + report.unchanged:,} documents in {report.seconds:.0f} s", flush=True)
    grades = judgements(folder)
    questions = [row for row in read_lines(folder / "queries.jsonl") if row["id"] in grades]
    embedder = MiniLM()
    vectors = embedder.embed([row["text"] for row in questions], kind="query").vectors
    rows = []
    for variant in variants:
        retriever = HybridRetriever(rag.store, rag.space, **variant.retriever)
        found = [
            [hit.document_id for hit in retriever.retrieve(row["text"], vector, k=10, collection=name)]
            for row, vector in zip(questions, vectors, strict=True)
        ]
        judged = [(ranked, grades[row["id"]]) for ranked, row in zip(found, questions, strict=True)]
        scores = [fmean(metric(*pair) for pair in judged) for metric in (ndcg, recall, reciprocal_rank)]
        rows.append(
            {
                "set": name,
                "questions": len(questions),
                "leg": variant.name,
                **dict(zip(("ndcg@10", "recall@10", "mrr@10"), (round(score, 4) for score in scores), strict=True)),
                "peer": PEER_NAMES[variant.peer],
                **dict(zip(("peer_ndcg@10", "peer_recall@10", "peer_mrr@10"), PEERS[name][variant.peer], strict=True)),
            }
        )
    return rows


def documents(folder: Path) -> Iterable[Document]:
    """The documents of a set, title and text in one; those without any text are left out."""
    for row in read_lines(folder / "corpus.jsonl.gz"):
        if text := f"{row['title']} {row['text']}".strip():
            yield Document(row["id"], text)


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    header = f"{'set':22} {'leg':8} {'nDCG@10':>8} {'recall@10':>10} {'MRR@10':>8}   peer"
    print(header)
    for row in rows:
        print(
            f"{row['set']:22} {row['leg']:8} {row['ndcg@10']:8.3f} {row['recall@10']:10.3f} {row['mrr@10']:8.3f}   "
            f"{row['peer']} {row['peer_ndcg@10']:.3f} {row['peer_recall@10']:.3f} {row['peer_mrr@10']:.3f}"
        )


if __name__ == "__main__":
    main()
