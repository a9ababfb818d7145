"""The stand-in for Bedrock against the real boto3: every operation, signatures, shapes, streams, bills, hostility."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

import ragdiet.testing.bedrock
from ragdiet import PriceBook
from ragdiet.testing.bedrock import KEYS, BedrockServer, Charge, ChatModel, Fault, Guardrail, Keys, Rates, Tokenizer
from ragdiet.testing.bedrock.frames import event, message
from ragdiet.testing.bedrock.operations import PLAYED, Operations
from ragdiet.testing.bedrock.refusal import STATUS, Refused
from ragdiet.testing.bedrock.shapes import NotOfItsType, Shapes
from ragdiet.testing.bedrock.sigv4 import Signed, check
from ragdiet.types import Usage
from tests.stand_in import ANSWER, GOOD, HAIKU, LITE, PROFILE, SOURCES, TITAN, Clients, rerank, user

OPERATIONS = sorted(name for names in PLAYED.values() for name in names)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[BedrockServer, Clients, Clients]]:
    with BedrockServer(
        guardrails={"house": Guardrail(words=["banana"], personal={"EMAIL": "ANONYMIZE"})},
        profiles={"abc123def456": LITE},
        denied=["us.amazon.nova-pro-v1:0"],
    ) as running:
        clients = Clients(running)
        unchecked = Clients(running, parameter_validation=False)
        yield running, clients, unchecked
        assert running.failures == ()
        clients.close()
        unchecked.close()


@pytest.fixture
def server(shared: tuple[BedrockServer, Clients, Clients]) -> BedrockServer:
    assert shared[0].failures == ()
    shared[0].reset()
    return shared[0]


@pytest.fixture
def clients(shared: tuple[BedrockServer, Clients, Clients]) -> Clients:
    return shared[1]


@pytest.fixture
def unchecked(shared: tuple[BedrockServer, Clients, Clients]) -> Clients:
    """boto3 that sends what it would refuse."""
    return shared[2]


def refusal(call: Callable[[], object]) -> tuple[str, str]:
    """AWS's code and message, and the status that belongs to it."""
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == STATUS[error["Error"]["Code"]]
    return error["Error"]["Code"], error["Error"]["Message"]


# -- every operation ---------------------------------------------------------------------------------------------


def test_every_operation_has_a_good_request_here() -> None:
    assert sorted(GOOD) == OPERATIONS


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_is_answered(operation: str, server: BedrockServer, clients: Clients) -> None:
    assert clients.good(operation)
    (call,) = server.calls
    assert (call.operation, call.status, call.code, call.region) == (operation, 200, "", "us-east-1")
    assert call.model or operation == "InvokeGuardrailChecks"
    assert call.billed == (operation not in ("CountTokens", "GetInferenceProfile"))
    assert len(server.bill) == call.billed


def test_a_reply_names_its_request(server: BedrockServer, clients: Clients) -> None:
    ids = [clients.say()["ResponseMetadata"]["RequestId"] for _ in range(2)]
    assert ids == [call.request_id for call in server.calls]
    assert len(set(ids)) == 2


def test_converse_answers_from_the_sources(server: BedrockServer, clients: Clients) -> None:
    reply = clients.say()
    assert reply["output"]["message"] == {"role": "assistant", "content": [{"text": ANSWER}]}
    assert reply["stopReason"] == "end_turn"
    counted, written = (Tokenizer().count(text) for text in (SOURCES, ANSWER))
    assert reply["usage"]["inputTokens"] == server.calls[0].input_tokens == counted
    assert reply["usage"]["outputTokens"] == server.calls[0].output_tokens == written
    assert reply["usage"]["totalTokens"] == counted + written
    assert server.calls[0].request["messages"] == [user(SOURCES)]


def test_a_stream_says_what_converse_says(clients: Clients) -> None:
    whole, events = clients.say(), clients.good("ConverseStream")
    names = [next(iter(event)) for event in events]
    assert names[0] == "messageStart"
    assert names[-3:] == ["contentBlockStop", "messageStop", "metadata"]
    deltas = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert len(deltas) > 2
    assert "".join(deltas) == ANSWER
    assert events[-2]["messageStop"]["stopReason"] == whole["stopReason"]
    assert events[-1]["metadata"]["usage"] == whole["usage"]


