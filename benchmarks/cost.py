"""What a question costs for the same answers: our whole pipeline beside other systems' defaults.

    python -m benchmarks.cost --data FOLDER --peers PYTHON [--database local|testcontainers|DSN] [--questions N]
                              [--out results.json]

The passages of one title are joined into one document, so that there is something to chunk. All embed with MiniLM;
the peers search as they do by default, the k nearest chunks. LangChain: 4 chunks of 1,000 characters, overlap 200;
LlamaIndex: 2 of 1,024 tokens; Bedrock Knowledge Bases: 5 of 300 tokens, overlap 20%, cut at a fixed number of tokens.
An answer survives when one of its forms, normalised as SQuAD does, stands in what is retrieved of a gold document.
Ours: ingest, retrieve, diet, at the smallest of a sweep of budgets that keeps at least as many answers. Prompt tokens,
by cl100k: ours of the real system text and message; the peers' context and question, and 60 for instructions. USD
are for 1,000 questions' prompts; replies cost all alike.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.database import add_argument, database, told
from benchmarks.datasets import data_folder, judgements, read_lines
from benchmarks.diet import normal
from benchmarks.machine import machine
from benchmarks.peers import runner
from benchmarks.report import shown
from ragdiet import RAG, Document, FixedChunker, MiniLM, PriceBook, Quality
from ragdiet.errors import BudgetTooSmall
from ragdiet.generate.prompt import SYSTEM, user_message
from ragdiet.tokens import default_counter
from ragdiet.types import Prompt, Usage

SETS = ("squad_v2", "nq_lost_in_the_middle")
BUDGETS = (40, 60, 80, 100, 130, 160, 200, 250, 300, 400, 500, 600, 800, 1_000)
OVERHEAD = 60
MODELS = (
    "us.amazon.nova-lite-v1:0",
    "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
)
_HITS = 20


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question; ``gold`` are the documents that answer it."""

    question: str
    answers: tuple[str, ...]
    gold: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A system's defaults: how a text is cut, and how many pieces go into the prompt."""

    name: str
    pieces: Callable[[str], Sequence[str]]
    k: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--peers", required=True, help="a Python that has benchmarks/peers/requirements-diet.txt")
    parser.add_argument("--questions", type=int, default=300, help="at most so many of each set, spread over it")
    add_argument(parser)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    folder = data_folder(arguments.data)
    summary: dict[str, Any] = {"overhead_tokens_of_peers": OVERHEAD}
    with (
        runner.answering(arguments.peers, "splitters") as splitters,
        database(arguments.database) as dsn,
        RAG.connect(dsn, quality=Quality.off()) as rag,
    ):
        rag.migrate()
        for name in SETS:
            documents, questions = joined(folder / name, arguments.questions)
            rows = [measured(peer, documents, questions) for peer in systems(splitters)]
            rows += ours(rag, name, documents, questions, least=[row["retention"] for row in rows])
            summary[name] = {"documents": len(documents), "questions": len(questions), "rows": rows, **verdict(rows)}
            print(f"\n{name}\n{shown(summary[name])}", flush=True)
    if arguments.out:
        result = {"machine": machine(), "database": told(arguments.database), "summary": summary}
        arguments.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")


