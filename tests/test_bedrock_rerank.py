"""Rerank over real HTTP: order, scores, limits, and a bill that the ledger tells by itself."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from ragdiet.account import Accounted, MemoryLedger, PriceBook
from ragdiet.bedrock import BedrockClient, RetryPolicy
from ragdiet.errors import BadReply, InvalidArgument, ModelUnavailable, UnknownModel, UnknownPrice
from ragdiet.protocols import Reranker
from ragdiet.rag import RAG
from ragdiet.retrieve import BedrockReranker, reranked
from ragdiet.store import Database
from ragdiet.testing.bedrock import BedrockServer, Fault, Rates
from ragdiet.types import Document, Hit
from tests.embedders import WordEmbedder
from tests.stand_in import served

REGION = "us-east-1"
AMAZON, COHERE = "amazon.rerank-v1:0", "cohere.rerank-v3-5:0"
RATES = {AMAZON: Rates(per_1000_units=Decimal(1)), COHERE: Rates(per_1000_units=Decimal(2))}
FAST = RetryPolicy(attempts=3, base_delay=0.002, max_delay=0.01, deadline=5.0)
QUESTION = "how long is the notice period"


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[BedrockServer, BedrockClient]]:
    with served(BedrockServer(region=REGION, rates=RATES), FAST) as running:
        yield running


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


def made(client: BedrockClient, ledger: MemoryLedger, model: str = AMAZON) -> BedrockReranker:
    return BedrockReranker(model, region=REGION, ledger=ledger, prices=PriceBook.default(), client=client)


def hits(*texts: str) -> list[Hit]:
    return [Hit(chunk_id=n, document_id=f"d{n}", text=text, score=1 - n / 10_000) for n, text in enumerate(texts)]


THREE = hits("lunch is served at noon", "the notice period is three months long", "holidays are long")


@pytest.mark.parametrize("model", [AMAZON, COHERE])
def test_hits_in_the_models_order_and_the_bill(
    model: str, bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    reranker = made(client, ledger, model)
    found = reranked(reranker, QUESTION, THREE, 2)
    assert found[0].chunk_id == 1
    assert len(found) == 2
    assert 1 >= found[0].score > found[1].score >= 0
    assert isinstance(reranker, Reranker)
    assert isinstance(reranker, Accounted)
    (row,) = ledger.calls
    assert (row.stage, row.model, row.status, row.usage.units) == ("rerank", model, "done", 1)
    assert row.cost == bedrock.bill.total == RATES[model].per_1000_units / 1000
    assert "estimated" not in row.price
    (call,) = bedrock.calls
    arn = call.request["rerankingConfiguration"]["bedrockRerankingConfiguration"]["modelConfiguration"]["modelArn"]
    assert arn == f"arn:aws:bedrock:{REGION}::foundation-model/{model}"


def test_a_hit_is_read_with_its_title(bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger) -> None:
    titled = [*THREE, Hit(chunk_id=9, document_id="t", text="three months long", score=0, title="The notice period")]
    assert made(client, ledger).rerank(QUESTION, titled, k=2)[1].chunk_id in (1, 9)
    assert (
        bedrock.calls[0].request["sources"][3]["inlineDocumentSource"]["textDocument"]["text"].startswith("The notice")
    )


def test_many_documents_are_several_queries(
    bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    made(client, ledger).rerank(QUESTION, hits(*[f"text {n}" for n in range(350)]), k=10)
    assert ledger.calls[0].usage.units == 4
    assert ledger.calls[0].cost == bedrock.bill.total == Decimal("0.004")


def test_more_than_a_thousand_hits_are_several_requests(
    bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    many = hits(*[f"text {n}" for n in range(1_500)], "the notice period is long")
    found = made(client, ledger).rerank(QUESTION, many, k=3)
    assert found[0].chunk_id == 1_500
    assert [len(call.request["sources"]) for call in bedrock.calls] == [1_000, 501]
    assert sum(row.cost for row in ledger.calls) == bedrock.bill.total


def test_a_hit_of_more_characters_than_allowed_is_read_in_parts(
    bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    long = "Nothing of interest. " * 2_000 + "How long is the notice period? Three months."
    found = made(client, ledger).rerank(
        QUESTION, [*THREE, Hit(chunk_id=9, document_id="long", text=long, score=0)], k=4
    )
    sources = [source["inlineDocumentSource"]["textDocument"]["text"] for source in bedrock.calls[0].request["sources"]]
    assert len(sources) == 5
    assert max(map(len, sources)) <= 32_000
    assert len(found) == 4
    # By its second part, which says all of the question; its first says nothing of it.
    assert found[0].chunk_id == 9
    assert ledger.calls[0].cost >= bedrock.bill.total


def test_where_the_number_of_queries_is_open_the_greater_is_booked_and_said(
    bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    made(client, ledger).rerank(QUESTION, hits(*["word " * 450] * 100), k=3)  # 456 tokens, 593 with the margin
    (row,) = ledger.calls
    assert row.usage.units == 2
    assert row.price.endswith("(estimated)")
    assert row.cost >= bedrock.bill.total


def test_results_in_pages_are_put_together(bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger) -> None:
    first = {"results": [{"index": 1, "relevanceScore": 0.9}], "nextToken": "more"}
    second = {"results": [{"index": 2, "relevanceScore": 0.5}, {"index": 0, "relevanceScore": 0.1}]}
    bedrock.script(Fault(edit=lambda _: first), Fault(edit=lambda _: second))
    assert [hit.chunk_id for hit in made(client, ledger).rerank(QUESTION, THREE, k=3)] == [1, 2, 0]
    assert bedrock.calls[1].request["nextToken"] == "more"
    assert len(ledger.calls) == 2


@pytest.mark.parametrize(
    "results",
    [
        [],
        [{"index": 3, "relevanceScore": 0.5}],
        [{"index": -1, "relevanceScore": 0.5}],
        [{"index": 1, "relevanceScore": 0.5}, {"index": 1, "relevanceScore": 0.4}],
        [{"index": 1, "relevanceScore": float("nan")}],
        [{"index": 1}],
    ],
)
def test_a_reply_that_cannot_be_is_refused_and_paid_for(
    results: list[dict[str, object]], bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    bedrock.script(Fault(edit=lambda _: {"results": results}))
    with pytest.raises(BadReply):
        made(client, ledger).rerank(QUESTION, THREE, k=2)
    assert sum(row.cost for row in ledger.calls) == bedrock.bill.total > 0


def test_a_failed_try_has_its_row(bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger) -> None:
    bedrock.script(Fault(status=424, code="DependencyFailedException"), Fault(code="ThrottlingException"))
    made(client, ledger).rerank(QUESTION, THREE, k=2)
    assert [row.status for row in ledger.calls] == ["failed", "failed", "done"]
    bedrock.always(Fault(status=502, code="BadGatewayException"))
    with pytest.raises(ModelUnavailable):
        made(client, ledger).rerank(QUESTION, THREE, k=2)
    assert sum(row.cost for row in ledger.calls) == bedrock.bill.total


def test_a_reranker_that_cannot_work_is_refused(client: BedrockClient, ledger: MemoryLedger) -> None:
    with pytest.raises(UnknownModel, match=r"cohere\.rerank-v3-5:0"):
        made(client, ledger, "cohere.rerank-v3")
    with pytest.raises(UnknownPrice):
        BedrockReranker(AMAZON, region=REGION, ledger=ledger, prices=PriceBook([]), client=client)
    with pytest.raises(InvalidArgument, match="region"):
        BedrockReranker(AMAZON, region="eu-west-1", ledger=ledger, prices=PriceBook.default(), client=client)


# -- in an ask -----------------------------------------------------------------------------------------------------


def test_an_ask_pays_for_its_reranking_once(bedrock: BedrockServer, client: BedrockClient, database: Database) -> None:
    ledger = MemoryLedger()
    rag = RAG(database, embedder=WordEmbedder(), ledger=ledger, reranker=made(client, ledger), clarify=False)
    rag.ingest([Document(str(n), hit.text) for n, hit in enumerate(THREE)])
    answer = rag.ask("How long is the notice period?")
    own = [row for row in ledger.calls if row.prompt_id == answer.prompt_id and row.stage == "rerank"]
    assert {row.model for row in own} == {AMAZON}
    assert sum(row.cost for row in own) == bedrock.bill.total == answer.cost > 0


def test_a_reranker_that_fails_leaves_the_retrievers_order(
    bedrock: BedrockServer, client: BedrockClient, database: Database
) -> None:
    ledger = MemoryLedger()
    rag = RAG(database, embedder=WordEmbedder(), ledger=ledger, reranker=made(client, ledger), clarify=False)
    rag.ingest([Document(str(n), hit.text) for n, hit in enumerate(THREE)])
    bedrock.always(Fault(code="AccessDeniedException"))
    answer = rag.ask("How long is the notice period?")
    assert "the reranker failed" in answer.attempts[0].reason
    assert answer.cost == 0


def test_a_reranker_by_name(bedrock: BedrockServer, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in bedrock.environment.items():
        monkeypatch.setenv(name, value)
    with RAG.connect(dsn, region=REGION, embedder=WordEmbedder(), reranker=f"bedrock:{COHERE}") as rag:
        rag.ingest([Document(str(n), hit.text) for n, hit in enumerate(THREE)])
        assert rag.retrieve(QUESTION, k=1)[0].document_id == "1"
        assert {row.key for row in rag.costs(by="model")} >= {COHERE}
    with pytest.raises(UnknownModel, match="no reranker"):
        RAG.connect(dsn, region=REGION, reranker="cohere:rerank")