def test_an_arn_of_a_profile_is_its_model(server: BedrockServer, clients: Clients) -> None:
    assert clients.say(model=PROFILE)["stopReason"] == "end_turn"
    (call,) = server.calls
    assert (call.model, call.charge.served) == (PROFILE, LITE)  # slashes and colons went through the signature
    found = clients.call("GetInferenceProfile", inferenceProfileIdentifier=PROFILE)
    assert found["type"] == "APPLICATION"
    assert {model["modelArn"].rpartition("/")[2] for model in found["models"]} == {"amazon.nova-lite-v1:0"}


def test_calls_run_side_by_side_and_none_is_lost(server: BedrockServer) -> None:
    clients = Clients(server, max_pool_connections=64)
    server.always(Fault(delay=0.05))
    threads = [threading.Thread(target=clients.say) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clients.close()
    assert len(server.calls) == len({call.request_id for call in server.calls}) == 64
    assert server.most_at_once > 8


# -- what the shapes allow ---------------------------------------------------------------------------------------


def without(operation: str, name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD[operation]().items() if key != name}


def changed(operation: str, **given: Any) -> dict[str, Any]:
    return GOOD[operation]() | given


WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("Converse", changed("Converse", inferenceConfig={"maxTokens": 0}), "inferenceConfig.maxTokens", "equal to 1"),
    ("Converse", changed("Converse", inferenceConfig={"temperature": 1.5}), "temperature", "less than or equal to 1"),
    ("Converse", changed("Converse", serviceTier={"type": "fast"}), "serviceTier.type", "enum value set"),
    ("Converse", changed("Converse", serviceTier={}), "serviceTier.type", "must not be null"),
    ("Converse", changed("Converse", requestMetadata={"k": "{}"}), "requestMetadata.k", "pattern"),
    ("Converse", changed("Converse", requestMetadata={"k" * 257: "v"}), "requestMetadata.key", "length less"),
    ("Converse", changed("Converse", requestMetadata={str(n): "v" for n in range(17)}), "requestMetadata", "16"),
    ("Converse", changed("Converse", requestMetadata={}), "requestMetadata", "equal to 1"),
    ("Converse", changed("Converse", system=[{"text": ""}]), "system.1.member.text", "equal to 1"),
    ("Converse", changed("Converse", messages=[{"role": "robot", "content": []}]), "messages.1.member.role", "enum"),
    ("Converse", changed("Converse", messages=[{"content": []}]), "messages.1.member.role", "null"),
    ("Converse", changed("Converse", system=[{"cachePoint": {"type": "default", "ttl": "2h"}}]), "ttl", "enum"),
    ("Converse", changed("Converse", modelId="bad model!"), "modelId", "pattern"),
    ("Rerank", rerank("q", "t") | {"sources": []}, "sources", "equal to 1"),
    ("Rerank", rerank("q", *["t"] * 1_001), "sources", "1000"),
    ("Rerank", rerank("q" * 32_001, "t"), "queries.1.member.textQuery.text", "32000"),
    ("Rerank", rerank("q", "t", numberOfResults=1_001), "numberOfResults", "1000"),
    ("Rerank", without("Rerank", "queries"), "queries", "null"),
    ("CountTokens", changed("CountTokens", input={}), "input", "exactly one"),
    ("ApplyGuardrail", changed("ApplyGuardrail", source="BOTH"), "source", "enum"),
    ("ApplyGuardrail", changed("ApplyGuardrail", guardrailIdentifier="NO"), "guardrailIdentifier", "pattern"),
    ("InvokeGuardrailChecks", changed("InvokeGuardrailChecks", messages=[]), "messages", "equal to 1"),
    ("InvokeModel", changed("InvokeModel", serviceTier="fast"), "serviceTier", "enum"),
    ("GetInferenceProfile", {"inferenceProfileIdentifier": "a b"}, "inferenceProfileIdentifier", "pattern"),
]


