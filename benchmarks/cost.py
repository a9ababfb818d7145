"""What a question costs for the same answers: our whole pipeline beside other systems' defaults.

    python -m benchmarks.cost --data FOLDER --peers PYTHON [--database local|testcontainers|DSN] [--questions N]
                              [--out results.json]

The passages of one title are joined into one document, so that there is something to chunk: SQuAD's are 8 articles of
24 to 49 paragraphs; three quarters of NQ's titles have a single passage of 100 words, of which no chunker makes more.

All embed with MiniLM, long texts in windows; the peers bring the nearest chunks, as they do by default. LangChain's
tutorial: 4 chunks of 1,000 characters, overlap 200. LlamaIndex: 2 of 1,024 tokens, overlap 200. Bedrock Knowledge
Bases: 5 of 300 tokens, overlap 20%. Ours: ingest, retrieve and diet as an ask does, at the smallest of a sweep of
budgets with which at least as many answers survive. A context that its budget is too small for gets what
BudgetTooSmall asks for.

An answer survives when one of its forms, normalised as SQuAD does, stands in what was retrieved of its gold passage;
the same words elsewhere do not count, and questions whose gold passage lacks them are left out.

Tokens are cl100k's. Context tokens are those of the retrieved text: ours with its marks and titles, the peers'
without any. Prompt tokens are ours of the whole real prompt; the peers' of context and question, and 60 of
instructions for each, a round number: LlamaIndex's default prompt has 28, or 100 for chat models. Nothing hangs on it
in the shares of context tokens. USD are for the prompts of 1,000 questions, nothing cached; replies cost all alike.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.chunk_peers import located
from benchmarks.cost_passages import Asked, joined, survives
from benchmarks.database import add_argument, databases, told
from benchmarks.datasets import data_folder
from benchmarks.machine import machine
from benchmarks.peers import runner
from benchmarks.report import Row, shown
from ragdiet import RAG, Document, FixedChunker, Hit, MiniLM, PriceBook, Quality
from ragdiet.account import PriceRow
from ragdiet.errors import BudgetTooSmall
from ragdiet.generate.length import answer_length
from ragdiet.generate.prompt import SYSTEM, user_message
from ragdiet.tokens import default_counter
from ragdiet.types import Context, Prompt, Span, Usage

SETS = ("squad_v2", "nq_lost_in_the_middle")
BUDGETS = (40, 60, 80, 100, 120, 140, 160, 180, 200, 250, 300, 350, 400, 500, 600, 800, 1_000, 1_500, 2_000)
GOAL = 0.2
OVERHEAD = 60
"""Tokens of instructions that a peer's prompt is charged with beside its context and the question."""
MODELS = {
    "Nova Lite": "us.amazon.nova-lite-v1:0",
    "Haiku 4.5": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "Sonnet 4.5": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A system's defaults: how a text is cut, and how many pieces go into the prompt."""

    name: str
    cut: Callable[[str], Iterable[Span]]
    k: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--peers", default=sys.executable, help="a Python with benchmarks/peers/requirements-diet.txt")
    parser.add_argument("--questions", type=int, default=300, help="at most so many of each set, spread over it")
    add_argument(parser)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    folder = data_folder(arguments.data)
    summary: dict[str, Row] = {}
    with (
        runner.answering(arguments.peers, "splitters") as splitters,
        databases(arguments.database) as given,
        given.fresh() as dsn,
        RAG.connect(dsn, quality=Quality.off()) as rag,
    ):
        rag.migrate()
        for name in SETS:
            documents, questions = joined(folder / name, arguments.questions)
            peers = [measured(peer, documents, questions) for peer in systems(splitters)]
            own = ours(rag, name, documents, questions, enough=max(row["retention"] for row in peers))
            summary[name] = {
                "documents": len(documents),
                "questions": len(questions),
                **verdict(peers, own),
                "rows": [*peers, *own],
            }
            print(f"\n{name}\n{shown(summary[name])}", flush=True)
    if arguments.out:
        result = {
            "machine": machine(),
            "database": told(arguments.database),
            "instruction_tokens": {"ours": default_counter().count(SYSTEM), "each peer's": OVERHEAD},
            "summary": summary,
        }
        arguments.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")


def systems(splitters: runner.Answering) -> list[Peer]:
    def pieces(splitter: str) -> Callable[[str], Iterable[Span]]:
        return lambda text: located(text, splitters.ask({"splitter": splitter, "text": text})["pieces"])

    fixed = FixedChunker(300, 60)
    return [
        Peer(name="LangChain, 4 of 1,000 characters", cut=pieces("langchain"), k=4),
        Peer(name="LlamaIndex, 2 of 1,024 tokens", cut=pieces("llama_index"), k=2),
        Peer(
            name="Knowledge Bases, 5 of 300 tokens",
            cut=lambda text: [(chunk.start, chunk.end) for chunk in fixed.chunk(Document("", text))],
            k=5,
        ),
    ]


def measured(peer: Peer, documents: Sequence[Document], questions: Sequence[Asked]) -> Row:
    """A peer's row: exact search over its chunks' vectors."""
    text_of = {document.id: document.text for document in documents}
    chunks = [(document.id, *span) for document in documents for span in peer.cut(document.text)]
    texts = [text_of[document][start:end] for document, start, end in chunks]
    embedder = MiniLM()
    vectors = embedder.embed(texts, kind="document").vectors
    asked = embedder.embed([one.question for one in questions], kind="query").vectors
    count = default_counter().count
    kept, context_tokens, prompt_tokens = [], [], []
    for one, vector in zip(questions, asked, strict=True):
        nearest = np.argsort(-(vectors @ vector), kind="stable")[: peer.k].tolist()
        context = "\n\n".join(texts[place] for place in nearest)
        kept.append(survives(one, text_of, [chunks[place] for place in nearest]))
        context_tokens.append(count(context))
        prompt_tokens.append(OVERHEAD + count(f"{context}\n{one.question}"))
    return figures(peer.name, kept, context_tokens, prompt_tokens)


def ours(
    rag: RAG, collection: str, documents: list[Document], questions: Sequence[Asked], *, enough: float
) -> list[Row]:
    """A row a budget, from the smallest up to the first whose retention is ``enough``."""
    rag.ingest(documents, collection=collection)
    text_of = {document.id: document.text for document in documents}
    hits = [rag.retrieve(one.question, collection=collection) for one in questions]
    return list(sweep(lambda budget: dieted(rag, budget, text_of, questions, hits), BUDGETS, enough))


def sweep(row_of: Callable[[int], Row], budgets: Iterable[int], enough: float) -> Iterator[Row]:
    """Rows of ever larger budgets, down to the first that keeps ``enough`` answers, percent."""
    for budget in budgets:
        row = row_of(budget)
        yield row
        if row["retention"] >= enough:
            return


def dieted(
    rag: RAG, budget: int, text_of: Mapping[str, str], questions: Sequence[Asked], hits: Sequence[Sequence[Hit]]
) -> Row:
    count = default_counter().count
    kept, context_tokens, prompt_tokens = [], [], []
    for one, found in zip(questions, hits, strict=True):
        context = fitted(rag, one.question, found, budget)
        ranges = [(sentence.document_id, sentence.start, sentence.end) for sentence in context.kept]
        kept.append(survives(one, text_of, ranges))
        context_tokens.append(context.tokens)
        asked = Prompt(system=SYSTEM, question=one.question, context=context, length=answer_length(one.question).ask)
        prompt_tokens.append(count(asked.system) + count(user_message(asked)))
    return {"budget": budget, **figures(f"ragdiet, {budget} tokens", kept, context_tokens, prompt_tokens)}


def fitted(rag: RAG, question: str, hits: Sequence[Hit], budget: int) -> Context:
    try:
        return rag.compress(question, hits, budget)
    except BudgetTooSmall as error:
        return rag.compress(question, hits, error.smallest)


def figures(system: str, kept: Sequence[bool], context: Sequence[int], prompt: Sequence[int]) -> Row:
    """Percent of the answers kept, mean tokens a question, and USD for the prompts of 1,000 questions."""
    book = PriceBook.default()
    return {
        "system": system,
        "retention": round(100 * fmean(kept), 1),
        "context_tokens": round(fmean(context), 1),
        "prompt_tokens": round(fmean(prompt), 1),
        **{f"usd_{name}": f"{_thousand(book.price(model), prompt):.4f}" for name, model in MODELS.items()},
    }


def _thousand(price: PriceRow, prompt: Sequence[int]) -> Decimal:
    """USD for 1,000 such prompts, each priced alone: some models' rates rise with the length of one."""
    return 1_000 * sum((price.cost(Usage(input_tokens=tokens)) for tokens in prompt), Decimal(0)) / len(prompt)


def verdict(peers: Sequence[Row], own: Sequence[Row]) -> Row:
    """Each peer, our smallest budget that keeps at least as many answers, and its share of the peer's tokens.

    ``goal``: the share of the tokens of the cheapest peer that ours may have. Ours and the share are None where no
    budget keeps as many.
    """
    rows = []
    for peer in peers:
        enough = next((row for row in own if row["retention"] >= peer["retention"]), None)
        row = dict(peer)
        for name in peer:
            row["ours" if name == "system" else f"our_{name}"] = enough and enough[name]
        for kind in ("context_tokens", "prompt_tokens"):
            row[f"share_of_{kind}"] = enough and round(enough[kind] / peer[kind], 3)
        rows.append(row)
    cheapest = min(range(len(peers)), key=lambda n: peers[n]["prompt_tokens"])
    shares: dict[str, Any] = {kind: rows[cheapest][f"share_of_{kind}"] for kind in ("context_tokens", "prompt_tokens")}
    met = {f"met_by_{kind}": share is not None and share <= GOAL for kind, share in shares.items()}
    return {"cheapest_peer": peers[cheapest]["system"], "goal": GOAL, **met, "at_equal_retention": rows}


if __name__ == "__main__":
    main()
