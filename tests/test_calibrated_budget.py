"""A model whose tokenizer is not ours, over real HTTP: budgets, quotes and worst cases hold in what it bills."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.bedrock_calibration import MODEL, OtherTokenizer, calibrated

from ragdiet import MemoryLedger, PriceBook
from ragdiet.account import Calibration, PostgresRatios
from ragdiet.account.ratio import ENOUGH
from ragdiet.bedrock import BedrockClient
from ragdiet.embed import TitanEmbedder
from ragdiet.generate import ConverseGenerator
from ragdiet.rag import RAG
from ragdiet.store import Database
from ragdiet.testing.bedrock import BedrockServer, ChatModel, Fault, TitanText, Tokenizer
from ragdiet.types import Document
from tests.embedders import WordEmbedder
from tests.stand_in import served

REGION = "us-east-1"
TITAN = "amazon.titan-embed-text-v2:0"
DOCS = Path(__file__).parents[1] / "docs"


def paragraphs() -> list[str]:
    text = "\n\n".join(path.read_text("utf-8") for path in sorted(DOCS.glob("*.md")))
    return [found for found in re.split(r"\n\s*\n", text) if len(found) > 200]


def test_of_five_hundred_prompts_after_fifty_none_is_billed_above_its_budget() -> None:
    texts = paragraphs()
    assert len(texts) > 50
    questions = []
    for n in range(ENOUGH + 500):
        passages = [Document(str(m), texts[(n * 7 + m * 3) % len(texts)]) for m in range(12)]
        questions.append((" ".join(passages[n % 12].text.split()[:9]), passages))
    found = calibrated(questions, budget=400)
    assert found["prompts"] == 500
    assert found["prompts_over"] == found["contexts_over"] == 0
    assert 1.1 < found["ratio"] < 1.45
    assert found["budget_used"] > 0.6


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[BedrockServer, BedrockClient]]:
    chat = {MODEL: ChatModel(tokenizer=OtherTokenizer())}  # type: ignore[arg-type]  # a tokenizer of one's own
    models = {TITAN: TitanText(tokenizer=Tokenizer(2.0))}
    with served(BedrockServer(region=REGION, chat=chat, models=models)) as running:
        yield running


def generator(client: BedrockClient, ledger: MemoryLedger, calibration: Calibration) -> ConverseGenerator:
    prices = PriceBook.default()
    return ConverseGenerator(MODEL, region=REGION, ledger=ledger, prices=prices, client=client, calibration=calibration)


def test_an_asks_context_is_held_to_what_the_model_bills(
    bedrock: BedrockServer, client: BedrockClient, database: Database
) -> None:
    """And what was learnt is there for the next process."""
    ledger = MemoryLedger()
    calibration = Calibration(PostgresRatios(database))
    model = generator(client, ledger, calibration)
    for _ in range(ENOUGH):
        model.billed.learn(1_000, 1_400)
    calibration.close()

    texts = paragraphs()[:40]
    again = Calibration(PostgresRatios(database))
    rag = RAG(
        database,
        embedder=WordEmbedder(),
        models=[generator(client, ledger, again)],
        ledger=ledger,
        clarify=False,
        research=False,
    )
    rag.ingest([Document(str(n), text) for n, text in enumerate(texts)])
    question = "What does the ledger write for each request before it is sent?"
    answer = rag.ask(question, budget=300)
    assert answer.context is not None
    assert OtherTokenizer().count(answer.context.text) <= 300
    assert answer.context.tokens <= 300 / 1.4
    quote = rag.quote(question, budget=300)
    (row,) = [row for row in ledger.calls if row.stage == "generate"]
    assert row.cost <= quote.most


def test_quotes_follow_what_was_learnt(bedrock: BedrockServer, client: BedrockClient) -> None:
    embedder = TitanEmbedder(region=REGION, ledger=MemoryLedger(), prices=PriceBook.default(), client=client)
    texts = ["the notice period is three months for permanent staff " * 8] * ENOUGH
    before = embedder.quote_texts(texts[:1])
    embedder.embed(texts, kind="document")
    after = embedder.quote_texts(texts[:1])
    assert before.expected * 17 / 10 < after.expected < before.expected * 23 / 10
    assert after.expected <= after.most < after.expected * 11 / 10


def test_an_estimate_is_nothing_to_learn_from(bedrock: BedrockServer, client: BedrockClient) -> None:
    embedder = TitanEmbedder(region=REGION, ledger=MemoryLedger(), prices=PriceBook.default(), client=client)
    bedrock.always(
        Fault(
            edit=lambda reply: {**reply, "inputTextTokenCount": None},
            headers={"x-amzn-bedrock-input-token-count": "many"},
        )
    )
    embedder.embed(["the notice period is three months for permanent staff " * 8], kind="document")
    assert embedder.billed.now.logs == ()
