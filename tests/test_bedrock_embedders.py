"""Cohere's and Nova's embedding models over real HTTP, and what all embedders do with a text that is too long."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal

import numpy as np
import pytest

from ragdiet.account import MemoryLedger, PriceBook
from ragdiet.bedrock import BedrockClient, Quota, RetryPolicy
from ragdiet.embed import BedrockEmbedder, CohereEmbedder, NovaEmbedder, TitanEmbedder, bedrock_embedder
from ragdiet.errors import BadReply, DimensionMismatch, InvalidArgument, ModelInputError, ModelUnavailable
from ragdiet.observe import Trace, tracing
from ragdiet.testing.bedrock import BedrockServer, Fault, Rates
from ragdiet.tokens import default_counter
from tests.stand_in import served

REGION = "us-east-1"
V4, US_V4 = "cohere.embed-v4:0", "us.cohere.embed-v4:0"
ENGLISH, MULTILINGUAL = "cohere.embed-english-v3", "cohere.embed-multilingual-v3"
NOVA, TITAN = "amazon.nova-2-multimodal-embeddings-v1:0", "amazon.titan-embed-text-v2:0"
# USD per million tokens, written down here a second time: the stand-in reckons its bill without our price book.
RATES = {
    V4: Rates(input=Decimal("0.12")),
    US_V4: Rates(input=Decimal("0.12")),
    ENGLISH: Rates(input=Decimal("0.10")),
    MULTILINGUAL: Rates(input=Decimal("0.10")),
    NOVA: Rates(input=Decimal("0.135")),
    TITAN: Rates(input=Decimal("0.02")),
}
MODELS = [(V4, 1536), (US_V4, 1536), (ENGLISH, 1024), (MULTILINGUAL, 1024), (NOVA, 1024), (TITAN, 1024)]
FAST = RetryPolicy(attempts=3, base_delay=0.002, max_delay=0.01, deadline=5.0)
TEXTS = ["the notice period is three months", "lunch is served from noon", "trains are booked early"]


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[BedrockServer, BedrockClient]]:
    with served(BedrockServer(region=REGION, rates=RATES), FAST) as running:
        yield running


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


def made(model: str, client: BedrockClient, ledger: MemoryLedger, **given) -> BedrockEmbedder:
    return bedrock_embedder(model)(
        model, region=REGION, ledger=ledger, prices=PriceBook.default(), client=client, **given
    )


def spent(ledger: MemoryLedger) -> Decimal:
    return sum((row.cost for row in ledger.calls), Decimal(0))


@pytest.mark.parametrize(("model", "dimensions"), MODELS)
def test_vectors_in_order_and_the_bill_to_the_last_digit(
    model: str, dimensions: int, bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    embedder = made(model, client, ledger)
    found = embedder.embed(TEXTS, kind="document")
    question = embedder.embed(["how long is the notice period"], kind="query")
    assert found.vectors.shape == (3, dimensions)
    assert found.vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)
    assert (found.vectors @ question.vectors[0]).argmax() == 0
    assert found.tokens == sum(len(text.split()) for text in TEXTS)
    assert spent(ledger) == bedrock.bill.total > 0
    assert len(ledger.calls) == len(bedrock.calls) == len(bedrock.bill)
    assert {(row.stage, row.model, row.status) for row in ledger.calls} == {("embed", model, "done")}
    assert not any("estimated" in row.price for row in ledger.calls)


@pytest.mark.parametrize("model", [V4, ENGLISH, NOVA])
def test_questions_are_embedded_otherwise_than_documents(
    model: str, client: BedrockClient, ledger: MemoryLedger
) -> None:
    embedder = made(model, client, ledger)
    one, other = (embedder.embed(TEXTS[:1], kind=kind).vectors[0] for kind in ("document", "query"))
    assert one @ other < 0.9999


@pytest.mark.parametrize(("model", "dimensions"), [(V4, 256), (V4, 512), (V4, 1024), (NOVA, 384), (NOVA, 3072)])
def test_every_length_a_model_has(model: str, dimensions: int, client: BedrockClient, ledger: MemoryLedger) -> None:
    embedder = made(model, client, ledger, dimensions=dimensions)
    assert embedder.embed(TEXTS, kind="document").vectors.shape == (3, dimensions)
    assert embedder.space.name.endswith(f"_{dimensions}")


@pytest.mark.parametrize("numbers", ["int8", "uint8", "binary", "ubinary"])
@pytest.mark.parametrize("model", [V4, ENGLISH])
def test_smaller_numbers_are_nearly_the_same_vectors(
    model: str, numbers: str, client: BedrockClient, ledger: MemoryLedger
) -> None:
    exact = made(model, client, ledger).embed(TEXTS, kind="document").vectors
    small = made(model, client, ledger, embedding_type=numbers)
    found = small.embed(TEXTS, kind="document").vectors
    # Of signs alone the cosine is sqrt(2 / pi) for vectors whose parts are normal.
    assert ((exact * found).sum(axis=1) > (0.99 if "int" in numbers else 0.75)).all()
    assert small.space.name.endswith(f"_{numbers}")


def test_titan_sends_bits(client: BedrockClient, ledger: MemoryLedger) -> None:
    exact = made(TITAN, client, ledger).embed(TEXTS, kind="document").vectors
    found = made(TITAN, client, ledger, embedding_type="binary").embed(TEXTS, kind="document").vectors
    assert ((exact * found).sum(axis=1) > 0.75).all()


def test_a_profile_fills_the_space_of_its_model(client: BedrockClient, ledger: MemoryLedger) -> None:
    assert made(US_V4, client, ledger).space == made(V4, client, ledger).space
    assert made(ENGLISH, client, ledger).space != made(MULTILINGUAL, client, ledger).space


def test_ninety_six_texts_are_one_request_and_more_run_side_by_side(
    bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    embedder = made(V4, client, ledger, concurrency=4)
    bedrock.always(Fault(delay=0.05))
    texts = [f"text number {n}" for n in range(300)]
    with tracing(Trace(prompt_id="ingest-7", tenant="acme")):
        found = embedder.embed(texts, kind="document")
    assert [len(call.request["texts"]) for call in bedrock.calls] == [75] * 4
    assert bedrock.most_at_once > 1
    assert {(row.prompt_id, row.tenant) for row in ledger.calls} == {("ingest-7", "acme")}
    alone = embedder.embed([texts[211]], kind="document").vectors[0]
    assert np.allclose(found.vectors[211], alone, atol=1e-6)
    assert embedder.texts_at_once == 384


def test_as_many_requests_run_as_fill_the_quota(bedrock: BedrockServer, ledger: MemoryLedger) -> None:
    fast, slow = {V4: Quota(requests=60_000)}, {V4: Quota(requests=600)}
    with closing(BedrockClient(REGION, endpoint_url=bedrock.url, read_timeout=20.0, quotas=fast)) as known:
        embedder = made(V4, known, ledger)
        assert embedder.texts_at_once == 96 * 32  # nothing is known of the seconds yet
        bedrock.always(Fault(delay=0.05))
        embedder.embed(["one text"], kind="document")
        assert embedder.texts_at_once == 96 * 32  # a thousand a second, 0.05 s each
    with closing(BedrockClient(REGION, endpoint_url=bedrock.url, read_timeout=20.0, quotas=slow)) as known:
        embedder = made(V4, known, ledger)
        embedder.embed(["one text"], kind="document")
        assert embedder.texts_at_once < 96 * 32  # ten a second
    with closing(BedrockClient(REGION, endpoint_url=bedrock.url)) as unknown:
        assert made(V4, unknown, ledger).texts_at_once == 96 * 8


def test_one_failed_request_of_many_is_retried_alone(
    bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    bedrock.script(Fault(code="ThrottlingException"))
    made(V4, client, ledger).embed([f"text {n}" for n in range(200)], kind="document")
    assert sorted(row.status for row in ledger.calls) == ["done"] * 3 + ["failed"]
    assert spent(ledger) == bedrock.bill.total


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (lambda reply: {**reply, "embeddings": {"float": reply["embeddings"]["float"][:2]}}, BadReply),
        (lambda reply: {**reply, "embeddings": {}}, BadReply),
        (lambda reply: {**reply, "embeddings": [1]}, BadReply),
        (lambda reply: {}, BadReply),
        (lambda reply: {**reply, "embeddings": {"float": [[0.0] * 1536] * 3}}, BadReply),
        (lambda reply: {**reply, "embeddings": {"float": [[float("nan")] * 1536] * 3}}, BadReply),
        (lambda reply: {**reply, "embeddings": {"float": [[1.0] * 1024] * 3}}, DimensionMismatch),
    ],
)
def test_vectors_that_cannot_be_used_are_refused_and_paid_for(
    edit, error, bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    bedrock.script(Fault(edit=edit))
    with pytest.raises(error):
        made(V4, client, ledger).embed(TEXTS, kind="document")
    assert [row.status for row in ledger.calls] == ["done"]
    assert ledger.calls[0].error
    assert spent(ledger) == bedrock.bill.total > 0


@pytest.mark.parametrize("edit", [lambda reply: {}, lambda reply: {"embeddings": ["x"]}])
def test_a_nova_reply_without_a_vector_is_refused(
    edit, bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    bedrock.script(Fault(edit=edit))
    with pytest.raises(BadReply):
        made(NOVA, client, ledger).embed(TEXTS[:1], kind="query")
    assert spent(ledger) == bedrock.bill.total > 0


# -- texts that are too long ---------------------------------------------------------------------------------------


def sentences(many: int, word: str = "notice") -> str:
    return " ".join(f"Sentence {n} is about the {word} period." for n in range(many))


def test_a_text_of_more_characters_than_cohere_takes_is_embedded_in_parts(
    bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger, caplog: pytest.LogCaptureFixture
) -> None:
    embedder = made(ENGLISH, client, ledger)
    long = f"{sentences(50)} {sentences(50, 'lunch')}"
    assert 3_000 < len(long) < 8 * 2_048
    with caplog.at_level(logging.WARNING, logger="ragdiet.embed"):
        found = embedder.embed([TEXTS[1], long, TEXTS[2]], kind="document")
    (call,) = bedrock.calls
    parts = call.request["texts"]
    assert all(len(part) <= 2_048 for part in parts)
    assert " ".join(parts[1:-1]) == long
    assert "embedded in 2 parts" in caplog.text or "embedded in 4 parts" in caplog.text
    own = embedder.embed(parts[1:-1], kind="document").vectors
    assert found.vectors.shape == (3, 1024)
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)
    tokens = default_counter().count_batch(parts[1:-1])
    mean = np.average(own, axis=0, weights=tokens)
    assert np.allclose(found.vectors[1], mean / np.linalg.norm(mean), atol=1e-5)
    assert found.vectors[1] @ own[0] < 0.999
    assert np.allclose(found.vectors[2], embedder.embed([TEXTS[2]], kind="document").vectors[0], atol=1e-6)


def test_a_text_far_too_long_is_refused_before_any_is_sent(
    bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    for model, text in ((ENGLISH, "word " * 4_000), (NOVA, "x" * 50_001), (V4, "a b " * 70_000)):
        with pytest.raises(InvalidArgument, match="text 1"):
            made(model, client, ledger).embed(["good", text], kind="document")
    with pytest.raises(InvalidArgument, match="list of texts"):
        made(V4, client, ledger).embed("one text", kind="query")
    assert bedrock.calls == ledger.calls == ()


def test_what_the_model_finds_too_long_is_halved_and_nothing_is_lost(
    bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger, caplog: pytest.LogCaptureFixture
) -> None:
    """512 of the model's tokens are fewer than 2,048 characters of short words."""
    short = "a b c d e f g h " * 79 + "a b c d e f g h"
    assert len(short) < 2_048
    assert len(short.split()) > 512
    embedder = made(ENGLISH, client, ledger)
    with caplog.at_level(logging.WARNING, logger="ragdiet.embed"):
        found = embedder.embed([*TEXTS, short], kind="document")
    assert "too long for cohere.embed-english-v3" in caplog.text
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)
    for row, text in enumerate(TEXTS):
        assert np.allclose(found.vectors[row], embedder.embed([text], kind="document").vectors[0], atol=1e-6)
    billed = [text for call in bedrock.calls if call.status == 200 for text in call.request["texts"]]
    assert " ".join(text for text in billed if text not in TEXTS) == short
    assert spent(ledger) == bedrock.bill.total
    assert {row.error for row in ledger.calls if row.status == "failed"} == {"ValidationException"}


