"""A Bedrock guardrail in an ask, over real HTTP: what is refused, and what is billed, never more than was allowed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from ragdiet import Chain, Step, confident
from ragdiet.account import MemoryLedger, PriceBook
from ragdiet.bedrock import BedrockClient, RetryPolicy
from ragdiet.fallback import Check
from ragdiet.guard import BedrockGuardrail, FailOpen
from ragdiet.protocols import EstimatedGuard, PricedGuard
from ragdiet.rag import RAG
from ragdiet.store import Database
from ragdiet.testing.bedrock import BedrockServer, Fault, Guardrail
from ragdiet.types import Document
from tests.embedders import WordEmbedder
from tests.stand_in import its_environment
from tests.test_ask import DOCUMENTS, Scripted, Sure, made, steps
from tests.test_bedrock_guardrail import POLICIES, REGION

QUESTION = "How long is the notice period?"
GOOD = "The notice period is three months for permanent staff [1]."
KEY = "ghp_" + "Qz7RkT2mVx9LpW4nBs8HjD3fGc6YaE5uKiOo"
RULES = Guardrail(words=("vermouth",), personal={"EMAIL": "ANONYMIZE"}, grounding=0.5)


@pytest.fixture
def bedrock() -> Iterator[BedrockServer]:
    with (
        BedrockServer(region=REGION, policy_rates=POLICIES, guardrails={"abc123": RULES}) as running,
        its_environment(running),
    ):
        yield running


@pytest.fixture
def guardrail(bedrock: BedrockServer) -> Iterator[BedrockGuardrail]:
    retry = RetryPolicy(attempts=2, base_delay=0.002, max_delay=0.01, deadline=5.0)
    client = BedrockClient(REGION, endpoint_url=bedrock.url, read_timeout=2.0, retry=retry)
    prices = PriceBook.default()
    yield BedrockGuardrail("abc123", "1", region=REGION, ledger=MemoryLedger(), prices=prices, client=client)
    client.close()


def test_a_question_that_it_blocks(database: Database, guardrail: BedrockGuardrail) -> None:
    model = Scripted("a", GOOD)
    answer = made(database, model, ledger=guardrail.ledger, guards=[guardrail]).ask("Who serves vermouth here?")
    assert steps(answer) == ["guard", "safe reply"]
    assert answer.outcome == "abstained"
    assert answer.attempts[0].reason.startswith("guardrail abc123:1: ")
    assert answer.attempts[0].reason.count("abc123") == 1
    assert not model.prompts
    assert answer.cost > 0


def test_each_check_is_billed_to_the_ask_and_no_secret_goes_there(
    database: Database, guardrail: BedrockGuardrail, bedrock: BedrockServer
) -> None:
    rag = made(database, Scripted("a", GOOD), ledger=guardrail.ledger, guards=[guardrail])
    rag.ingest([Document("token", f"The notice period of the bot with the token {KEY} is three months.")])
    answer = rag.ask(f"{QUESTION} My token is {KEY}.")
    assert answer.outcome == "answered"
    assert answer.cost == bedrock.bill.total > 0
    sent = " ".join(str(call.request) for call in bedrock.calls)
    assert "GITHUB_TOKEN_1" in sent
    assert KEY not in sent


def test_a_reply_that_its_sources_do_not_bear_out(database: Database, guardrail: BedrockGuardrail) -> None:
    wild = Scripted("a", "Whales sing under distant frozen moons forever [1].")
    answer = made(database, wild, Scripted("b", GOOD), ledger=guardrail.ledger, guards=[guardrail]).ask(QUESTION)
    assert steps(answer) == ["retrieve", "guard", "a", "b"]
    assert answer.text == GOOD
    assert "grounding" in answer.attempts[1].reason


def test_what_it_may_cost_is_kept_back_and_never_passed(
    database: Database, guardrail: BedrockGuardrail, bedrock: BedrockServer
) -> None:
    assert isinstance(guardrail, PricedGuard)
    assert FailOpen(guardrail).most(100) == guardrail.most(100) > 0
    model = Scripted("a", GOOD, price="0.001")
    rag = made(database, model, ledger=guardrail.ledger, guards=[guardrail])
    refused = rag.ask(QUESTION, max_cost=guardrail.most(len(QUESTION)) / 2)
    assert refused.outcome == "abstained"
    assert refused.cost == 0
    assert "the guards could cost" in refused.attempts[0].reason
    assert not bedrock.calls
    kept_back = rag.ask(QUESTION, max_cost=guardrail.most(len(QUESTION)) + Decimal("0.0012"))
    assert not model.prompts, "the model is not asked when its reply could not be judged"
    assert kept_back.cost <= guardrail.most(len(QUESTION)) + Decimal("0.0012")
    assert rag.ask(QUESTION, max_cost="0.05").outcome == "answered"


def test_what_it_is_likely_to_cost_is_learned_from_its_bills(
    guardrail: BedrockGuardrail, bedrock: BedrockServer
) -> None:
    assert isinstance(guardrail, EstimatedGuard)
    sources = " ".join([GOOD] * 40)
    lengths = len(GOOD), len(QUESTION), len(sources)
    first = guardrail.expected(*lengths)
    assert 0 < first < guardrail.most(*lengths) / 4
    for _ in range(2):
        before = bedrock.bill.total
        guardrail.check_grounding(GOOD, question=QUESTION, sources=sources)
        billed = bedrock.bill.total - before
        assert guardrail.expected(*lengths) == FailOpen(guardrail).expected(*lengths) == billed > first


@pytest.mark.parametrize(("next_costs", "asked"), [("0.002", True), ("0.0002", False)])
def test_in_doubt_it_is_asked_where_the_next_model_is_dearer(
    database: Database, guardrail: BedrockGuardrail, bedrock: BedrockServer, next_costs: str, asked: bool
) -> None:
    small = Step(Scripted("small", GOOD), accept=confident(0.8), check=Check(guardrail))
    chain = Chain([small, Step(Scripted("large", GOOD, next_costs))])
    rag = RAG(database, embedder=WordEmbedder(), chain=chain, confidence=Sure(answer=0.7), ledger=guardrail.ledger)
    rag.ingest(DOCUMENTS)
    assert ("small" if asked else "large") == [each.model for each in rag.ask(QUESTION).attempts if each.accepted][-1]
    assert len(bedrock.calls) == asked


def test_a_guardrail_that_is_down(database: Database, guardrail: BedrockGuardrail, bedrock: BedrockServer) -> None:
    model = Scripted("a", GOOD)
    rag = made(database, model, ledger=guardrail.ledger, guards=[guardrail])
    bedrock.always(Fault(code="ServiceUnavailableException"))
    answer = rag.ask(QUESTION)
    assert answer.outcome == "failed"
    assert not model.prompts