@pytest.mark.parametrize(("operation", "request_", "place", "constraint"), WRONG)
def test_what_breaks_the_service_model_is_refused(
    operation: str,
    request_: dict[str, Any],
    place: str,
    constraint: str,
    server: BedrockServer,
    unchecked: Clients,
) -> None:
    code, said = refusal(lambda: unchecked.call(operation, **request_))
    assert code == "ValidationException"
    assert place in said
    assert constraint in said
    assert "validation error" in said
    assert [call.billed for call in server.calls] == [False]


def test_all_that_is_wrong_is_told_at_once(unchecked: Clients) -> None:
    asked = changed("Converse", inferenceConfig={"maxTokens": 0, "topP": 2}, serviceTier={"type": "fast"})
    assert refusal(lambda: unchecked.call("Converse", **asked))[1].startswith("3 validation errors detected")


@pytest.mark.parametrize(
    "messages", ["text", [user("x"), 3], [{"role": 1, "content": []}], [{"role": "user", "content": {}}], {}, True]
)
def test_a_wrong_type_is_not_read(messages: object, server: BedrockServer) -> None:
    raw = send(server, "/model/m/converse", json.dumps({"messages": messages}).encode())
    assert raw.startswith(b"HTTP/1.1 400")
    assert b"SerializationException" in raw


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff\xfe", b'{"a": NaN}', b"[" * 50_000, b'{"a": 1}{}'])
def test_what_is_not_a_json_object_is_not_read(body: bytes, server: BedrockServer) -> None:
    raw = send(server, "/model/m/converse", body)
    assert raw.startswith(b"HTTP/1.1 400")
    assert b"SerializationException" in raw


@pytest.mark.parametrize("operation", ["Converse", "Rerank", "InvokeGuardrailChecks"])
def test_a_key_that_the_model_lacks_is_refused(operation: str, server: BedrockServer) -> None:
    path = {"Converse": f"/model/{LITE.replace(':', '%3A')}/converse", "Rerank": "/rerank"}
    asked = {key: value for key, value in GOOD[operation]().items() if key != "modelId"} | {"surprise": 1}
    raw = send(server, path.get(operation, "/guardrail-checks/invoke"), json.dumps(asked).encode())
    assert raw.startswith(b"HTTP/1.1 400")
    assert b"extraneous key [surprise]" in raw


SMALL = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["", "user", "default", "x", "5m", "TEXT"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["text", "role", "content", "type", "ttl", "cachePoint", "guardContent", "zzz"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)
CONVERSE = next(operation for operation in Operations() if operation.name == "Converse")
SHAPES = Shapes()


@settings(max_examples=400, deadline=None)
@given(messages=SMALL, system=SMALL, tier=SMALL)
def test_nothing_passes_that_botocore_would_not_send(messages: object, system: object, tier: object) -> None:
    request = {"modelId": LITE, "messages": messages, "system": system, "serviceTier": tier}
    request = {name: value for name, value in request.items() if value is not None}
    try:
        ours = SHAPES.problems(request, CONVERSE.takes)
    except NotOfItsType as error:
        ours = [str(error)]
    theirs = ParamValidator().validate(_without_none(request), CONVERSE.takes)
    if theirs.has_errors():
        assert ours, theirs.generate_report()


def _without_none(value: Any) -> Any:
    """JSON's null in an object is a member that is not given."""
    if isinstance(value, dict):
        return {key: _without_none(part) for key, part in value.items() if part is not None}
    return [_without_none(part) for part in value] if isinstance(value, list) else value


# -- signatures --------------------------------------------------------------------------------------------------

INVALID = "InvalidSignatureException"


def signed(
    server: BedrockServer,
    path: str,
    body: bytes,
    *,
    keys: Keys = KEYS,
    region: str = "us-east-1",
    service: str = "bedrock",
    at: datetime | None = None,
    headers: Mapping[str, str] | None = None,
) -> AWSRequest:
    """A request with botocore's own signature, of any time and scope."""
    sent = {"Content-Type": "application/json", **(headers or {})}
    request = AWSRequest("POST", f"{server.url}{path}", headers=sent, data=body)
    signer = SigV4Auth(Credentials(keys.access_key, keys.secret_key, keys.session_token or None), service, region)
    request.context["timestamp"] = (at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    request.headers["X-Amz-Date"] = request.context["timestamp"]
    if keys.session_token:
        request.headers["X-Amz-Security-Token"] = keys.session_token
    canonical = signer.canonical_request(request)
    found = signer.signature(signer.string_to_sign(request, canonical), request)
    request.headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, "
        f"SignedHeaders={signer.signed_headers(signer.headers_to_sign(request))}, Signature={found}"
    )
    return request


def raw_of(request: AWSRequest, body: bytes, **headers: str) -> bytes:
    _, _, rest = request.url.partition("://")
    host, _, path = rest.partition("/")
    sent = {"Host": host, "Content-Length": str(len(body)), **dict(request.headers.items()), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"{request.method} /{path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def exchange(server: BedrockServer, raw: bytes, *, timeout: float = 5) -> bytes:
    """Bytes to the server, and what comes back until it is quiet for a moment or ends."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    with closing(socket.create_connection((host, int(port)), timeout=timeout)) as connection:
        connection.sendall(raw)
        received = b""
        connection.settimeout(timeout)
        while True:
            head, _, body = received.partition(b"\r\n\r\n")
            size = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if size and len(body) >= int(size[0].split(b":")[1]):
                return received
            try:
                part = connection.recv(65_536)
            except (TimeoutError, ConnectionResetError):
                return received
            if not part:
                return received
            received += part


def send(server: BedrockServer, path: str, body: bytes, **given: Any) -> bytes:
    return exchange(server, raw_of(signed(server, path, body, **given), body))


PATH = f"/model/{LITE.replace(':', '%3A')}/converse"
BODY = json.dumps({"messages": [user(SOURCES)]}).encode()


def test_botocores_own_signature_is_good(server: BedrockServer) -> None:
    assert send(server, PATH, BODY).startswith(b"HTTP/1.1 200")
    assert send(server, "/model/a%2Fb%3Ac%20d~e/converse?z=1&a=%20", BODY).startswith(b"HTTP/1.1 400")
    assert server.calls[1].code == "ValidationException"  # it came past the signature


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ({"keys": Keys(access_key=KEYS.access_key, secret_key="other")}, INVALID, b"does not match"),
        (
            {"keys": Keys(access_key="AKIDOTHER", secret_key="secret")},
            "UnrecognizedClientException",
            b"token included in the request is invalid",
        ),
        (
            {"keys": Keys(access_key=KEYS.access_key, secret_key="secret", session_token="t")},
            "UnrecognizedClientException",
            b"invalid",
        ),
        ({"region": "eu-west-1"}, INVALID, b"valid region"),
        ({"service": "s3"}, INVALID, b"correct service"),
        ({"at": datetime.now(UTC) - timedelta(minutes=6)}, INVALID, b"Signature expired"),
        ({"at": datetime.now(UTC) + timedelta(minutes=20)}, INVALID, b"not yet current"),
    ],
)
def test_a_wrong_signature_is_refused(given: dict[str, Any], code: str, said: bytes, server: BedrockServer) -> None:
    raw = send(server, PATH, BODY, **given)
    assert raw.startswith(b"HTTP/1.1 403")
    assert f"x-amzn-errortype: {code}:".encode() in raw
    assert said in raw
    assert [(call.code, call.operation, call.billed) for call in server.calls] == [(code, "", False)]


@pytest.mark.parametrize("old", [("noon", "nine"), ("Host: ", "Host: x"), ("nova-lite", "nova-pro")])
def test_what_was_changed_after_signing_is_refused(old: tuple[str, str], server: BedrockServer) -> None:
    raw = raw_of(signed(server, PATH, BODY), BODY).replace(old[0].encode(), old[1].encode(), 1)
    raw = raw.replace(b"nova-pro-v1%3A0/", b"nova-pro-v1%3A00/") if "pro" in old[1] else raw
    assert b"does not match" in exchange(server, raw)


@pytest.mark.parametrize(
    ("authorization", "status", "code"),
    [
        ("", 403, "MissingAuthenticationTokenException"),
        ("Basic QWxhZGRpbg==", 400, "IncompleteSignature"),
        ("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE", 400, "IncompleteSignature"),
        ("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE, SignedHeaders=host, Signature=00", 400, "IncompleteSignature"),
        ("Bearer abc", 400, "IncompleteSignature"),
    ],
)
def test_no_signature_at_all(authorization: str, status: int, code: str, server: BedrockServer) -> None:
    request = signed(server, PATH, BODY)
    del request.headers["Authorization"]
    if authorization:
        request.headers["Authorization"] = authorization
    raw = exchange(server, raw_of(request, BODY))
    assert raw.startswith(f"HTTP/1.1 {status}".encode())
    assert code.encode() in raw


@pytest.mark.parametrize("stamp", ["", "yesterday", "20261332T250000Z", "2026-01-01T00:00:00Z"])
def test_a_date_that_is_none(stamp: str, server: BedrockServer) -> None:
    request = signed(server, PATH, BODY)
    raw = raw_of(request, BODY, **{"X-Amz-Date": stamp})
    assert exchange(server, raw).startswith((b"HTTP/1.1 400", b"HTTP/1.1 403"))
    assert server.calls[0].operation == ""


def test_host_and_date_must_be_signed() -> None:
    stamp = "20260102T030405Z"
    headers = {
        "host": "h",
        "x-amz-date": stamp,
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/bedrock/aws4_request, "
        "SignedHeaders=x-amz-date, Signature=00",
    }
    request = Signed(method="POST", path="/", query="", headers=headers, body=b"")
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    with pytest.raises(Refused, match="must be signed headers"):
        check(request, KEYS, "us-east-1", now=lambda: at)


def test_a_session_token_is_demanded_and_taken() -> None:
    keys = Keys(access_key="ASIDEXAMPLE", secret_key="s", session_token="a token+/=")
    with BedrockServer(keys=keys) as server:
        assert server.environment["AWS_SESSION_TOKEN"] == keys.session_token
        clients = Clients(server)
        assert clients.say()["stopReason"] == "end_turn"
        clients.close()
        other = Clients(server, keys=Keys(access_key="ASIDEXAMPLE", secret_key="s", session_token="other"))
        assert refusal(other.say)[0] == "UnrecognizedClientException"
        other.close()


def test_the_environment_leads_boto3_there(monkeypatch: pytest.MonkeyPatch, server: BedrockServer) -> None:
    """Whatever the machine has of its own: a session's token, a proxy."""
    for name, value in {
        "AWS_SESSION_TOKEN": "of-a-real-session",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "no_proxy": "example.com",
    }.items():
        monkeypatch.setenv(name, value)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    session = botocore.session.get_session()
    for service, operation, method in (
        ("bedrock-runtime", "Converse", "converse"),
        ("bedrock-agent-runtime", "Rerank", "rerank"),
        ("bedrock", "GetInferenceProfile", "get_inference_profile"),
    ):
        client = session.create_client(service)
        getattr(client, method)(**GOOD[operation]())
        client.close()
    assert [call.operation for call in server.calls] == ["Converse", "Rerank", "GetInferenceProfile"]


# -- frames ------------------------------------------------------------------------------------------------------


@given(
    headers=st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=300), max_size=4),
    payload=st.binary(max_size=2_000),
)
def test_botocore_reads_the_frames(headers: dict[str, str], payload: bytes) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(message(headers, payload) + message({}, b""))
    first, second = list(buffer)
    assert (first.headers, first.payload, second.payload) == (headers, payload, b"")


def test_an_event_names_its_type() -> None:
    headers, payload = event("messageStop", {"stopReason": "end_turn"})
    assert headers[":event-type"] == "messageStop"
    assert json.loads(payload) == {"stopReason": "end_turn"}


# -- the bill ----------------------------------------------------------------------------------------------------

RATES = {
    LITE: Rates(input=Decimal("0.06"), output=Decimal("0.24"), tiers={"flex": Decimal("0.5")}),
    HAIKU: Rates(
        input=Decimal("1.1"),
        output=Decimal("5.5"),
        cache_read=Decimal("0.11"),
        cache_write_5m=Decimal("1.375"),
        cache_write_1h=Decimal("2.2"),
    ),
    TITAN: Rates(input=Decimal("0.02")),
    "amazon.rerank-v1:0": Rates(per_1000_units=Decimal(1)),
}


def test_the_bill_is_exact() -> None:
    with BedrockServer(
        rates=RATES,
        policy_rates={"wordPolicyUnits": Decimal(0), "sensitiveInformationPolicyUnits": Decimal("0.10")},
        guardrails={"house": Guardrail(words=["banana"], personal={"EMAIL": "ANONYMIZE"})},
    ) as server:
        clients = Clients(server)
        clients.say()
        clients.say(serviceTier={"type": "flex"})
        clients.embed(TITAN, inputText="one two three")
        clients.good("Rerank")
        clients.good("ApplyGuardrail")
        clients.good("CountTokens")
        system = [{"text": "word " * 5_000}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
        for _ in range(2):
            clients.say(model=HAIKU, system=system)
        clients.close()
        asked, written = (Tokenizer().count(text) for text in (SOURCES, ANSWER))
        lite = (asked * Decimal("0.06") + written * Decimal("0.24")) / 1_000_000
        haiku = (asked * Decimal("1.1") + written * Decimal("5.5")) / 1_000_000
        costs = [
            lite,
            lite / 2,
            Decimal("0.00000006"),
            Decimal("0.001"),
            Decimal("0.0001"),
            haiku + 5_000 * Decimal("2.2") / 1_000_000,
            haiku + 5_000 * Decimal("0.11") / 1_000_000,
        ]
        assert [row.cost for row in server.bill] == costs
        assert server.bill.total == sum(costs)
        assert [row.charge.tier for row in server.bill][:2] == ["default", "flex"]


def test_rates_of_the_price_book_give_its_prices() -> None:
    """Two reckonings of one bill: the ledger's and the stand-in's, for every row of the price table."""
    kinds = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
    for row in PriceBook.default().rows:
        for tokens, units in ((1_234, 0), (1_000_003, 0), (0, 7)):
            counts = {f"{kind}_tokens": tokens for kind in kinds if getattr(row, kind) is not None}
            if units and row.per_1000_units is None:
                continue
            for tier in ("default", *row.tiers):
                charge = Charge(**counts, units=units, tier=tier)
                assert charge.cost(Rates.like(row)) == row.cost(Usage(**counts, units=units), tier=tier)


def test_a_tokenizer_for_all_models() -> None:
    with BedrockServer(tokenizer=Tokenizer(1.25), chat=[LITE]) as server:
        clients = Clients(server)
        assert clients.embed(TITAN, inputText="one two three four")["inputTextTokenCount"] == 5
        assert clients.say("one two three four five")["usage"]["inputTokens"] == 7
        clients.close()


def test_what_has_no_price_is_not_free(server: BedrockServer, clients: Clients) -> None:
    clients.say()
    assert [row.cost for row in server.bill] == [None]
    with pytest.raises(LookupError, match="nova-lite"):
        _ = server.bill.total
    with pytest.raises(LookupError):
        Charge(output_tokens=1).cost(Rates(input=Decimal(1)))
    with pytest.raises(LookupError):
        Charge(input_tokens=1, tier="priority").cost(Rates(input=Decimal(1)))


def test_what_was_refused_is_not_billed(server: BedrockServer, clients: Clients) -> None:
    server.script(
        Fault(code="ThrottlingException"),
        Fault(code="ModelTimeoutException", billed=True),
        Fault(malformed=True, billed=False),
    )
    refusal(clients.say)
    refusal(clients.say)
    assert "output" not in clients.say()  # what botocore makes of a reply that is not JSON
    clients.say()
    assert [call.billed for call in server.calls] == [False, True, False, True]


# -- hostile requests --------------------------------------------------------------------------------------------

HOSTILE: list[tuple[bytes, bytes]] = [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n", b"HTTP/1.1 400"),
    (b"GET / HTTP/2.0\r\n\r\n", b"HTTP/1.1 400"),
    (b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.1 400"),
    (b"GET http://other/ HTTP/1.1\r\n\r\n", b"HTTP/1.1 400"),
    (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"HTTP/1.1 400"),
    (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", b"HTTP/1.1 400"),
    (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"HTTP/1.1 400"),
    (b"POST / HTTP/1.1\r\nContent-Length: 1e3\r\n\r\n", b"HTTP/1.1 400"),
    (b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", b"HTTP/1.1 400"),
    (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"HTTP/1.1 400"),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"HTTP/1.1 501"),
    (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n", b"HTTP/1.1 413"),
    (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000, b"HTTP/1.1 431"),
    (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 403"),
]


@pytest.mark.parametrize(("raw", "answer"), HOSTILE)
def test_bytes_that_are_no_request(raw: bytes, answer: bytes, server: BedrockServer, clients: Clients) -> None:
    assert exchange(server, raw).startswith(answer)
    assert clients.say()["stopReason"] == "end_turn"


@pytest.mark.parametrize(
    "path", ["/", "/model//converse", "/model/x/converse/", "/model/x/Converse", "/../etc/passwd", "/async-invoke"]
)
def test_a_path_that_is_no_operation(path: str, server: BedrockServer) -> None:
    raw = send(server, path, b"{}")
    assert raw.startswith(b"HTTP/1.1 404")
    assert b"UnknownOperationException" in raw


def test_a_connection_is_closed_where_the_client_asks_for_it(server: BedrockServer) -> None:
    raw = raw_of(signed(server, PATH, BODY), BODY, Connection="close")
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    with closing(socket.create_connection((host, int(port)), timeout=5)) as connection:
        connection.sendall(raw * 2)
        received = b""
        while part := connection.recv(65_536):
            received += part
    assert received.count(b"HTTP/1.1 200") == len(server.calls) == 1


def test_many_requests_in_one_packet(server: BedrockServer) -> None:
    one = raw_of(signed(server, PATH, BODY), BODY)
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    with closing(socket.create_connection((host, int(port)), timeout=10)) as connection:
        connection.sendall(one * 200)
        received = b""
        while received.count(b"HTTP/1.1 200") < 200:
            received += connection.recv(1 << 20)
    assert len(server.calls) == 200


def test_a_request_in_single_bytes(server: BedrockServer) -> None:
    raw = raw_of(signed(server, PATH, BODY), BODY)
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    with closing(socket.create_connection((host, int(port)), timeout=10)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(0, len(raw), 7):
            connection.sendall(raw[place : place + 7])
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_clients_that_leave_early_do_no_harm(server: BedrockServer, clients: Clients) -> None:
    raw = raw_of(signed(server, PATH, BODY), BODY)
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    server.script(*[Fault(delay=0.2)] * 5)
    for size in (*range(0, len(raw), 97), *[len(raw)] * 5):
        with closing(socket.create_connection((host, int(port)), timeout=5)) as connection:
            connection.sendall(raw[:size])
    deadline = time.monotonic() + 5
    while len(server.calls) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(server.bill) == 5  # who leaves is billed all the same
    assert clients.say()["stopReason"] == "end_turn"


@given(body=st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_no_body_breaks_the_server(shared: tuple[BedrockServer, Clients, Clients], body: bytes) -> None:
    server = shared[0]
    for path in (PATH, f"/model/{TITAN.replace(':', '%3A')}/invoke", "/rerank", "/guardrail-checks/invoke"):
        assert send(server, path, body).startswith(b"HTTP/1.1 400")
    assert server.failures == ()


@given(body=SMALL)
@settings(max_examples=80, deadline=None)
def test_no_json_breaks_the_models(shared: tuple[BedrockServer, Clients, Clients], body: object) -> None:
    server = shared[0]
    for model in (TITAN, "cohere.embed-english-v3", "cohere.embed-v4:0", "amazon.nova-2-multimodal-embeddings-v1:0"):
        raw = json.dumps(body).encode()
        assert send(server, f"/model/{model.replace(':', '%3A')}/invoke", raw).startswith(b"HTTP/1.1 400")
    assert server.failures == ()


def test_text_that_is_no_unicode(server: BedrockServer) -> None:
    body = b'{"messages": [{"role": "user", "content": [{"text": "[1] \\ud800 abcd\\n\\nQuestion: abcd \\udfff"}]}]}'
    assert send(server, PATH, body).startswith(b"HTTP/1.1 200")
    assert send(server, f"/model/{TITAN.replace(':', '%3A')}/invoke", b'{"inputText": "\\ud800"}').startswith(
        b"HTTP/1.1 200"
    )


# -- as a whole --------------------------------------------------------------------------------------------------


def test_public_names() -> None:
    assert ragdiet.testing.bedrock.__all__ == [
        "FAULTS",
        "KEYS",
        "REFUSAL",
        "BedrockServer",
        "Bill",
        "BillRow",
        "Charge",
        "ChatModel",
        "CohereV3",
        "CohereV4",
        "Fault",
        "Guardrail",
        "Keys",
        "Limit",
        "NovaMultimodal",
        "Rates",
        "RerankModel",
        "Served",
        "TitanText",
        "Tokenizer",
        "extract",
        "faults_of",
    ]


def test_the_stand_in_needs_botocore_and_numpy_only() -> None:
    script = "import ragdiet.testing.bedrock, sys\nprint(*{name.partition('.')[0] for name in sys.modules})"
    loaded = set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {"boto3", "psycopg", "sqlalchemy", "pydantic", "tiktoken", "click"}
    script = "import ragdiet, sys\nprint('ragdiet.testing' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "False\n"


def test_no_thread_and_no_socket_is_left() -> None:
    before = threading.active_count()
    with BedrockServer() as server:
        url = server.url
        clients = Clients(server)
        clients.say()
        clients.close()
    assert threading.active_count() == before
    host, _, port = url.removeprefix("http://").rpartition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=1)


def test_a_port_that_is_taken_is_told() -> None:
    with BedrockServer() as server:
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(OSError, match="address already in use"):
            BedrockServer(port=port).__enter__()


def test_what_fails_inside_is_raised_at_the_end() -> None:
    def broken(prompt: str) -> str:
        raise ZeroDivisionError(prompt)

    def use() -> None:
        with BedrockServer(chat={LITE: ChatModel(reply=broken)}) as server:
            clients = Clients(server)
            assert refusal(clients.say)[0] == "InternalServerException"
            clients.close()

    with pytest.raises(RuntimeError, match="a function that it was given") as caught:
        use()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_its_own_replies_are_held_to_the_service_model_too() -> None:
    def use() -> None:
        with BedrockServer(account="12") as server:  # an account has twelve digits, so the profile's ARN is none
            clients = Clients(server)
            refusal(lambda: clients.call("GetInferenceProfile", inferenceProfileIdentifier=LITE))
            clients.close()

    with pytest.raises(RuntimeError) as caught:
        use()
    assert "inferenceProfileArn" in str(caught.value.__cause__)


def test_same_input_same_output() -> None:
    made = []
    for _ in range(2):
        with BedrockServer() as server:
            clients = Clients(server)
            vector = clients.embed(TITAN, inputText="the notice period")["embedding"]
            said = clients.say()
            made.append((vector, said["output"], said["usage"]))
            clients.close()
    assert made[0] == made[1]


def test_the_hash_that_a_client_sends_is_not_believed(server: BedrockServer) -> None:
    hashed = {"X-Amz-Content-SHA256": hashlib.sha256(BODY).hexdigest()}
    assert send(server, PATH, BODY, headers=hashed).startswith(b"HTTP/1.1 200")
    hashed = {"X-Amz-Content-SHA256": hashlib.sha256(b"another").hexdigest()}
    assert b"does not match" in send(server, PATH, BODY, headers=hashed)


def test_large_bodies_go_through(server: BedrockServer, clients: Clients) -> None:
    text = io.StringIO()
    for number in range(60_000):
        text.write(f"word{number} ")
    reply = clients.say(text.getvalue() + SOURCES)
    assert reply["usage"]["inputTokens"] > 60_000
