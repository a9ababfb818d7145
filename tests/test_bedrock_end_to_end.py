"""RAG.connect against the Bedrock stand-in: documents in, an answer out, and both bills alike."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest

from ragdiet import PriceBook
from ragdiet.errors import BudgetTooSmall
from ragdiet.rag import RAG
from ragdiet.testing.bedrock import BedrockServer, Fault
from ragdiet.types import Document, Usage
from tests.stand_in import its_environment

CHEAP, DEAR = "us.amazon.nova-lite-v1:0", "us.amazon.nova-pro-v1:0"
DOCUMENTS = (
    Document(
        "leaving", "The notice period is three months for permanent staff. Laptops go back to Utrecht.", "Leaving"
    ),
    Document("travel", "Trains are booked through the travel desk. Hotel rooms may cost 140 euros.", "Travel"),
)
QUESTION = "How long is the notice period for permanent staff?"


@pytest.fixture
def bedrock() -> Iterator[BedrockServer]:
    with BedrockServer(region="us-east-1", chat=(CHEAP, DEAR)) as server, its_environment(server):
        yield server


@pytest.fixture
def connected(bedrock: BedrockServer, dsn: str) -> Iterator[RAG]:
    with RAG.connect(
        dsn,
        region="us-east-1",
        embedder="bedrock:amazon.titan-embed-text-v2:0",
        models=[f"bedrock:{CHEAP}", f"bedrock:{DEAR}"],
    ) as rag:
        rag.migrate()
        rag.ingest(DOCUMENTS)
        yield rag


def billed(bedrock: BedrockServer, *, since: int = 0) -> Decimal:
    return sum(
        (
            PriceBook.default()
            .price(call.model, "us-east-1")
            .cost(Usage(input_tokens=call.input_tokens, output_tokens=call.output_tokens))
            for call in bedrock.calls[since:]
        ),
        Decimal(0),
    )


def test_an_answer_costs_what_the_service_bills(connected: RAG, bedrock: BedrockServer, dsn: str) -> None:
    before = len(bedrock.calls)
    quote = connected.quote(QUESTION)
    answer = connected.ask(QUESTION)
    assert answer.outcome == "answered"
    assert "three months" in answer.text
    assert answer.citations[0].document_id == "leaving"
    asked = bedrock.calls[before:]
    assert [call.operation for call in asked] == ["InvokeModel", "Converse"]
    assert asked[1].request["requestMetadata"]["prompt_id"] == answer.prompt_id
    # The quote embedded the question, under a prompt_id of its own; the ask used that vector again.
    assert answer.cost == billed(bedrock, since=before + 1) > 0
    assert answer.cost < quote.most <= quote.worst
    assert quote.least < quote.expected  # of replies nothing is known yet, so this one may cost less than the least
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT sum(cost), count(*) FROM ragdiet.call WHERE cost > 0").fetchone()
    assert row == (billed(bedrock), len(bedrock.calls))


def test_ingest_is_billed_once(connected: RAG, bedrock: BedrockServer) -> None:
    assert len(bedrock.calls) == len(DOCUMENTS)
    assert sum((row.cost for row in connected.costs(by="stage")), Decimal(0)) == billed(bedrock) > 0
    again = connected.ingest(DOCUMENTS)
    assert (again.unchanged, again.cost, len(bedrock.calls)) == (2, 0, 2)


def test_a_model_without_access_hands_on_to_the_next(connected: RAG, bedrock: BedrockServer) -> None:
    connected.retrieve(QUESTION)
    bedrock.script(Fault(status=403, code="AccessDeniedException"))
    answer = connected.ask(QUESTION)
    assert [attempt.model for attempt in answer.attempts] == [None, CHEAP, DEAR]
    assert "AccessDenied" in answer.attempts[1].reason
    assert answer.outcome == "answered"


def test_no_model_at_all_is_a_failed_answer(connected: RAG, bedrock: BedrockServer) -> None:
    connected.retrieve(QUESTION)
    bedrock.script(*[Fault(status=400, code="ValidationException")] * 2)
    answer = connected.ask(QUESTION)
    assert answer.outcome == "failed"
    assert answer.cost == 0
    assert answer.citations[0].document_id == "leaving"


def test_max_cost_stops_before_the_call(connected: RAG, bedrock: BedrockServer) -> None:
    connected.retrieve(QUESTION)
    before = len(bedrock.calls)
    answer = connected.ask(QUESTION, max_cost="0.000001")
    assert answer.outcome == "abstained"
    assert len(bedrock.calls) == before


LONG = Document(
    "handbook",
    " ".join(f"The notice period of group {n} is {n} weeks for permanent staff of that group." for n in range(2, 60)),
    "Handbook",
)


def worst(rag: RAG, budget: int) -> Decimal:
    """The worst case of the cheap model alone, asked with so much context."""
    context = rag.compress(QUESTION, rag.retrieve(QUESTION), budget)
    model = rag._pieces["chain"].reads[0].model
    return model.quote(rag._asker._reading.prompt(QUESTION, context)).most


def test_max_cost_lowers_the_context_for_the_cheapest_model(connected: RAG, bedrock: BedrockServer) -> None:
    connected.ingest([LONG])
    fits = worst(connected, 300)
    assert worst(connected, 600) > fits
    before = len(bedrock.calls)
    answer = connected.ask(QUESTION, max_cost=fits)
    assert answer.context is not None
    assert 250 < answer.context.tokens <= 300
    assert answer.cost <= fits
    assert [call.model for call in bedrock.calls[before:]] == [CHEAP]
    free = connected.ask(QUESTION)
    assert free.context is not None
    assert free.context.tokens > 500


def test_money_for_less_than_the_smallest_context_is_not_spent(connected: RAG, bedrock: BedrockServer) -> None:
    connected.ingest([LONG])
    smallest = worst(connected, 300)
    for budget in range(10, 60):
        try:
            smallest = worst(connected, budget)
            break
        except BudgetTooSmall:
            continue
    before = len(bedrock.calls)
    poor = connected.ask(QUESTION, max_cost=smallest - Decimal("0.000001"))
    assert (poor.outcome, poor.cost, len(bedrock.calls)) == ("abstained", 0, before)
    assert "more than is allowed" in poor.text
    assert [attempt.reason.split()[:2] for attempt in poor.attempts if attempt.step == "read"] == [
        ["could", "cost"]
    ] * 2
    connected.ask(QUESTION, max_cost=smallest)
    assert [call.model for call in bedrock.calls[before:]] == [CHEAP]


@pytest.mark.parametrize(
    "model", ["cohere.embed-v4:0", "us.cohere.embed-v4:0", "amazon.nova-2-multimodal-embeddings-v1:0"]
)
def test_an_embedder_by_name(model: str, bedrock: BedrockServer, dsn: str) -> None:
    with RAG.connect(
        dsn,
        region="us-east-1",
        embedder=f"bedrock:{model}",
        models=[f"bedrock:{CHEAP}"],
        reranker="bedrock:amazon.rerank-v1:0",
    ) as rag:
        rag.migrate()
        report = rag.ingest(DOCUMENTS)
        answer = rag.ask(QUESTION)
        assert answer.outcome == "answered"
        costs = {row.key: row.cost for row in rag.costs(by="stage")}
        assert report.cost > 0
        assert costs["rerank"] == Decimal("0.001")
        assert costs["embed"] + costs["generate"] == billed_tokens(bedrock)


def billed_tokens(bedrock: BedrockServer) -> Decimal:
    return sum(
        (
            PriceBook.default()
            .price(call.model, "us-east-1")
            .cost(Usage(input_tokens=call.input_tokens, output_tokens=call.output_tokens))
            for call in bedrock.calls
            if call.operation != "Rerank"
        ),
        Decimal(0),
    )


def test_what_replies_teach_of_tokens_is_there_for_the_next_process(bedrock: BedrockServer, dsn: str) -> None:
    model = f"bedrock:{CHEAP}"
    with RAG.connect(dsn, region="us-east-1", embedder="bedrock:amazon.titan-embed-text-v2:0", models=[model]) as rag:
        rag.migrate()
        rag.ingest(DOCUMENTS)
        rag.ask(QUESTION)
    with psycopg.connect(dsn) as connection:
        learnt = dict(connection.execute("SELECT model, seen FROM ragdiet.calibration").fetchall())
    assert learnt[CHEAP] >= 1
