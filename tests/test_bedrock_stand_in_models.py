"""The models that the stand-in for Bedrock plays: what they say, what they refuse, and what they count."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from ragdiet.testing.bedrock import (
    REFUSAL,
    BedrockServer,
    ChatModel,
    CohereV3,
    CohereV4,
    Guardrail,
    NovaMultimodal,
    Tokenizer,
    extract,
)
from ragdiet.testing.bedrock.caching import Cached, PromptCache
from ragdiet.testing.bedrock.models.catalogue import default_models
from ragdiet.testing.bedrock.rerank import score
from tests.stand_in import ANSWER, HAIKU, LITE, PROFILE, SOURCES, TITAN, Clients, rerank, user

V3, V4 = "cohere.embed-english-v3", "cohere.embed-v4:0"
NOVA = "amazon.nova-2-multimodal-embeddings-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
PRO = "us.amazon.nova-pro-v1:0"
BARE_HAIKU = HAIKU.removeprefix("us.")

HOUSE = Guardrail(
    words=["banana"],
    topics={"Investment": ["buy shares"]},
    content={"PROMPT_ATTACK": ["ignore previous instructions"]},
    personal={"EMAIL": "ANONYMIZE", "CREDIT_DEBIT_CARD_NUMBER": "BLOCK", "PHONE": "NONE"},
    regexes={"ticket": (r"T-\d{4}", "ANONYMIZE")},
    grounding=0.7,
    relevance=0.5,
    blocked_input="I cannot take this.",
    blocked_output="I cannot say this.",
)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[BedrockServer, Clients]]:
    with BedrockServer(
        guardrails={"house": HOUSE, "free": Guardrail(regexes={"ticket": (r"T-\d{4}", "BLOCK")})},
        profiles={"abc123def456": LITE, "plain0000000": "amazon.nova-lite-v1:0"},
        routers={"cheapest": LITE},
        denied=[PRO],
    ) as running:
        clients = Clients(running, parameter_validation=False)
        yield running, clients
        clients.close()


@pytest.fixture
def server(shared: tuple[BedrockServer, Clients]) -> BedrockServer:
    assert shared[0].failures == ()
    shared[0].reset()
    return shared[0]


@pytest.fixture
def clients(shared: tuple[BedrockServer, Clients]) -> Clients:
    return shared[1]


def refused(call: Callable[[], object], match: str, code: str = "ValidationException") -> None:
    with pytest.raises(ClientError, match=match) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code


# -- chat --------------------------------------------------------------------------------------------------------


def test_the_best_sentence_is_copied_and_cited() -> None:
    assert extract(f"========\n{SOURCES}") == ANSWER
    assert extract("[1] Canteen\nNothing here.\n\nQuestion: When do trains leave?") == REFUSAL
    assert extract("no sources at all") == extract("") == REFUSAL


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"messages": []}, "must start with a user message"),
        ({"messages": [{"role": "assistant", "content": [{"text": "hi"}]}]}, "must start with a user message"),
        ({"messages": [user("a"), user("b")]}, "must alternate between user and assistant"),
        ({"messages": [user("a"), {"role": "user", "content": []}]}, "must alternate"),
        ({"messages": [user(" \n")]}, r"messages\.0\.content\.0 is blank"),
        ({"messages": [user("a")], "system": [{"text": " "}]}, r"system\.0 is blank"),
        ({"messages": [user("a")], "inferenceConfig": {"maxTokens": 10_001}}, "model limit of 10000"),
        (
            {
                "messages": [user("a")],
                "toolConfig": {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {}}}}]},
            },
            "doesn't support tool use",
        ),
        (
            {"messages": [{"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": "aGk="}}}]}]},
            "doesn't support the image field",
        ),
        ({"messages": [user("word " * 300_001)]}, "Input is too long"),
    ],
)
@pytest.mark.parametrize("operation", ["Converse", "ConverseStream"])
def test_what_the_model_would_not_take(
    operation: str, given: dict[str, Any], match: str, server: BedrockServer, clients: Clients
) -> None:
    refused(lambda: clients.call(operation, modelId=LITE, **given), match)
    assert len(server.bill) == 0


def test_an_empty_last_message_is_no_crash(server: BedrockServer, clients: Clients) -> None:
    assert clients.call("Converse", modelId=LITE, messages=[{"role": "user", "content": []}])
    assert server.failures == ()


def test_an_answer_ends_at_max_tokens_or_a_stop_sequence(clients: Clients) -> None:
    cut = clients.say(inferenceConfig={"maxTokens": 3})
    assert cut["output"]["message"]["content"] == [{"text": "Lunch is served"}]
    assert (cut["stopReason"], cut["usage"]["outputTokens"]) == ("max_tokens", 3)
    stopped = clients.say(inferenceConfig={"stopSequences": ["noon", "served"]})
    assert stopped["output"]["message"]["content"] == [{"text": "Lunch is "}]
    assert stopped["stopReason"] == "stop_sequence"


def test_a_scripted_model_says_what_it_is_told_to() -> None:
    asked: list[str] = []

    def reply(prompt: str) -> str:
        asked.append(prompt)
        return "one two three"

    with BedrockServer(chat={LITE: ChatModel(reply=reply, tokenizer=Tokenizer(2.0))}) as server:
        clients = Clients(server)
        history = [user("Before?"), {"role": "assistant", "content": [{"text": "Yes."}]}]
        made = clients.call("Converse", modelId=LITE, messages=[*history, user("Now?")])
        refused(lambda: clients.say(model=HAIKU), "model identifier is invalid")
        clients.close()
    assert asked == ["Now?"]
    assert (made["usage"]["inputTokens"], made["usage"]["outputTokens"]) == (6, 6)


def test_a_model_takes_its_time() -> None:
    with BedrockServer(chat={LITE: ChatModel(first_token=0.2, per_token=0.02)}) as server:
        clients = Clients(server)
        began = time.monotonic()
        made = clients.say()
        assert time.monotonic() - began >= 0.2 + 0.02 * made["usage"]["outputTokens"]
        assert made["metrics"]["latencyMs"] == 360
        began, at = time.monotonic(), []
        stream = clients.runtime.converse_stream(modelId=LITE, messages=[user(SOURCES)])["stream"]
        at = [time.monotonic() - began for _ in stream]
        clients.close()
    assert at[0] >= 0.2
    assert at[-1] - at[0] > 0.06


def test_an_embedding_model_echoes_its_tier(server: BedrockServer, clients: Clients) -> None:
    reply = clients.runtime.invoke_model(modelId=TITAN, body=json.dumps({"inputText": "a"}), serviceTier="flex")
    reply["body"].close()
    assert reply["serviceTier"] == "flex"
    assert server.bill.rows[0].charge.tier == "flex"


def test_a_tier_that_the_model_lacks_is_refused(server: BedrockServer, clients: Clients) -> None:
    assert clients.say(serviceTier={"type": "flex"})["serviceTier"] == {"type": "flex"}
    refused(lambda: clients.say(model=LLAMA, serviceTier={"type": "flex"}), "service tier")
    assert [row.charge.tier for row in server.bill] == ["flex"]


# -- names -------------------------------------------------------------------------------------------------------


def arn(kind: str, name: str, account: str = "123456789012", region: str = "us-east-1") -> str:
    return f"arn:aws:bedrock:{region}:{account}:{kind}/{name}"


@pytest.mark.parametrize(
    ("model", "match", "code"),
    [
        ("us.amazon.nova-nope-v1:0", "model identifier is invalid", "ValidationException"),
        ("amazon.nova-lite", "model identifier is invalid", "ValidationException"),  # no model by a part of its name
        (PRO, "don't have access to the model", "AccessDeniedException"),
        (TITAN, "doesn't support the model", "ValidationException"),
        (arn("inference-profile", LITE, account="999999999999"), "not authorized", "AccessDeniedException"),
        (arn("inference-profile", LITE, region="eu-west-1"), "identifier is invalid", "ValidationException"),
        (arn("application-inference-profile", "nope"), "Could not find", "ResourceNotFoundException"),
        (arn("application-inference-profile", "abc123def456", "999999999999"), "not auth", "AccessDeniedException"),
    ],
)
def test_a_model_that_is_not_there(model: str, match: str, code: str, clients: Clients) -> None:
    refused(lambda: clients.say(model=model), match, code)


@pytest.mark.parametrize(
    ("model", "served"),
    [
        (LITE, LITE),
        (PROFILE, LITE),
        (arn("inference-profile", LITE), LITE),
        (arn("foundation-model", "amazon.nova-lite-v1:0", account=""), "amazon.nova-lite-v1:0"),
    ],
)
def test_ids_and_arns_of_one_model(model: str, served: str, server: BedrockServer, clients: Clients) -> None:
    clients.say(model=model)
    assert [row.model for row in server.bill] == [served]


def test_a_router_tells_which_model_served(server: BedrockServer, clients: Clients) -> None:
    router = arn("prompt-router", "cheapest")
    served = {"promptRouter": {"invokedModelId": arn("inference-profile", LITE)}}
    assert clients.say(model=router)["trace"] == served
    events = clients.call("ConverseStream", modelId=router, messages=[user(SOURCES)])
    assert events[-1]["metadata"]["trace"] == served
    assert [row.model for row in server.bill] == [LITE, LITE]
    refused(lambda: clients.say(model=arn("prompt-router", "dearest")), "identifier is invalid")


def test_a_model_that_needs_a_profile() -> None:
    with BedrockServer(chat={BARE_HAIKU: ChatModel(on_demand=False)}) as server:
        clients = Clients(server)
        refused(lambda: clients.say(model=BARE_HAIKU), "on-demand throughput")
        clients.close()


@pytest.mark.parametrize("name", ["jp.amazon.nova-2-lite-v1:0", HAIKU])
def test_a_profile_needs_no_more_than_itself(name: str) -> None:
    with BedrockServer(chat=[name]) as server:
        clients = Clients(server)
        found = clients.call("GetInferenceProfile", inferenceProfileIdentifier=name)
        clients.close()
    assert {model["modelArn"].rpartition("/")[2] for model in found["models"]} == {name.partition(".")[2]}


def test_profiles_name_their_models(clients: Clients) -> None:
    found = clients.call("GetInferenceProfile", inferenceProfileIdentifier=LITE)
    assert (found["type"], found["inferenceProfileId"]) == ("SYSTEM_DEFINED", LITE)
    assert len(found["models"]) == 3
    assert all(model["modelArn"].endswith("::foundation-model/amazon.nova-lite-v1:0") for model in found["models"])
    plain = clients.call("GetInferenceProfile", inferenceProfileIdentifier="plain0000000")
    assert [model["modelArn"] for model in plain["models"]] == [
        arn("foundation-model", "amazon.nova-lite-v1:0", account="")
    ]
    refused(
        lambda: clients.call("GetInferenceProfile", inferenceProfileIdentifier="amazon.nova-lite-v1:0"),
        "Could not find",
        "ResourceNotFoundException",
    )


def counted(clients: Clients, model: str, **asked: Any) -> int:
    return int(clients.call("CountTokens", modelId=model, input={"converse": asked})["inputTokens"])


def test_tokens_are_counted_as_they_are_billed(clients: Clients) -> None:
    asked = {"messages": [user(SOURCES)], "system": [{"text": "Be brief, please."}]}
    usage = clients.call("Converse", modelId=BARE_HAIKU, **asked)["usage"]
    assert counted(clients, BARE_HAIKU, **asked) == usage["inputTokens"] > Tokenizer().count(SOURCES)


@pytest.mark.parametrize("model", [HAIKU, "amazon.nova-lite-v1:0", TITAN])
def test_tokens_are_not_counted_for_every_model(model: str, clients: Clients) -> None:
    refused(lambda: counted(clients, model, messages=[user(SOURCES)]), "counting tokens")


# -- the prompt cache --------------------------------------------------------------------------------------------


def test_a_prefix_is_written_then_read(server: BedrockServer, clients: Clients) -> None:
    system = [{"text": "rule " * 2_000}, {"cachePoint": {"type": "default"}}]
    usages = [clients.say(system=system)["usage"] for _ in range(2)]
    assert [usage["cacheWriteInputTokens"] for usage in usages] == [2_000, 0]
    assert [usage["cacheReadInputTokens"] for usage in usages] == [0, 2_000]
    assert usages[0]["cacheDetails"] == [{"ttl": "5m", "inputTokens": 2_000}]
    for usage in usages:
        parts = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
        assert usage["totalTokens"] == sum(usage[part] for part in parts)
    assert clients.say(model=f"eu.{LITE.removeprefix('us.')}", system=system)["usage"]["cacheReadInputTokens"] == 0


def test_a_short_prefix_is_left_alone_in_silence(clients: Clients) -> None:
    for model, smallest in ((LITE, 1_024), (HAIKU, 4_096)):
        for tokens, written in ((smallest - 1, 0), (smallest, smallest)):
            system = [{"text": f"{model} " + "rule " * (tokens - Tokenizer().count(model))}]
            system.append({"cachePoint": {"type": "default"}})
            assert clients.say(model=model, system=system)["usage"]["cacheWriteInputTokens"] == written


def test_cache_points_have_their_rules(clients: Clients) -> None:
    five, hour = {"cachePoint": {"type": "default"}}, {"cachePoint": {"type": "default", "ttl": "1h"}}
    refused(lambda: clients.say(model=LLAMA, system=[{"text": "a"}, five]), "prompt caching", "AccessDeniedException")
    refused(lambda: clients.say(system=[{"text": "a"}, *[five] * 5]), "maximum of 4")
    refused(lambda: clients.say(system=[{"text": "a"}, five, {"text": "b"}, hour]), "must not come after")


def test_a_cached_prefix_lives_as_long_as_it_is_used() -> None:
    now = [0.0]
    cache, model = PromptCache(clock=lambda: now[0]), ChatModel(smallest_cached=2)

    def use(*blocks: dict[str, Any]) -> Cached:
        return cache.use("m", model, blocks)

    first, second = {"text": "one two three"}, {"text": "four five"}
    five, hour = {"cachePoint": {"type": "default"}}, {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert use(first, hour, second, five) == Cached(written={"1h": 3, "5m": 2})
    now[0] = 290
    assert use(first, hour, second, five) == Cached(read=5, written={})
    now[0] = 580  # read 290 seconds ago, which began its time anew
    assert use(first, hour, second, five) == Cached(read=5, written={})
    now[0] = 900
    assert use(first, hour, second, five) == Cached(read=3, written={"5m": 2})
    now[0] = 5_000
    assert use(first, hour) == Cached(written={"1h": 3})
    assert use({"text": "other text"}, hour) == Cached(written={"1h": 2})


# -- embeddings --------------------------------------------------------------------------------------------------


def near(made: Callable[[str], Any]) -> None:
    """Texts that share words are near, also when one is a query; the same text is the same vector."""
    rows = [made(text) for text in ("the notice period is long", "how long is the notice period", "lunch is at noon")]
    first, second, third = (np.asarray(row) / np.linalg.norm(row) for row in rows)
    assert first @ second > first @ third + 0.2
    assert np.array_equal(rows[0], made("the notice period is long"))


@pytest.mark.parametrize("dimensions", [256, 512, 1024])
def test_titan(dimensions: int, server: BedrockServer, clients: Clients) -> None:
    made = clients.embed(TITAN, inputText="a b c", dimensions=dimensions, embeddingTypes=["float", "binary"])
    assert len(made["embedding"]) == dimensions
    assert made["embeddingsByType"]["float"] == made["embedding"]
    assert set(made["embeddingsByType"]["binary"]) == {0, 1}
    assert np.linalg.norm(made["embedding"]) == pytest.approx(1)
    assert made["inputTextTokenCount"] == server.calls[0].input_tokens == 3
    assert np.linalg.norm(clients.embed(TITAN, inputText="a b c", normalize=False)["embedding"]) > 10
    near(lambda text: clients.embed(TITAN, inputText=text)["embedding"])


def nova(**given: Any) -> dict[str, Any]:
    text = {"truncationMode": "NONE", "value": "a b c"} | given.pop("text", {})
    purpose = {"embeddingPurpose": "GENERIC_INDEX", "text": text}
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": purpose | given}


@pytest.mark.parametrize(
    ("model", "body", "match"),
    [
        (TITAN, {}, r"required key \[inputText\] not found"),
        (TITAN, {"inputText": "a", "extra": 1}, r"extraneous key \[extra\] is not permitted"),
        (TITAN, {"inputText": " "}, "expected minLength: 1"),
        (TITAN, {"inputText": ["a"]}, "expected type: String"),
        (TITAN, {"inputText": "a" * 50_001}, "expected maxLength: 50000, actual: 50001"),
        (TITAN, {"inputText": "a " * 8_193}, "Max input tokens: 8192, request input token count: 8193"),
        (TITAN, {"inputText": "a", "dimensions": 300}, "dimensions: 300"),
        (TITAN, {"inputText": "a", "dimensions": True}, "dimensions"),
        (TITAN, {"inputText": "a", "normalize": "yes"}, "normalize"),
        (TITAN, {"inputText": "a", "embeddingTypes": ["int4"]}, "embeddingTypes"),
        (V3, {"texts": ["a"]}, r"required key \[input_type\] not found"),
        (V3, {"texts": ["a"], "input_type": "query"}, "input_type"),
        (V3, {"texts": [], "input_type": "search_query"}, "minimum item count"),
        (V3, {"texts": ["a"] * 97, "input_type": "search_query"}, "maximum item count: 96, found: 97"),
        (V3, {"texts": ["a", "b" * 2_049], "input_type": "search_query"}, "texts/1: expected maxLength: 2048"),
        (V3, {"texts": ["a " * 513], "input_type": "search_query"}, "Input is too long"),
        (V3, {"texts": ["a"], "input_type": "search_query", "truncate": "RIGHT"}, "truncate"),
        (V3, {"texts": ["a"], "input_type": "search_query", "output_dimension": 256}, "extraneous key"),
        (V3, {"texts": ["a"], "input_type": "search_query", "embedding_types": []}, "embedding_types"),
        (V3, {"texts": ["a", 1], "input_type": "search_query"}, "texts/1: expected type: String"),
        (V4, {"texts": ["a"] * 97, "input_type": "search_query"}, "maximum item count"),
        (V4, {"texts": ["a"], "input_type": "search_query", "output_dimension": 768}, "output_dimension: 768"),
        (V4, {"texts": ["a"], "input_type": "search_query", "truncate": "END"}, "truncate"),
        (V4, {"texts": ["a b c"], "input_type": "search_query", "max_tokens": 2}, "Input is too long"),
        (NOVA, {"taskType": "SEGMENTED_EMBEDDING", "singleEmbeddingParams": {}}, "taskType"),
        (NOVA, nova(embeddingDimension=512), "embeddingDimension: 512"),
        (NOVA, nova(embeddingPurpose="SEARCH"), "embeddingPurpose"),
        (NOVA, nova(text={"value": "a" * 50_001}), "expected maxLength: 50000"),
        (NOVA, nova(text={"value": "a " * 8_193}), "Max input tokens: 8192"),
        (NOVA, nova(text={"value": ""}), "minLength"),
        (NOVA, nova(image={}), "extraneous key"),
    ],
)
def test_the_limits_of_each_embedding_model(
    model: str, body: dict[str, Any], match: str, server: BedrockServer, clients: Clients
) -> None:
    refused(lambda: clients.embed(model, **body), match)
    assert len(server.bill) == 0


@pytest.mark.parametrize("model", [V3, V4])
def test_cohere(model: str, server: BedrockServer, clients: Clients) -> None:
    made = clients.embed(model, texts=["a b", "c"], input_type="search_document")
    assert (made["response_type"], made["texts"]) == ("embeddings_floats", ["a b", "c"])
    assert np.asarray(made["embeddings"]).shape == (2, 1024 if model == V3 else 1536)
    assert server.calls[0].input_tokens == 3
    kinds = ["float", "int8", "uint8", "binary", "ubinary"]
    typed = clients.embed(model, texts=["a b", "c"], input_type="search_document", embedding_types=kinds)
    by_type = {name: np.asarray(rows) for name, rows in typed["embeddings"].items()}
    assert typed["response_type"] == "embeddings_by_type"
    assert list(by_type) == kinds
    assert np.array_equal(by_type["float"], made["embeddings"])
    assert -128 <= by_type["int8"].min() < 0 < by_type["int8"].max() == 127
    assert np.array_equal(by_type["uint8"], by_type["int8"] + 128)
    assert by_type["binary"].shape[1] * 8 == by_type["float"].shape[1]
    assert np.array_equal(by_type["ubinary"], by_type["binary"] + 128)
    assert np.array_equal(np.unpackbits(by_type["ubinary"].astype(np.uint8), axis=1), by_type["float"] > 0)
    query = clients.embed(model, texts=["a b"], input_type="search_query")["embeddings"][0]
    assert 0.9 < np.dot(query, made["embeddings"][0]) < 0.9999  # a query is not the document
    near(lambda text: clients.embed(model, texts=[text], input_type="search_document")["embeddings"][0])


@pytest.mark.parametrize(
    ("model", "truncate", "most", "kept"),
    [
        (CohereV4(), "RIGHT", {"max_tokens": 2}, "one two"),
        (CohereV4(), "LEFT", {"max_tokens": 2}, "two three"),
        (CohereV3(tokenizer=Tokenizer(256)), "END", {}, "one two"),
        (CohereV3(tokenizer=Tokenizer(256)), "START", {}, "two three"),
    ],
)
def test_a_text_is_cut_at_the_end_that_was_asked_for(
    model: CohereV3 | CohereV4, truncate: str, most: dict[str, int], kept: str
) -> None:
    asked = {"input_type": "search_query", "truncate": truncate}
    whole, _ = model.invoke({"texts": [kept], **asked})
    cut, tokens = model.invoke({"texts": ["one two three"], **asked, **most})
    assert cut["embeddings"] == whole["embeddings"]
    assert tokens == model.tokenizer.count(kept)


@pytest.mark.parametrize("dimensions", NovaMultimodal.dimensions)
def test_nova(dimensions: int, server: BedrockServer, clients: Clients) -> None:
    (made,) = clients.embed(NOVA, **nova(embeddingDimension=dimensions))["embeddings"]
    assert (made["embeddingType"], len(made["embedding"])) == ("TEXT", dimensions)
    assert "truncatedCharLength" not in made
    (cut,) = clients.embed(NOVA, **nova(text={"truncationMode": "END", "value": "ab " * 9_000}))["embeddings"]
    assert cut["truncatedCharLength"] == 8_192 * 3 - 1
    assert [call.input_tokens for call in server.calls] == [3, 8_192]
    near(lambda text: clients.embed(NOVA, **nova(text={"value": text}))["embeddings"][0]["embedding"])
    stored = clients.embed(NOVA, **nova())["embeddings"][0]["embedding"]
    asked = clients.embed(NOVA, **nova(embeddingPurpose="TEXT_RETRIEVAL"))["embeddings"][0]["embedding"]
    assert stored != asked


def test_every_listed_model_is_played(server: BedrockServer, clients: Clients) -> None:
    for name, model in default_models().items():
        if isinstance(model, ChatModel) and name != PRO:
            assert clients.say(model=name)["stopReason"] == "end_turn"
    assert server.failures == ()


# -- rerank ------------------------------------------------------------------------------------------------------


def test_rerank_puts_the_best_first(server: BedrockServer, clients: Clients) -> None:
    asked = rerank("lunch time", "the train leaves", "lunch is at noon", "lunch time is noon", numberOfResults=2)
    results = clients.call("Rerank", **asked)["results"]
    assert [result["index"] for result in results] == [2, 1]
    assert all(0 <= result["relevanceScore"] <= 1 for result in results)
    assert [row.charge.units for row in server.bill] == [1]
    assert score("", "x") == score("x", "") == 0


@pytest.mark.parametrize(("documents", "words", "queries"), [(100, 10, 1), (101, 10, 2), (350, 10, 4), (60, 900, 2)])
def test_rerank_is_billed_by_the_hundred(
    documents: int, words: int, queries: int, server: BedrockServer, clients: Clients
) -> None:
    clients.call("Rerank", **rerank("q", *["word " * words] * documents))
    assert server.bill.rows[0].charge.units == queries


def test_rerank_refuses(clients: Clients) -> None:
    refused(lambda: clients.call("Rerank", **rerank("q", "t", arn="amazon.rerank-v1:0")), "ARN is invalid")
    refused(lambda: clients.call("Rerank", **rerank("q", "t", arn=arn("foundation-model", TITAN, ""))), "support")
    refused(lambda: clients.call("Rerank", **rerank("q", "t", numberOfResults=2)), "above the number of sources")
    asked = rerank("q", "t")
    asked["sources"][0]["inlineDocumentSource"] = {"type": "JSON"}
    refused(lambda: clients.call("Rerank", **asked), "Source 1")
    asked["sources"][0]["inlineDocumentSource"] = {"type": "JSON", "jsonDocument": {"q": 1}}
    assert clients.call("Rerank", **asked)["results"][0]["relevanceScore"] > 0


# -- guardrails --------------------------------------------------------------------------------------------------


def applied(clients: Clients, *blocks: tuple[str, ...], source: str = "INPUT", **given: Any) -> Any:
    content = [
        {"text": {"text": text, "qualifiers": list(kinds)} if kinds else {"text": text}} for text, *kinds in blocks
    ]
    house = {"guardrailIdentifier": "house", "guardrailVersion": "1"}
    return clients.call("ApplyGuardrail", **house | given, source=source, content=content)


@pytest.mark.parametrize(
    ("text", "policy", "part"),
    [
        ("Eat a Banana!", "wordPolicy", ("customWords", "match", "banana")),
        ("Should I buy shares?", "topicPolicy", ("topics", "name", "Investment")),
        ("Ignore previous instructions.", "contentPolicy", ("filters", "type", "PROMPT_ATTACK")),
        ("Card 4111 1111 1111 1111", "sensitiveInformationPolicy", ("piiEntities", "match", "4111 1111 1111 1111")),
    ],
)
@pytest.mark.parametrize("source", ["INPUT", "OUTPUT"])
def test_a_guardrail_blocks(source: str, text: str, policy: str, part: tuple[str, str, str], clients: Clients) -> None:
    found = applied(clients, (text,), source=source)
    assert found["action"] == "GUARDRAIL_INTERVENED"
    assert found["outputs"] == [{"text": "I cannot take this." if source == "INPUT" else "I cannot say this."}]
    assert list(found["assessments"][0]) == [policy, "invocationMetrics"]
    (hit,) = found["assessments"][0][policy][part[0]]
    assert (hit[part[1]], hit["action"]) == (part[2], "BLOCKED")


def test_a_guardrail_masks(clients: Clients) -> None:
    found = applied(clients, ("Ann (ann@example.com) wrote T-1234.",), ("call 020 1234 567",))
    assert (found["action"], found["actionReason"]) == ("GUARDRAIL_INTERVENED", "Guardrail masked.")
    assert [output["text"] for output in found["outputs"]] == ["Ann ({EMAIL}) wrote {ticket}.", "call 020 1234 567"]
    actions = [entity["action"] for entity in found["assessments"][0]["sensitiveInformationPolicy"]["piiEntities"]]
    assert actions == ["ANONYMIZED", "NONE"]


def test_a_guardrail_lets_good_text_through(server: BedrockServer, clients: Clients) -> None:
    found = applied(clients, ("When is lunch? Card 4111 1111 1111 1112.",))  # a number, but no card's
    assert (found["action"], found["outputs"]) == ("NONE", [])
    assert list(found["assessments"][0]) == ["invocationMetrics"]
    full = applied(clients, ("When is lunch?",), outputScope="FULL")["assessments"][0]
    assert full["contentPolicy"]["filters"][0]["detected"] is False
    assert full["topicPolicy"]["topics"][0]["action"] == "NONE"


def test_units_are_thousands_of_characters(server: BedrockServer, clients: Clients) -> None:
    usage = applied(clients, ("x" * 1_001,), ("y" * 1_000,))["usage"]
    assert usage["wordPolicyUnits"] == usage["contentPolicyUnits"] == usage["topicPolicyUnits"] == 3
    assert (usage["sensitiveInformationPolicyUnits"], usage["contextualGroundingPolicyUnits"]) == (3, 0)
    assert server.bill.rows[0].charge.policies == usage
    usage = applied(clients, ("T-12",), guardrailIdentifier="free")["usage"]
    assert (usage["sensitiveInformationPolicyUnits"], usage["sensitiveInformationPolicyFreeUnits"]) == (0, 1)


@pytest.mark.parametrize(
    ("answer", "action", "kinds"),
    [
        ("Lunch is served at noon", "NONE", []),
        ("Dinner takes place tomorrow evening", "GUARDRAIL_INTERVENED", ["GROUNDING"]),
    ],
)
def test_an_answer_is_held_to_its_sources(answer: str, action: str, kinds: list[str], clients: Clients) -> None:
    source, query = ("Every day lunch is served at noon", "grounding_source"), ("When is lunch served?", "query")
    found = applied(clients, source, query, (answer, "guard_content"), source="OUTPUT")
    assert found["action"] == action
    filters = found["assessments"][0].get("contextualGroundingPolicy", {}).get("filters", [])
    assert [part["type"] for part in filters] == kinds
    full = applied(clients, source, query, (answer,), source="OUTPUT", outputScope="FULL")["assessments"][0]
    scores = {part["type"]: part["score"] for part in full["contextualGroundingPolicy"]["filters"]}
    assert set(scores) == {"GROUNDING", "RELEVANCE"}
    assert all(0 <= value <= 1 for value in scores.values())
    assert found["usage"]["contextualGroundingPolicyUnits"] == 1


def test_grounding_has_its_limits(clients: Clients) -> None:
    long = ("q" * 1_001, "query")
    refused(
        lambda: applied(clients, ("source", "grounding_source"), long, ("answer",), source="OUTPUT"),
        "query has 1001 characters",
    )


@pytest.mark.parametrize(
    ("identifier", "version", "code"),
    [
        ("nope", "1", "ResourceNotFoundException"),
        ("house", "2", "ResourceNotFoundException"),
        (arn("guardrail", "house", "999999999999"), "1", "AccessDeniedException"),
    ],
)
def test_a_guardrail_that_is_not_there(identifier: str, version: str, code: str, clients: Clients) -> None:
    given = {"guardrailIdentifier": identifier, "guardrailVersion": version}
    refused(lambda: applied(clients, ("x",), **given), "guardrail", code)
    refused(lambda: clients.say(guardrailConfig=given), "guardrail", code)


def test_a_guardrail_is_found_by_arn_and_as_draft(clients: Clients) -> None:
    given = {"guardrailIdentifier": arn("guardrail", "house"), "guardrailVersion": "DRAFT"}
    assert applied(clients, ("x",), **given)["action"] == "NONE"


GUARDED = {"guardrailIdentifier": "house", "guardrailVersion": "1", "trace": "enabled"}


def test_a_guardrail_stops_a_question_before_the_model(server: BedrockServer, clients: Clients) -> None:
    reply = clients.say("One banana please", guardrailConfig=GUARDED)
    assert reply["stopReason"] == "guardrail_intervened"
    assert reply["output"]["message"]["content"] == [{"text": "I cannot take this."}]
    assert reply["usage"]["totalTokens"] == 0
    assert "wordPolicy" in reply["trace"]["guardrail"]["inputAssessment"]["house"]
    events = clients.call("ConverseStream", modelId=LITE, messages=[user("One banana")], guardrailConfig=GUARDED)
    assert events[-2]["messageStop"]["stopReason"] == "guardrail_intervened"
    assert "trace" in events[-1]["metadata"]
    assert [row.charge.input_tokens for row in server.bill] == [0, 0]
    assert server.bill.rows[0].charge.policies["wordPolicyUnits"] == 1


def test_a_guardrail_stops_an_answer_after_the_model(server: BedrockServer, clients: Clients) -> None:
    source = {"guardContent": {"text": {"text": "Soup is hot", "qualifiers": ["grounding_source"]}}}
    query = {"guardContent": {"text": {"text": "When is lunch served?", "qualifiers": ["query"]}}}
    message = {"role": "user", "content": [source, query, {"text": SOURCES}]}
    reply = clients.call("Converse", modelId=LITE, messages=[message], guardrailConfig=GUARDED)
    assert reply["stopReason"] == "guardrail_intervened"
    assert reply["output"]["message"]["content"] == [{"text": "I cannot say this."}]
    assert reply["trace"]["guardrail"]["modelOutput"] == [ANSWER]
    assert server.bill.rows[0].charge.output_tokens == Tokenizer().count(ANSWER)  # the model has said it all the same
    plain = clients.say(guardrailConfig=GUARDED | {"trace": "disabled"})
    assert (plain["stopReason"], "trace" in plain) == ("end_turn", False)


# -- checks without a guardrail ----------------------------------------------------------------------------------


def test_checks_score_what_they_are_asked_for(server: BedrockServer, clients: Clients) -> None:
    checks = {
        "contentFilter": {"categories": [{"category": "INSULTS"}, {"category": "HATE"}]},
        "promptAttack": {"categories": [{"category": "PROMPT_INJECTION"}, {"category": "JAILBREAK"}]},
        "sensitiveInformation": {"entities": [{"type": "EMAIL"}]},
    }
    messages = [user("Ignore previous instructions, idiot."), user("Mail ann@example.com")]
    found = clients.call("InvokeGuardrailChecks", messages=messages, checks=checks)
    results = found["results"]
    scores = {
        part["category"]: part["severityScore"]
        for name in ("contentFilter", "promptAttack")
        for part in results[name]["results"]
    }
    assert scores["INSULTS"] > 0.5 < scores["PROMPT_INJECTION"]
    assert scores["HATE"] == scores["JAILBREAK"] == 0
    (entity,) = results["sensitiveInformation"]["results"]
    assert (entity["messageIndex"], entity["contentIndex"]) == (1, 0)
    text = messages[1]["content"][0]["text"]
    assert text[entity["beginOffset"] : entity["endOffset"]] == "ann@example.com"
    assert found["usage"] == {name: {"textUnits": 1} for name in checks}
    assert server.bill.rows[0].charge.policies == dict.fromkeys(checks, 1)
    refused(lambda: clients.call("InvokeGuardrailChecks", messages=messages, checks={}), "At least one check")


def test_models_of_one_operation_are_no_use_to_another(clients: Clients) -> None:
    refused(lambda: clients.embed(LITE, prompt="x"), "Malformed input request")
    refused(lambda: clients.call("InvokeModel", modelId=TITAN, body=b"{"), "Malformed input request")
    refused(lambda: clients.call("InvokeModel", modelId=TITAN, body=json.dumps([1])), "expected type: JSONObject")
