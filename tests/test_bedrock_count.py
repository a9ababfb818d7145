"""CountTokens over real HTTP: quotes that are exact, free, and rows in the ledger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ragdiet.account import Exact, MemoryLedger, PriceBook
from ragdiet.bedrock import BedrockClient, RetryPolicy
from ragdiet.generate import ConverseGenerator
from ragdiet.testing.bedrock import BedrockServer, ChatModel, Fault, Tokenizer
from ragdiet.types import Context, Prompt, Usage
from tests.stand_in import served

REGION = "us-east-1"
HAIKU, LITE = "us.anthropic.claude-haiku-4-5-20251001-v1:0", "us.amazon.nova-lite-v1:0"
FAST = RetryPolicy(attempts=2, base_delay=0.002, max_delay=0.01, deadline=5.0)
SOURCES = "[1] Handbook\nThe notice period is three months. Holidays are thirty days a year.\n"


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[BedrockServer, BedrockClient]]:
    model = ChatModel(tokenizer=Tokenizer(1.7), counted=True)
    chat = {HAIKU: model, HAIKU.removeprefix("us."): model, LITE: ChatModel()}
    with served(BedrockServer(region=REGION, chat=chat), FAST) as running:
        yield running


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


def generator(client: BedrockClient, ledger: MemoryLedger, model: str = HAIKU, **given) -> ConverseGenerator:
    return ConverseGenerator(
        model, region=REGION, ledger=ledger, prices=PriceBook.default(), client=client, preflight=True, **given
    )


def prompt(question: str = "How long is the notice period?") -> Prompt:
    context = Context(text=SOURCES, tokens=0, tokens_before=0, kept=(), dropped=())
    return Prompt(system="Answer from the sources.", question=question, context=context, max_tokens=60)


def test_a_quote_holds_to_the_token_what_will_be_billed(
    bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    model = generator(client, ledger)
    quote = model.quote(prompt())
    made = model.generate(prompt())
    price = PriceBook.default().price(HAIKU)
    usage = Usage(input_tokens=made.usage.input_tokens, output_tokens=60)
    assert quote.most == client.retry.billed_attempts * price.cost(usage)
    assert quote.least == price.cost(Usage(input_tokens=made.usage.input_tokens, output_tokens=1))
    count, generate = ledger.calls
    assert (count.stage, count.cost, count.status, count.price) == ("count", 0, "done", "CountTokens: free")
    assert count.model == HAIKU.removeprefix("us.")  # a profile is not counted by its own name
    assert count.usage == Usage()  # what was counted is not billed
    assert generate.cost == made.cost


def test_a_prompt_is_counted_once(bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger) -> None:
    model = generator(client, ledger)
    assert model.quote(prompt()) == model.quote(prompt())
    assert [call.operation for call in bedrock.calls] == ["CountTokens"]
    model.quote(prompt("How many holidays are there?"))
    assert len(bedrock.calls) == 2


def test_what_was_counted_is_learnt_from_free_of_charge(
    bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    model = generator(client, ledger)
    for n in range(50):
        model.quote(prompt(f"How long is the notice period in year {n}?"))
    assert model.billed.now.is_known


def test_a_model_without_it_is_estimated_without_a_request(
    bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    estimate = generator(client, ledger, LITE).quote(prompt())
    assert estimate.least < estimate.expected < estimate.most
    assert bedrock.calls == ledger.calls == ()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(code="ValidationException", message="The provided model doesn't support counting tokens."),
        Fault(code="ThrottlingException"),
        Fault(edit=lambda _: {"inputTokens": 0}),
    ],
)
def test_a_count_that_fails_leaves_the_estimate(
    fault: Fault,
    bedrock: BedrockServer,
    client: BedrockClient,
    ledger: MemoryLedger,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bedrock.always(fault)
    quote = generator(client, ledger).quote(prompt())
    assert quote.least < quote.expected < quote.most
    assert "could not be counted" in caplog.text
    assert {(row.stage, row.cost) for row in ledger.calls} == {("count", 0)}


def test_parts_of_a_prompt_are_in_proportion() -> None:
    exact = Exact(billed=137, counted=100)
    assert exact.least(40) <= exact.expected(40) == exact.most(40) == 55
    assert exact.most(100) == exact.least(100) == 137
    assert Exact(billed=0, counted=0).most(0) == 0
