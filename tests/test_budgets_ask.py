"""Budgets through the doors: an ask goes on without what it may not pay, and everything else says so and stops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest
from click.testing import CliRunner

from ragdiet import AsyncRAG, MemoryLedger, SpendingBudget
from ragdiet.cli import main
from ragdiet.errors import InvalidArgument, OverBudget
from ragdiet.rag import RAG
from ragdiet.store import Database
from ragdiet.testing.bedrock import BedrockServer, Fault
from ragdiet.types import Answer, Document
from tests.embedders import WordEmbedder
from tests.stand_in import its_environment
from tests.test_bedrock_end_to_end import CHEAP, DEAR, DOCUMENTS, QUESTION

RERANKER = "amazon.rerank-v1:0"
LOW = "0.0000001"
"""USD: less than any call of a model here may take, yet more than the embedding of a question costs."""


@pytest.fixture
def bedrock() -> Iterator[BedrockServer]:
    with BedrockServer(region="us-east-1", chat=(CHEAP, DEAR)) as server, its_environment(server):
        yield server


@pytest.fixture
def rag(bedrock: BedrockServer, dsn: str) -> Iterator[RAG]:
    with RAG.connect(
        dsn, region="us-east-1", embedder="local:minilm", models=[f"bedrock:{CHEAP}", f"bedrock:{DEAR}"]
    ) as opened:
        opened.ingest(DOCUMENTS)
        yield opened


@pytest.fixture
def all_bedrock(bedrock: BedrockServer, dsn: str) -> Iterator[RAG]:
    with RAG.connect(
        dsn,
        region="us-east-1",
        embedder="bedrock:amazon.titan-embed-text-v2:0",
        models=[f"bedrock:{CHEAP}"],
        reranker=f"bedrock:{RERANKER}",
    ) as opened:
        opened.migrate()
        opened.ingest(DOCUMENTS)
        yield opened


def models_asked(bedrock: BedrockServer) -> list[str]:
    return [call.model for call in bedrock.calls]


def asked_by(answer: Answer) -> list[str]:
    return [attempt.model or attempt.step for attempt in answer.attempts]


def test_a_model_that_does_not_fit_is_not_asked_and_a_cheaper_one_is(rag: RAG, bedrock: BedrockServer) -> None:
    context = rag.compress(QUESTION, rag.retrieve(QUESTION))
    rag.budgets.set(SpendingBudget(name="all", usd=0))
    with pytest.raises(OverBudget) as refused:
        rag.generate(QUESTION, context, model=CHEAP)
    with RAG(
        rag.store, embedder=rag.embedder, models=[*rag._pieces["chain"].generators.values()][::-1], ledger=rag.ledger
    ) as turned:
        rag.budgets.set(SpendingBudget(name="all", usd=2 * refused.value.asked))
        answer = turned.ask(QUESTION)
        turned._owned = []
    assert asked_by(answer) == ["retrieve", DEAR, CHEAP]
    assert "not asked: the budget 'all' has $" in answer.attempts[1].reason
    assert answer.outcome == "answered"
    assert models_asked(bedrock) == [CHEAP]
    assert rag.budgets.list()[0].spent == answer.cost > 0


def test_no_model_fits(rag: RAG, bedrock: BedrockServer) -> None:
    rag.budgets.set(SpendingBudget(name="acme", usd=LOW, tag=("team", "search")))
    answer = rag.ask(QUESTION, tags={"team": "search"})
    assert answer.outcome == "abstained"
    assert answer.cost == 0
    assert answer.text.startswith("An answer to this would cost more than is allowed.")
    assert answer.citations[0].document_id == "leaving"
    assert not bedrock.calls
    context = rag.compress(QUESTION, rag.retrieve(QUESTION))
    rag.budgets.set(SpendingBudget(name="acme", usd=LOW))
    with pytest.raises(OverBudget):
        rag.generate(QUESTION, context)
    stream = rag.ask(QUESTION, stream=True)
    assert "".join(stream).startswith("An answer to this would cost more")
    assert not bedrock.calls
    rag.budgets.remove("acme")
    assert rag.ask(QUESTION).outcome == "answered"


def test_the_keywords_serve_where_the_question_cannot_be_embedded(all_bedrock: RAG, bedrock: BedrockServer) -> None:
    rag, before = all_bedrock, len(bedrock.calls)
    rag.budgets.set(SpendingBudget(name="all", usd=0))
    answer = rag.ask(QUESTION)
    assert "keyword search alone, since the embedder was not asked: the budget 'all'" in answer.attempts[0].reason
    assert "in the retriever's order, since the reranker was not asked: the budget" in answer.attempts[0].reason
    assert answer.outcome == "abstained"
    assert answer.citations[0].document_id == "leaving"
    assert len(bedrock.calls) == before
    with pytest.raises(OverBudget):
        rag.retrieve(QUESTION)


def test_an_ingest_that_may_not_pay_leaves_nothing_half_written(all_bedrock: RAG, bedrock: BedrockServer) -> None:
    rag, before = all_bedrock, len(bedrock.calls)
    rag.budgets.set(SpendingBudget(name="all", usd=0))
    with pytest.raises(OverBudget, match="the budget 'all'"):
        rag.ingest([Document("new", "The gate is shut at nine in the evening.")])
    assert len(bedrock.calls) == before
    rag.budgets.set(SpendingBudget(name="all", usd="1"))
    report = rag.ingest([Document("new", "The gate is shut at nine in the evening."), *DOCUMENTS])
    assert (report.added, report.unchanged) == (1, 2)


def test_past_its_soft_limit_a_budget_keeps_asks_to_the_cheapest(rag: RAG, bedrock: BedrockServer) -> None:
    bedrock.always(Fault(status=400, code="ValidationException"), model=CHEAP)
    rag.budgets.set(SpendingBudget(name="all", usd="1", soft=1e-9, on_soft="cheaper"))
    answer = rag.ask(QUESTION)  # the first model's own call tells of it
    assert asked_by(answer) == ["retrieve", CHEAP, DEAR, "safe reply"]
    assert (
        answer.attempts[2].reason == "only the cheapest model is asked, since the budget 'all' is past 0% of its limit"
    )
    assert models_asked(bedrock) == [CHEAP]
    rag.budgets.set(SpendingBudget(name="all", usd="1", on_soft="cheaper"))
    assert asked_by(rag.ask(QUESTION)) == ["retrieve", CHEAP, DEAR]


def test_past_its_soft_limit_a_budget_pays_for_no_reranking(all_bedrock: RAG, bedrock: BedrockServer) -> None:
    all_bedrock.budgets.set(SpendingBudget(name="all", usd="1", soft=1e-9, on_soft="cheaper"))
    answer = all_bedrock.ask(QUESTION)
    assert answer.outcome == "answered"
    assert "in the retriever's order, since the budget 'all' is past" in answer.attempts[0].reason
    assert RERANKER not in models_asked(bedrock)


def test_the_money_of_an_ask_is_that_of_all_its_requests(all_bedrock: RAG, bedrock: BedrockServer) -> None:
    before = len(bedrock.calls)
    answer = all_bedrock.ask(QUESTION, max_cost="0")
    assert len(bedrock.calls) == before
    assert answer.cost == 0
    assert "keyword search alone, since the embedder was not asked: max_cost has $0 left" in answer.attempts[0].reason
    assert "the reranker was not asked: max_cost has $0 left" in answer.attempts[0].reason
    answer = all_bedrock.ask(QUESTION, max_cost="0.0009")  # a reranking costs $0.001
    assert answer.outcome == "answered"
    assert 0 < answer.cost <= Decimal("0.0009")


def test_an_ask_may_be_held_to_billed_tokens(rag: RAG, bedrock: BedrockServer, dsn: str) -> None:
    free = rag.ask(QUESTION)
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT input_tokens + output_tokens FROM ragdiet.call WHERE prompt_id = %s AND cost > 0", (free.prompt_id,)
        ).fetchone()
    assert row
    few = rag.ask("What is the notice period for permanent staff?", max_billed_tokens=row[0])
    assert (few.outcome, len(bedrock.calls)) == ("abstained", 1)
    assert "not asked: max_billed_tokens has" in few.attempts[1].reason
    bedrock.script(Fault(status=400, code="ValidationException"))  # what was refused gives its tokens back
    enough = rag.ask("What notice period do permanent staff have?", max_billed_tokens=2_000)
    assert asked_by(enough) == ["retrieve", CHEAP, DEAR]
    assert enough.outcome == "answered"
    for wrong in (-1, 1.5, True):
        with pytest.raises(InvalidArgument, match="max_billed_tokens is"):
            rag.ask(QUESTION, max_billed_tokens=wrong)  # type: ignore[arg-type]  # that is the point


def test_the_other_doors(rag: RAG, dsn: str) -> None:
    async def run() -> None:
        door = AsyncRAG(rag)
        await door.budgets.set(SpendingBudget(name="all", usd="0.50"))
        assert [state.budget.name for state in await door.budgets.list()] == ["all"]
        await door.budgets.remove("all")

    asyncio.run(run())

    def ragdiet(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["--database", dsn, "budgets", *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    ragdiet("set", "acme", "--usd", "5.00", "--per", "day", "--of-tenant", "acme", "--tag", "team=search")
    ragdiet("set", "words", "--tokens", "1000000", "--per", "ever", "--on-soft", "cheaper")
    assert [line.split() for line in ragdiet("list").splitlines()[1:]] == [
        ["acme", "tenant", "'acme',", "team=search", "day", "$5.00", "$0", "$0", "$5.00", line_date(rag)],
        ["words", "all", "ever", "1,000,000", "0", "0", "1,000,000", "never"],
    ]
    ragdiet("remove", "acme")
    assert [state.budget.name for state in rag.budgets.list()] == ["words"]
    wrong = CliRunner().invoke(main, ["--database", dsn, "budgets", "set", "x", "--usd", "1", "--tag", "team"])
    assert "no KEY=VALUE" in wrong.output
    neither = CliRunner().invoke(main, ["--database", dsn, "budgets", "set", "x"])
    assert "one limit, usd or tokens" in neither.output


def line_date(rag: RAG) -> str:
    resets_at = next(state.resets_at for state in rag.budgets.list() if state.budget.name == "acme")
    return f"{resets_at:%Y-%m-%d}"


def test_budgets_are_kept_with_the_ledger(database: Database) -> None:
    rag = RAG(database, embedder=WordEmbedder(), ledger=MemoryLedger())
    with pytest.raises(InvalidArgument, match="another ledger"):
        rag.budgets.list()