def joined(folder: Path, limit: int) -> tuple[list[Document], list[Asked]]:
    """Documents of whole titles, and the questions whose answer stands in one of their gold documents."""
    texts: dict[str, list[str]] = defaultdict(list)
    title_of: dict[str, str] = {}
    for row in read_lines(folder / "corpus.jsonl.gz"):
        texts[row["title"]].append(row["text"])
        title_of[row["id"]] = row["title"]
    documents = [Document(title, "\n\n".join(parts), title=title) for title, parts in texts.items()]
    whole = {document.id: normal(document.text) for document in documents}
    grades = judgements(folder)
    asked = [
        Asked(
            question=row["text"],
            answers=tuple(row["answers"]),
            gold=frozenset(title_of[one] for one in grades[row["id"]]),
        )
        for row in read_lines(folder / "queries.jsonl")
        if row.get("answers") and row["id"] in grades
    ]
    asked = [one for one in asked if any(holds(whole[title], one.answers) for title in one.gold)]
    return documents, asked[:: max(1, len(asked) // limit)][:limit]


def holds(text: str, answers: Sequence[str]) -> bool:
    """Whether a form of the answer stands in a text that is normalised already."""
    return any(form.strip() and form in text for form in map(normal, answers))


def systems(splitters: runner.Answering) -> list[Peer]:
    def split(splitter: str) -> Callable[[str], Sequence[str]]:
        return lambda text: splitters.ask({"splitter": splitter, "text": text})["pieces"]

    fixed = FixedChunker(300, 60)
    return [
        Peer(name="LangChain 4 x 1,000 characters", pieces=split("langchain"), k=4),
        Peer(name="LlamaIndex 2 x 1,024 tokens", pieces=split("llama_index"), k=2),
        Peer(
            name="Bedrock Knowledge Bases 5 x 300 tokens",
            pieces=lambda text: [chunk.text for chunk in fixed.chunk(Document("d", text))],
            k=5,
        ),
    ]


def measured(peer: Peer, documents: Sequence[Document], questions: Sequence[Asked]) -> dict[str, Any]:
    """A peer's row: exact search over its chunks' vectors."""
    pieces = [(document.id, piece) for document in documents for piece in peer.pieces(document.text)]
    embedder = MiniLM()
    vectors = embedder.embed([text for _, text in pieces], kind="document").vectors
    asked = embedder.embed([one.question for one in questions], kind="query").vectors
    kept, tokens = [], []
    for one, vector in zip(questions, asked, strict=True):
        found = [pieces[place] for place in np.argsort(-(vectors @ vector), kind="stable")[: peer.k]]
        kept.append(any(title in one.gold and holds(normal(text), one.answers) for title, text in found))
        context = "\n\n".join(text for _, text in found)
        tokens.append(OVERHEAD + default_counter().count(f"{context}\n{one.question}"))
    return row(peer.name, kept, tokens)


def ours(
    rag: RAG, collection: str, documents: Sequence[Document], questions: Sequence[Asked], least: Sequence[float]
) -> list[dict[str, Any]]:
    """A row for each budget, up to the first that keeps as many answers as the best of ``least``."""
    rag.ingest(documents, collection=collection)
    hits = [rag.retrieve(one.question, _HITS, collection=collection) for one in questions]
    rows = []
    for budget in BUDGETS:
        kept, tokens = [], []
        for one, found in zip(questions, hits, strict=True):
            try:
                context = rag.compress(one.question, found, budget)
            except BudgetTooSmall as error:  # what a user would do: give what it says is needed
                context = rag.compress(one.question, found, error.smallest)
            blocks: dict[str, str] = {}
            for sentence in context.kept:
                blocks[sentence.document_id] = f"{blocks.get(sentence.document_id, '')}\n{sentence.text}"
            kept.append(any(holds(normal(blocks.get(title, "")), one.answers) for title in one.gold))
            message = user_message(Prompt(system=SYSTEM, question=one.question, context=context))
            tokens.append(default_counter().count(SYSTEM) + default_counter().count(message))
        rows.append(row(f"ragdiet, {budget} tokens", kept, tokens) | {"budget": budget})
        if rows[-1]["retention"] >= max(least):
            break
    return rows


def row(system: str, kept: Sequence[bool], tokens: Sequence[int]) -> dict[str, Any]:
    mean = fmean(tokens)
    prices = (PriceBook.default().price(model) for model in MODELS)
    usd = {price.model: f"{1_000 * price.cost(Usage(input_tokens=round(mean))):.4f}" for price in prices}
    return {"system": system, "retention": round(100 * fmean(kept), 1), "prompt_tokens": round(mean, 1), **usd}


def verdict(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For each peer our first budget that keeps at least as many answers, and its share of the peer's tokens."""
    own = [one for one in rows if "budget" in one]
    found = []
    for peer in (one for one in rows if "budget" not in one):
        enough = next((one for one in own if one["retention"] >= peer["retention"]), None)
        share = enough and round(enough["prompt_tokens"] / peer["prompt_tokens"], 3)
        found.append({"peer": peer["system"], "ours": enough and enough["system"], "share_of_tokens": share})
    return {"at_equal_retention": found}


if __name__ == "__main__":
    main()
