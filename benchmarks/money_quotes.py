"""Quotes beside what the asks then cost.

    python -m benchmarks.money_quotes --data FOLDER [--database local] [--out quotes.json]

Questions of SQuAD 2 with and without an answer, put to a part of its corpus, and answered by two models of the Bedrock
stand-in at Bedrock's prices: they copy sentences of the sources, one or several, or say that the answer is not there,
and count tokens as we do not. Each question is quoted and then asked, with no ask of the collection seen before, and
with 50 and 500. ``inside`` is the share of asks whose cost lay from ``least`` to ``most``; ``bias`` is what was
expected over what was paid, less 1; ``width`` is the mean of most less least, over the mean cost.
"""

from __future__ import annotations

import argparse
import json
import random
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import mean

from benchmarks import database
from benchmarks.bedrock_pieces import CHAT, REGION, credentials, given, stand_in
from benchmarks.datasets import data_folder, read_lines
from benchmarks.machine import machine
from benchmarks.report import Row, shown
from ragdiet import RAG, Document, Quote
from ragdiet.account import PostgresLedger
from ragdiet.bedrock import BedrockClient
from ragdiet.embed import MiniLM
from ragdiet.generate import ConverseGenerator
from ragdiet.store import Database
from ragdiet.testing.bedrock import ChatModel, Tokenizer
from ragdiet.testing.bedrock.models.extract import REFUSAL, extract

SECOND = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
_SET = "squad_v2"
_DOCUMENTS = 120
_FRESH = (2, 40)
"""Tenants without history, and the questions that each of them asks: fewer than teach a model's ratio of tokens."""
_SOME, _MANY, _ASKED = 50, 500, 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--out", type=Path)
    database.add_argument(parser)
    arguments = parser.parse_args()
    summary = quotes(data_folder(arguments.data), arguments.database)
    print(shown(summary))
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(), "summary": summary}, indent=1) + "\n")


def quotes(data: Path, where: str = "local") -> Row:
    """How often the truth lay inside of what was quoted, by how many asks had been seen."""
    documents = [
        Document(row["id"], row["text"], row["title"])
        for row in islice(read_lines(data / _SET / "corpus.jsonl.gz"), _DOCUMENTS)
    ]
    articles = {document.id.rpartition("-")[0] for document in documents}
    questions = [row["text"] for row in read_lines(data / _SET / "queries.jsonl") if row["article"] in articles]
    random.Random(0).shuffle(questions)
    left = iter(questions)
    chat = {CHAT: _played(1.3, 3), SECOND: _played(1.55, 5)}
    with (
        stand_in(chat=chat, keep_requests=False) as server,
        credentials(server),
        database.databases(where) as databases,
        databases.fresh(MiniLM().space) as dsn,
        closing(BedrockClient(REGION, endpoint_url=server.url)) as client,
        closing(Database(dsn)) as store,
    ):
        ledger = PostgresLedger(store)
        models = [ConverseGenerator(model, **given(client, ledger)) for model in (CHAT, SECOND)]
        with RAG(store, embedder=MiniLM(), models=models, ledger=ledger) as rag:
            tenants, each = _FRESH
            fresh: list[tuple[Quote, Decimal]] = []
            for number in range(tenants):
                rag.ingest(documents, tenant=f"t{number}")
                fresh += _all_quoted_first(rag, list(islice(left, each)), f"t{number}")
            ask = partial(rag.ask, tenant="t0")
            for question in islice(left, _SOME - each):
                ask(question)
            some = list(_quoted_and_asked(rag, islice(left, _ASKED), "t0"))
            for question in islice(left, _MANY - _SOME - _ASKED):
                ask(question)
            many = list(_quoted_and_asked(rag, islice(left, _ASKED), "t0"))
    return {
        "documents": _DOCUMENTS,
        "asks": [
            {"seen before": name, **_measured(pairs)}
            for name, pairs in (("none", fresh), (f"{_SOME} to {_SOME + _ASKED}", some), (f"{_MANY} and more", many))
        ],
    }


def _all_quoted_first(rag: RAG, questions: Sequence[str], tenant: str) -> list[tuple[Quote, Decimal]]:
    quoted = [rag.quote(question, tenant=tenant) for question in questions]
    return [(quote, rag.ask(question, tenant=tenant).cost) for quote, question in zip(quoted, questions, strict=True)]


def _quoted_and_asked(rag: RAG, questions: Iterator[str], tenant: str) -> Iterator[tuple[Quote, Decimal]]:
    for question in questions:
        yield rag.quote(question, tenant=tenant), rag.ask(question, tenant=tenant).cost


def _measured(pairs: Sequence[tuple[Quote, Decimal]]) -> Row:
    paid = mean(float(cost) for _, cost in pairs)
    return {
        "asks": len(pairs),
        "free": sum(cost == 0 for _, cost in pairs),
        "inside": round(mean(quote.least <= cost <= quote.most for quote, cost in pairs), 3),
        "below": sum(cost < quote.least for quote, cost in pairs),
        "above": sum(cost > quote.most for quote, cost in pairs),
        "over the worst": sum(cost > (quote.worst or 0) for quote, cost in pairs),
        "usd a thousand": round(1000 * paid, 4),
        "bias": round(mean(float(quote.expected) for quote, _ in pairs) / paid - 1, 3),
        "width": round(mean(float(quote.most - quote.least) for quote, _ in pairs) / paid, 2),
        "worst case over it": round(mean(float(quote.worst or 0) for quote, _ in pairs) / paid, 1),
    }


def _played(ratio: float, most: int) -> ChatModel:
    return ChatModel(reply=partial(_said, most=most), tokenizer=Tokenizer(ratio))


def _said(message: str, most: int) -> str:
    """The refusal for one prompt in seven, else the best sentence, and the next best up to ``most``; the same for the
    same prompt."""
    dice = random.Random(zlib.crc32(f"{most} {message}".encode()))
    if dice.random() < 1 / 7:
        return REFUSAL
    said: list[str] = []
    for _ in range(dice.randint(1, most)):
        sentence = extract(message)
        if sentence == REFUSAL:
            break
        said.append(sentence)
        message = message.replace(sentence.rpartition(" [")[0], "")
    return " ".join(said) or REFUSAL


if __name__ == "__main__":
    main()