@pytest.mark.parametrize("kind", [TitanEmbedder, NovaEmbedder])
def test_models_of_one_text_a_request_are_halved_too(
    kind: type[BedrockEmbedder], bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    too_long = Fault(code="ValidationException", message="Too many input tokens. Max input tokens: 8192")
    bedrock.script(too_long)
    embedder = kind(region=REGION, ledger=ledger, prices=PriceBook.default(), client=client)
    text = sentences(20)
    found = embedder.embed([text], kind="document")
    assert [row.status for row in ledger.calls] == ["failed", "done", "done"]
    assert found.tokens == len(text.replace(".", "").split())
    assert np.linalg.norm(found.vectors[0]) == pytest.approx(1)
    assert spent(ledger) == bedrock.bill.total


def test_a_refusal_that_never_ends_is_raised(
    bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    bedrock.always(Fault(code="ValidationException", message="Input is too long for requested model."))
    with pytest.raises(ModelInputError, match="too long"):
        made(V4, client, ledger).embed([sentences(200)] * 4, kind="document")
    assert len(bedrock.calls) < 30


def test_another_refusal_is_not_asked_again(
    bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    bedrock.script(Fault(code="ValidationException", message="The provided model identifier is invalid."))
    with pytest.raises(ModelInputError):
        made(V4, client, ledger).embed(TEXTS, kind="document")
    assert len(bedrock.calls) == 1


def test_a_failure_is_an_error_and_no_vector(
    bedrock: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    bedrock.always(Fault(code="ServiceUnavailableException"))
    with pytest.raises(ModelUnavailable):
        made(NOVA, client, ledger).embed(TEXTS[:1], kind="document")
    assert {row.status for row in ledger.calls} == {"failed"}
    assert spent(ledger) == 0


@pytest.mark.parametrize(
    ("given", "match"),
    [({"dimensions": 384}, "1536, 1024, 512, 256"), ({"embedding_type": "int4"}, "ubinary"), ({"concurrency": 0}, "1")],
)
def test_an_embedder_that_cannot_work_is_refused(given, match, client: BedrockClient, ledger: MemoryLedger) -> None:
    with pytest.raises(InvalidArgument, match=match):
        CohereEmbedder(region=REGION, ledger=ledger, prices=PriceBook.default(), client=client, **given)
