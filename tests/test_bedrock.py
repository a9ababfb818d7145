"""The Bedrock layer over real sockets: real boto3 against a stand-in that speaks the protocol."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from fractions import Fraction
from typing import Any

import botocore.exceptions
import botocore.session
import numpy as np
import pytest
from botocore.eventstream import ChecksumMismatch
from botocore.parsers import ResponseParserError
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError

from ragdiet.account import MemoryLedger, PriceBook, accounted_embedder, accounted_generator
from ragdiet.bedrock import BedrockClient, RetryPolicy, converse_usage, model_error
from ragdiet.bedrock.errors import _BY_CLASS, _BY_CODE
from ragdiet.embed.titan import TitanEmbedder
from ragdiet.errors import (
    AccessDenied,
    BadReply,
    DimensionMismatch,
    InvalidArgument,
    InvalidQuestion,
    ModelError,
    ModelInputError,
    ModelTimeout,
    ModelUnavailable,
    Throttled,
    UnknownModel,
    UnknownPrice,
)
from ragdiet.generate.converse import ConverseGenerator
from ragdiet.generate.prompt import REFUSAL, SYSTEM, user_message
from ragdiet.observe import Trace, tracing
from ragdiet.protocols import Embedder, Generator
from ragdiet.testing.bedrock import REFUSAL as SERVER_REFUSAL
from ragdiet.testing.bedrock import BedrockServer, Fault, Tokenizer, extract
from ragdiet.tokens import default_counter
from ragdiet.types import Context, Generation, Prompt, Turn, Usage

REGION = "us-east-1"
TITAN = "amazon.titan-embed-text-v2:0"
LITE = "us.amazon.nova-lite-v1:0"
PRO = "us.amazon.nova-pro-v1:0"
FAST = RetryPolicy(attempts=3, base_delay=0.002, max_delay=0.01, deadline=5.0)
# USD per million tokens, written down here a second time: the bill is reckoned without the price book.
RATES = {TITAN: (Fraction("0.02"), Fraction(0)), LITE: (Fraction("0.06"), Fraction("0.24"))}

SOURCES = (
    "[1] Handbook\nThe notice period is three months. Holidays are thirty days a year.\n\n"
    "[2] Canteen\nLunch is served from noon until two."
)


ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[BedrockServer, BedrockClient]]:
    """One server and one client for all tests: making a boto3 client takes 0.3 s."""
    with BedrockServer(region=REGION, chat=(LITE, PRO)) as running:
        made = new_client(running)
        yield running, made
        made.close()


@pytest.fixture
def server(shared: tuple[BedrockServer, BedrockClient]) -> BedrockServer:
    shared[0].reset()
    return shared[0]


@pytest.fixture
def client(shared: tuple[BedrockServer, BedrockClient]) -> BedrockClient:
    shared[1]._governing.clear()  # what one test's faults teach is not for the next
    return shared[1]


def new_client(server: BedrockServer, region: str = REGION) -> BedrockClient:
    return BedrockClient(region, endpoint_url=server.url, read_timeout=1.5, connect_timeout=1.0, retry=FAST)


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def embedder(client: BedrockClient, ledger: MemoryLedger) -> TitanEmbedder:
    return TitanEmbedder(region=REGION, ledger=ledger, prices=PriceBook.default(), client=client, dimensions=256)


@pytest.fixture
def generator(client: BedrockClient, ledger: MemoryLedger) -> ConverseGenerator:
    return ConverseGenerator(LITE, region=REGION, ledger=ledger, prices=PriceBook.default(), client=client)


def prompt(question: str = "How long is the notice period?", text: str = SOURCES, **given: Any) -> Prompt:
    context = Context(text=text, tokens=0, tokens_before=0, kept=(), dropped=())
    return Prompt(system=SYSTEM, question=question, context=context, **given)


def bill(server: BedrockServer) -> Fraction:
    return sum(
        (
            (RATES[call.model][0] * call.input_tokens + RATES[call.model][1] * call.output_tokens) / 1_000_000
            for call in server.calls
            if call.status == 200
        ),
        Fraction(0),
    )


def spent(ledger: MemoryLedger, *statuses: str) -> Fraction:
    return sum((Fraction(row.cost) for row in ledger.calls if not statuses or row.status in statuses), Fraction(0))


def statuses(ledger: MemoryLedger) -> list[str]:
    return [row.status for row in ledger.calls]


# -- the error map -----------------------------------------------------------------------------------------------


def modelled() -> list[tuple[str, str, int]]:
    """(service, AWS code, HTTP status) of every exception in botocore's models of Bedrock's services. Those that come
    as an event inside a stream are shapes of the same names."""
    session = botocore.session.get_session()
    found = set()
    for service in ("bedrock-runtime", "bedrock-agent-runtime", "bedrock"):
        model = session.get_service_model(service)
        for shape in map(model.shape_for, model.shape_names):
            if shape.metadata.get("exception"):
                found.add((service, shape.error_code, shape.metadata["error"]["httpStatusCode"]))
        for operation in map(model.operation_model, model.operation_names):
            if operation.has_event_stream_output:
                for name, member in operation.get_event_stream_output().members.items():
                    if member.metadata.get("exception"):
                        assert name[0].upper() + name[1:] == member.error_code
    return sorted(found)


EXPECTED: dict[str, tuple[type[ModelError], bool]] = {
    "AccessDeniedException": (AccessDenied, False),
    "BadGatewayException": (ModelUnavailable, True),
    "ConflictException": (ModelInputError, False),
    "DependencyFailedException": (ModelUnavailable, True),
    "InternalServerException": (ModelUnavailable, True),
    "ModelErrorException": (ModelUnavailable, True),
    "ModelNotReadyException": (ModelUnavailable, True),
    "ModelStreamErrorException": (ModelUnavailable, True),
    "ModelTimeoutException": (ModelTimeout, True),
    "ResourceInUseException": (ModelInputError, False),
    "ResourceNotFoundException": (ModelInputError, False),
    "ServiceQuotaExceededException": (Throttled, False),
    "ServiceUnavailableException": (ModelUnavailable, True),
    "ThrottlingException": (Throttled, True),
    "TooManyTagsException": (ModelInputError, False),
    "ValidationException": (ModelInputError, False),
}


def test_the_service_models_hold_no_exception_that_the_table_does_not() -> None:
    assert {code for _, code, _ in modelled()} == set(EXPECTED)
    assert set(EXPECTED) <= set(_BY_CODE)


@pytest.mark.parametrize(("service", "code", "status"), modelled())
def test_every_modelled_exception_maps(service: str, code: str, status: int) -> None:
    kind, retryable = EXPECTED[code]
    for spelled in (code, code[0].lower() + code[1:]):  # as a reply, and as an event inside a stream
        raw = botocore.exceptions.EventStreamError(
            {"Error": {"Code": spelled, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Converse"
        )
        error = model_error(raw, model=LITE, region=REGION)
        assert type(error) is kind
        assert (error.code, error.retryable) == (code, retryable)
        assert LITE in str(error)
        assert REGION in str(error)


@pytest.mark.parametrize(
    ("code", "status"), sorted({(c, s) for service, c, s in modelled() if service == "bedrock-runtime"})
)
def test_modelled_exceptions_over_the_wire(
    code: str, status: int, server: BedrockServer, generator: ConverseGenerator, ledger: MemoryLedger
) -> None:
    kind, retryable = EXPECTED[code]
    server.script(*[Fault(status=status, code=code)] * 3)
    with pytest.raises(kind) as caught:
        generator.generate(prompt())
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    tries = 1 if not retryable else 2 if caught.value.may_be_billed else 3
    assert len(server.calls) == len(ledger.calls) == tries
    assert {row.error for row in ledger.calls} == {code}
    expected = "unknown" if caught.value.may_be_billed else "failed"
    assert statuses(ledger) == [expected] * tries


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, ModelInputError, False),
        (401, AccessDenied, False),
        (403, AccessDenied, False),
        (408, ModelTimeout, True),
        (429, Throttled, True),
        (500, ModelUnavailable, True),
        (502, ModelUnavailable, True),
        (504, ModelTimeout, True),
        (599, ModelUnavailable, True),
        (302, ModelUnavailable, False),
    ],
)
def test_an_unknown_code_maps_by_its_status(status: int, kind: type[ModelError], retryable: bool) -> None:
    raw = botocore.exceptions.ClientError(
        {"Error": {"Code": "Newly", "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "InvokeModel"
    )
    error = model_error(raw, model=LITE, region=REGION)
    assert type(error) is kind
    assert (error.code, error.retryable) == ("Newly", retryable)


def test_an_unknown_event_of_a_stream_is_the_services_fault_and_may_be_billed() -> None:
    raw = botocore.exceptions.EventStreamError(
        {"Error": {"Code": "newlyException", "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "Converse"
    )
    error = model_error(raw, model=LITE, region=REGION)
    assert type(error) is ModelUnavailable
    assert (error.code, error.retryable, error.may_be_billed) == ("NewlyException", False, True)


LIBRARY: list[tuple[Exception, type[ModelError], bool, bool]] = [
    (botocore.exceptions.NoCredentialsError(), AccessDenied, False, False),
    (botocore.exceptions.PartialCredentialsError(provider="env", cred_var="x"), AccessDenied, False, False),
    (botocore.exceptions.UnauthorizedSSOTokenError(), AccessDenied, False, False),
    (botocore.exceptions.ProfileNotFound(profile="p"), AccessDenied, False, False),
    (botocore.exceptions.EndpointConnectionError(endpoint_url="u"), ModelUnavailable, True, False),
    (botocore.exceptions.ConnectTimeoutError(endpoint_url="u"), ModelUnavailable, True, False),
    (botocore.exceptions.ProxyConnectionError(proxy_url="u"), ModelUnavailable, True, False),
    (botocore.exceptions.SSLError(endpoint_url="u", error="e"), ModelUnavailable, False, False),
    (botocore.exceptions.ReadTimeoutError(endpoint_url="u"), ModelTimeout, True, True),
    (botocore.exceptions.ConnectionClosedError(endpoint_url="u"), ModelUnavailable, True, True),
    (botocore.exceptions.HTTPClientError(error="e"), ModelUnavailable, True, True),
    (botocore.exceptions.ResponseStreamingError(error="e"), BadReply, True, True),
    (botocore.exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2), BadReply, True, True),
    (botocore.exceptions.ParamValidationError(report="r"), ModelInputError, False, False),
    (botocore.exceptions.NoRegionError(), ModelUnavailable, False, False),
    (ResponseParserError("p"), BadReply, False, True),
    (ChecksumMismatch(1, 2), BadReply, True, True),
    (ProtocolError("broken"), BadReply, True, True),
]


@pytest.mark.parametrize(("raw", "kind", "retryable", "billed"), LIBRARY, ids=lambda case: type(case).__name__)
def test_errors_of_the_libraries_map(raw: Exception, kind: type[ModelError], retryable: bool, billed: bool) -> None:
    error = model_error(raw, model=LITE, region=REGION)
    assert type(error) is kind
    assert (error.code, error.retryable, error.may_be_billed) == (type(raw).__name__, retryable, billed)


def test_the_classes_named_in_the_table_exist() -> None:
    for name in _BY_CLASS:
        module, _, kind = name.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), kind), Exception)


def test_no_botocore_error_is_left_unmapped() -> None:
    kinds = [kind for _, kind in inspect.getmembers(botocore.exceptions, inspect.isclass)]
    kinds = [kind for kind in kinds if issubclass(kind, botocore.exceptions.BotoCoreError)]
    assert len(kinds) > 80
    for kind in kinds:
        assert isinstance(model_error(kind.__new__(kind), model=LITE, region=REGION), ModelError)


def test_other_errors_are_nobody_elses() -> None:
    assert model_error(ZeroDivisionError(), model=LITE, region=REGION) is None
    assert model_error(OSError(), model=LITE, region=REGION) is None


# -- retries -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [Fault(status=408, code="ModelTimeoutException"), Fault(status=424, code="ModelErrorException")]
)
def test_what_botocore_would_not_retry_is_retried(
    fault: Fault, server: BedrockServer, generator: ConverseGenerator, ledger: MemoryLedger
) -> None:
    server.script(fault)
    assert "three months" in generator.generate(prompt()).text
    assert [call.status for call in server.calls] == [fault.status, 200]
    assert [row.status == "done" for row in ledger.calls] == [False, True]


def test_a_row_for_every_try_and_none_free(
    server: BedrockServer, generator: ConverseGenerator, ledger: MemoryLedger
) -> None:
    server.script(Fault(status=429, code="ThrottlingException"), Fault(status=503, code="ServiceUnavailableException"))
    with tracing(Trace(prompt_id="ask-1", tenant="t", tags={"team": "a"})):
        generation = generator.generate(prompt())
    assert statuses(ledger) == ["failed", "failed", "done"]
    assert [row.cost for row in ledger.calls[:2]] == [0, 0]
    assert generation.cost == ledger.calls[2].cost
    assert Fraction(generation.cost) == bill(server)
    assert {(row.prompt_id, row.tenant, row.tags["team"]) for row in ledger.calls} == {("ask-1", "t", "a")}
    assert len({row.call_id for row in ledger.calls}) == 3


def test_retry_after_is_honoured(server: BedrockServer, generator: ConverseGenerator) -> None:
    server.script(Fault(status=429, code="ThrottlingException", headers={"Retry-After": "1"}))
    generator.generate(prompt())
    first, second = server.calls
    assert 0.95 < second.at - first.at < 1.5


@pytest.mark.parametrize(("ahead", "least", "most"), [(60, 57, 60), (-60, 0, 0)], ids=["to come", "past"])
def test_retry_after_may_be_a_date(ahead: int, least: float, most: float) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)
    about = {"HTTPStatusCode": 429, "HTTPHeaders": {"retry-after": when}}
    raw = botocore.exceptions.ClientError(
        {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": about}, "Converse"
    )
    error = model_error(raw, model=LITE, region=REGION)
    assert error is not None
    assert error.retry_after is not None
    assert least <= error.retry_after <= most


def test_a_retry_after_beyond_the_deadline_is_not_waited_for(
    server: BedrockServer, generator: ConverseGenerator
) -> None:
    server.script(Fault(status=429, code="ThrottlingException", headers={"Retry-After": "20"}))
    began = time.monotonic()
    with pytest.raises(Throttled) as caught:
        generator.generate(prompt())
    assert time.monotonic() - began < 2
    assert caught.value.retry_after == 20


@pytest.mark.parametrize("header", ["soon", "", "-3"])
def test_a_retry_after_that_is_no_time_is_ignored(
    header: str, server: BedrockServer, generator: ConverseGenerator
) -> None:
    server.script(Fault(status=429, code="ThrottlingException", headers={"Retry-After": header}))
    assert generator.generate(prompt()).text


def test_no_try_begins_after_the_deadline() -> None:
    policy = RetryPolicy(attempts=1000, base_delay=0.01, max_delay=0.01, deadline=0.15)
    began = time.monotonic()
    tries = 0

    def attempt() -> None:
        nonlocal tries
        tries += 1
        raise Throttled("t", retryable=True)

    with pytest.raises(Throttled):
        policy.run(attempt)
    assert time.monotonic() - began < 0.5
    assert 5 < tries < 1000


@given(tries=st.integers(1, 60), base=st.floats(0, 10), most=st.floats(0, 10))
def test_waits_stay_under_their_ceiling(tries: int, base: float, most: float) -> None:
    policy = RetryPolicy(base_delay=base, max_delay=most)
    assert 0 <= policy._delay(tries) <= min(most, base * 2 ** (tries - 1))


@pytest.mark.parametrize(
    "bad", [{"attempts": 0}, {"billed_attempts": 0}, {"base_delay": -1}, {"max_delay": -1}, {"deadline": 0}]
)
def test_a_policy_that_cannot_work_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        RetryPolicy(**bad)


def test_other_errors_are_not_retried() -> None:
    tries: list[int] = []

    def attempt() -> None:
        tries.append(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        FAST.run(attempt)
    assert len(tries) == 1


# -- what may be billed though it failed -------------------------------------------------------------------------


# The tries differ by what botocore can tell: in a Converse reply it takes a cut for bad JSON.
BROKEN: list[tuple[Fault, type[ModelError], dict[str, int]]] = [
    (Fault(delay=4.0), ModelTimeout, {"generate": 2, "embed": 2}),
    (Fault(reset=True), ModelUnavailable, {"generate": 2, "embed": 2}),
    (Fault(cut=True), BadReply, {"generate": 1, "embed": 2}),
    (Fault(body=b'{"output": {'), BadReply, {"generate": 1, "embed": 1}),
    (Fault(body=b"[1, 2]"), BadReply, {"generate": 1, "embed": 1}),
    (Fault(body=b"\xff\xfe"), BadReply, {"generate": 1, "embed": 1}),
]


@pytest.mark.parametrize(("fault", "kind", "tries"), BROKEN, ids=["delay", "reset", "cut", "json", "list", "bytes"])
@pytest.mark.parametrize("stage", ["generate", "embed"])
def test_a_broken_reply_is_booked_at_the_worst_case(
    stage: str,
    fault: Fault,
    kind: type[ModelError],
    tries: dict[str, int],
    server: BedrockServer,
    generator: ConverseGenerator,
    embedder: TitanEmbedder,
    ledger: MemoryLedger,
) -> None:
    server.script(*[fault] * 4)
    with pytest.raises(kind):
        generator.generate(prompt()) if stage == "generate" else embedder.embed(["notice period"], kind="query")
    assert statuses(ledger) == ["unknown"] * tries[stage]
    assert len(server.calls) == tries[stage]
    assert spent(ledger) >= bill(server) > 0


@pytest.mark.parametrize("body", [b"<h1>Erreur \xe9</h1>", b"[1, 2]", b"null", b'"no"', b'{"message": 5}'])
@pytest.mark.parametrize("stage", ["generate", "embed"])
def test_an_error_of_any_form_is_ours(
    stage: str,
    body: bytes,
    server: BedrockServer,
    generator: ConverseGenerator,
    embedder: TitanEmbedder,
    ledger: MemoryLedger,
) -> None:
    def asked() -> None:
        generator.generate(prompt()) if stage == "generate" else embedder.embed(["notice period"], kind="query")

    server.script(Fault(status=400, body=body, billed=False))
    with pytest.raises(ModelInputError, match="HTTP 400"):
        asked()
    server.script(Fault(status=502, body=body, billed=False))
    asked()  # the try after it
    assert statuses(ledger) == ["failed", "failed", "done"]
    assert spent(ledger) == bill(server)


def test_a_row_is_there_while_the_request_is_on_its_way(
    server: BedrockServer, generator: ConverseGenerator, ledger: MemoryLedger
) -> None:
    server.script(Fault(delay=0.2))
    thread = threading.Thread(target=generator.generate, args=(prompt(max_tokens=50),))
    thread.start()
    while not server.calls:
        time.sleep(0.005)
    (row,) = ledger.calls
    thread.join()
    assert row.status == "started"
    assert row.usage.output_tokens == 50
    assert row.cost == PriceBook.default().price(LITE).cost(row.usage) > 0
    assert statuses(ledger) == ["done"]


# -- set-up ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "code"),
    [
        (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "NoCredentialsError"),
        (("AWS_SECRET_ACCESS_KEY",), "PartialCredentialsError"),
    ],
)
def test_without_credentials(
    missing: tuple[str, ...], code: str, monkeypatch: pytest.MonkeyPatch, server: BedrockServer, ledger: MemoryLedger
) -> None:
    for name in missing:
        monkeypatch.delenv(name)
    client = new_client(server)
    generator = ConverseGenerator(LITE, region=REGION, ledger=ledger, prices=PriceBook.default(), client=client)
    with pytest.raises(AccessDenied, match="AWS_ACCESS_KEY_ID") as caught:
        generator.generate(prompt())
    client.close()
    assert caught.value.code == code
    assert server.calls == ()
    assert (statuses(ledger), spent(ledger)) == (["failed"], 0)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("AWS_PROFILE", "nobody", AccessDenied),
        ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "no url", InvalidArgument),
    ],
)
def test_a_wrong_environment(
    name: str, value: str, kind: type[Exception], monkeypatch: pytest.MonkeyPatch, ledger: MemoryLedger
) -> None:
    monkeypatch.setenv(name, value)
    embedder = TitanEmbedder(region=REGION, ledger=ledger, prices=PriceBook.default())
    with pytest.raises(kind):
        embedder.embed(["text"], kind="query")


@pytest.mark.parametrize("region", ["", "us east 1", "US-EAST-1", "useast1", "us-east-1\n", "https://x"])
def test_a_region_that_is_no_name_of_one(region: str) -> None:
    with pytest.raises(InvalidArgument, match="us-east-1"):
        BedrockClient(region)


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-2", "ap-southeast-7", "us-gov-west-1", "us-iso-east-1"])
def test_regions_of_all_forms(region: str) -> None:
    assert BedrockClient(region).region == region


def test_a_wrong_region_is_told(server: BedrockServer, ledger: MemoryLedger) -> None:
    client = new_client(server, "eu-west-1")
    generator = ConverseGenerator(LITE, region="eu-west-1", ledger=ledger, prices=PriceBook.default(), client=client)
    with pytest.raises(AccessDenied, match="region") as caught:
        generator.generate(prompt())
    client.close()
    assert caught.value.code == "InvalidSignatureException"
    assert server.calls[0].region == "eu-west-1"


def test_nobody_listens(ledger: MemoryLedger) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        client = BedrockClient(REGION, endpoint_url=f"http://127.0.0.1:{taken.getsockname()[1]}", retry=FAST)
        embedder = TitanEmbedder(region=REGION, ledger=ledger, prices=PriceBook.default(), client=client)
        with pytest.raises(ModelUnavailable) as caught:
            embedder.embed(["text"], kind="query")
        client.close()
    assert caught.value.code == "EndpointConnectionError"
    assert (statuses(ledger), spent(ledger)) == (["failed"] * 3, 0)  # nothing was sent: nothing can be billed


def test_the_endpoint_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, server: BedrockServer, ledger: MemoryLedger
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", server.url)
    client = BedrockClient(REGION)
    TitanEmbedder(region=REGION, ledger=ledger, prices=PriceBook.default(), client=client).embed(["x"], kind="query")
    client.close()
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"endpoint_url": "localhost:80"},
        {"endpoint_url": ""},
        {"read_timeout": 0},
        {"connect_timeout": -1},
        {"max_connections": 0},
    ],
)
def test_a_client_that_cannot_work_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        BedrockClient(REGION, **bad)


def test_one_client_for_all_threads(server: BedrockServer) -> None:
    client = new_client(server)
    found: list[Any] = []
    gate = threading.Barrier(8)

    def connect() -> None:
        gate.wait()
        found.append(client.service("bedrock-runtime"))

    threads = [threading.Thread(target=connect) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1
    assert client.service("bedrock-agent-runtime") is not found[0]
    client.close()


def test_a_closed_client_opens_again(client: BedrockClient, embedder: TitanEmbedder) -> None:
    embedder.embed(["one"], kind="query")
    client.close()
    assert embedder.embed(["one"], kind="query").tokens == 1


@pytest.mark.parametrize("kind", [TitanEmbedder, ConverseGenerator])
def test_a_client_of_another_region_is_refused(kind: Callable[..., object], client: BedrockClient) -> None:
    model = TITAN if kind is TitanEmbedder else LITE
    with pytest.raises(InvalidArgument, match="eu-west-1"):
        kind(model, region="eu-west-1", ledger=MemoryLedger(), prices=PriceBook.default(), client=client)


# -- Titan -------------------------------------------------------------------------------------------------------


def test_vectors_in_order_and_the_bill_to_the_last_digit(
    server: BedrockServer, embedder: TitanEmbedder, ledger: MemoryLedger
) -> None:
    texts = ["the notice period", "lunch is served from noon", "how long is the notice period"] * 5
    found = embedder.embed(texts, kind="document")
    assert isinstance(embedder, Embedder)
    assert accounted_embedder(embedder, ledger) is embedder  # it writes its rows itself
    assert found.vectors.shape == (15, 256)
    assert found.vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)
    assert np.array_equal(found.vectors[:3], found.vectors[3:6])
    near, far = found.vectors[0] @ found.vectors[2], found.vectors[0] @ found.vectors[1]
    assert near > far + 0.3
    assert found.tokens == sum(map(Tokenizer().count, texts))
    assert len(server.calls) == len(ledger.calls) == 15
    assert set(statuses(ledger)) == {"done"}
    assert spent(ledger) == bill(server) == Fraction(found.tokens * 2, 100_000_000)


def test_vectors_are_made_unit_length(server: BedrockServer, embedder: TitanEmbedder) -> None:
    server.script(Fault(edit=vector(*[3.0] * 256)))
    (found,) = embedder.embed(["text"], kind="query").vectors
    assert np.allclose(found, 1 / 16)


def test_spaces_are_named_for_model_and_length(client: BedrockClient) -> None:
    def named(dimensions: int) -> str:
        made = TitanEmbedder(
            region=REGION, ledger=MemoryLedger(), prices=PriceBook.default(), client=client, dimensions=dimensions
        )
        assert (made.space.model, made.space.dimensions) == (TITAN, dimensions)
        return made.space.name

    assert [named(n) for n in (1024, 512, 256)] == ["titan_v2_1024", "titan_v2_512", "titan_v2_256"]


def test_no_texts_no_call(server: BedrockServer, embedder: TitanEmbedder) -> None:
    found = embedder.embed([], kind="document")
    assert found.vectors.shape == (0, 256)
    assert (found.tokens, server.calls) == (0, ())


def test_titan_quotes_texts_without_a_request(ledger: MemoryLedger) -> None:
    embedder = TitanEmbedder(region=REGION, ledger=ledger, prices=PriceBook.default())
    texts = ["The notice period is three months.", "Trains are booked early."]
    tokens = sum(default_counter().count_batch(texts))
    quote = embedder.quote_texts(texts)
    assert quote.least == quote.expected == tokens * Decimal("0.02") / 1_000_000
    assert quote.expected < quote.most
    assert ledger.calls == ()


@pytest.mark.parametrize(
    ("text", "match"),
    [("", "empty"), (" \n", "empty"), ("x" * 50_001, "50,001 characters"), ("a b " * 8_000, "16,00. tokens")],
)
def test_a_text_titan_would_refuse_stops_all_before_any_is_sent(
    text: str, match: str, server: BedrockServer, embedder: TitanEmbedder, ledger: MemoryLedger
) -> None:
    with pytest.raises(InvalidArgument, match=match) as caught:
        embedder.embed(["good", text], kind="document")
    assert "text 1" in str(caught.value)
    assert server.calls == ledger.calls == ()


def test_a_long_text_within_the_limits(embedder: TitanEmbedder) -> None:
    assert embedder.embed(["word " * 8_000], kind="document").tokens == 8_000


def test_requests_run_side_by_side_under_one_trace(
    server: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    embedder = TitanEmbedder(
        region=REGION, ledger=ledger, prices=PriceBook.default(), client=client, dimensions=256, concurrency=4
    )
    server.script(*[Fault(delay=0.1)] * 12)
    with tracing(Trace(prompt_id="ingest-7", tenant="acme")):
        began = time.monotonic()
        embedder.embed([f"text {n}" for n in range(12)], kind="document")
    assert time.monotonic() - began < 0.9  # 1.2 s one after another
    assert 2 <= server.most_at_once <= 4
    assert {(row.prompt_id, row.tenant) for row in ledger.calls} == {("ingest-7", "acme")}


def test_outside_of_an_ask_the_requests_share_a_prompt_id(embedder: TitanEmbedder, ledger: MemoryLedger) -> None:
    embedder.embed(["one", "two", "three"], kind="document")
    assert len({row.prompt_id for row in ledger.calls}) == 1


def test_after_an_error_no_more_is_sent(server: BedrockServer, client: BedrockClient, ledger: MemoryLedger) -> None:
    embedder = TitanEmbedder(
        region=REGION, ledger=ledger, prices=PriceBook.default(), client=client, dimensions=256, concurrency=2
    )
    server.script(*[Fault(delay=0.02)] * 3, Fault(status=400, code="ValidationException"), *[Fault(delay=0.02)] * 200)
    with pytest.raises(ModelInputError):
        embedder.embed([f"text {n}" for n in range(100)], kind="document")
    sent = len(server.calls)
    assert 4 <= sent <= 20
    assert len(ledger.calls) == sent
    assert "started" not in statuses(ledger)
    assert spent(ledger) == bill(server)


def vector(*numbers: object) -> Callable[[dict[str, Any]], object]:
    return lambda reply: {**reply, "embedding": list(numbers)}


@pytest.mark.parametrize(
    ("edit", "kind"),
    [
        (vector(*[0.0] * 256), BadReply),
        (vector(*[float("nan")] * 256), BadReply),
        (vector(1e400, *[1.0] * 255), BadReply),
        (vector(*[1e300] * 256), BadReply),
        (vector(None, *[1.0] * 255), BadReply),
        (vector("word", *[1.0] * 255), BadReply),
        (vector({}, *[1.0] * 255), BadReply),
        (vector([1.0], *[1.0] * 255), BadReply),
        (lambda reply: {"inputTextTokenCount": 2}, BadReply),
        (lambda reply: {**reply, "embedding": None}, DimensionMismatch),
        (vector(*[1.0] * 255), DimensionMismatch),
        (vector(*[1.0] * 1024), DimensionMismatch),
        (vector(), DimensionMismatch),
        (lambda reply: {**reply, "embedding": 1.0}, DimensionMismatch),
    ],
)
def test_a_vector_that_cannot_be_used_is_refused_and_paid_for(
    edit: Callable[[dict[str, Any]], object],
    kind: type[Exception],
    server: BedrockServer,
    embedder: TitanEmbedder,
    ledger: MemoryLedger,
) -> None:
    server.script(Fault(edit=edit))
    with pytest.raises((BadReply, DimensionMismatch)) as caught:
        embedder.embed(["two words"], kind="query")
    assert type(caught.value) is kind
    assert statuses(ledger) == ["done"]
    assert ledger.calls[0].error
    assert spent(ledger) == bill(server) > 0


@pytest.mark.parametrize("count", [None, -1, "2", 2.0, True])
def test_a_reply_without_its_token_count_is_billed_by_estimate(
    count: object, server: BedrockServer, embedder: TitanEmbedder, ledger: MemoryLedger
) -> None:
    headers = {"x-amzn-bedrock-input-token-count": "many"}
    server.script(Fault(edit=lambda reply: {**reply, "inputTextTokenCount": count}, headers=headers))
    found = embedder.embed(["a notice period of three months"], kind="query")
    (row,) = ledger.calls
    assert row.status == "done"
    assert row.price.endswith("(estimated)")
    assert found.tokens == row.usage.input_tokens >= 6
    assert spent(ledger) >= bill(server) > 0


def test_a_count_that_the_reply_lacks_is_read_from_its_header(
    server: BedrockServer, embedder: TitanEmbedder, ledger: MemoryLedger
) -> None:
    server.script(Fault(edit=lambda reply: {**reply, "inputTextTokenCount": None}))
    assert embedder.embed(["a notice period of three months"], kind="query").tokens == 6
    assert "estimated" not in ledger.calls[0].price
    assert spent(ledger) == bill(server)


def test_an_embedder_that_cannot_work_is_refused(client: BedrockClient) -> None:
    common: dict[str, Any] = {"region": REGION, "ledger": MemoryLedger(), "client": client}
    with pytest.raises(UnknownModel, match=TITAN):
        TitanEmbedder("amazon.titan-embed-text-v1", prices=PriceBook.default(), **common)
    with pytest.raises(InvalidArgument, match="1024, 512, 256"):
        TitanEmbedder(dimensions=384, prices=PriceBook.default(), **common)
    with pytest.raises(InvalidArgument):
        TitanEmbedder(concurrency=0, prices=PriceBook.default(), **common)
    with pytest.raises(UnknownPrice):
        TitanEmbedder(prices=PriceBook([]), **common)


# -- Converse ----------------------------------------------------------------------------------------------------


def test_an_answer_its_citation_and_its_bill(
    server: BedrockServer, generator: ConverseGenerator, ledger: MemoryLedger
) -> None:
    with tracing(Trace(prompt_id="01ABC")):
        generation = generator.generate(prompt())
    assert isinstance(generator, Generator)
    assert accounted_generator(generator, ledger) is generator  # it writes its rows itself
    assert len(server.calls) == 1
    assert generation.text == "The notice period is three months. [1]"
    assert (generation.model, generation.served, generation.stop_reason) == (LITE, LITE, "end_turn")
    assert generation.seconds > 0
    (row,) = ledger.calls
    assert (row.stage, row.model, row.served, row.region, row.tier) == ("generate", LITE, LITE, REGION, "default")
    assert row.price == "litellm 1.106.2 price table @ 2026-11-23"
    assert row.usage == generation.usage
    assert Fraction(row.cost) == Fraction(generation.cost) == bill(server) > 0
    request = server.calls[0].request
    assert request["inferenceConfig"] == {"maxTokens": 300, "temperature": 0.0}
    assert request["requestMetadata"] == {"prompt_id": "01ABC"}
    assert request["system"] == [{"text": SYSTEM}]


def test_what_the_sources_do_not_hold_is_refused(generator: ConverseGenerator) -> None:
    assert REFUSAL == SERVER_REFUSAL
    assert generator.generate(prompt("Which colour has the roof?")).text == REFUSAL


def test_the_request_carries_the_prompt_id_of_its_row(
    server: BedrockServer, generator: ConverseGenerator, ledger: MemoryLedger
) -> None:
    server.script(Fault(status=500, code="InternalServerException"))
    generator.generate(prompt())
    sent = {call.request["requestMetadata"]["prompt_id"] for call in server.calls}
    assert sent == {row.prompt_id for row in ledger.calls}
    assert len(sent) == 1


@pytest.mark.parametrize("prompt_id", ["", "ünï", "a{b}|c~", "tab\there", "x" * 400, "ok:_@$#=/+,.-9"])
def test_any_prompt_id_is_fit_for_the_metadata(
    prompt_id: str, server: BedrockServer, generator: ConverseGenerator, ledger: MemoryLedger
) -> None:
    with tracing(Trace(prompt_id=prompt_id)):
        assert generator.generate(prompt()).text
    sent = server.calls[0].request["requestMetadata"]["prompt_id"]
    assert len(sent) == min(len(prompt_id), 256)
    assert ledger.calls[0].prompt_id == prompt_id


def test_the_request_carries_tenant_and_tags_as_far_as_they_fit(
    server: BedrockServer, generator: ConverseGenerator
) -> None:
    tags = {"team": "R&D", "prompt_id": "forged", "": "nameless", "é" * 300: "x" * 300}
    tags |= {f"z{n:02}": "" for n in range(20)}
    with tracing(Trace(prompt_id="01J", tenant="acme", tags=tags)):
        assert generator.generate(prompt()).text
    sent = server.calls[0].request["requestMetadata"]
    assert len(sent) == 16
    assert (sent["prompt_id"], sent["tenant"], sent["team"], sent["z00"]) == ("01J", "acme", "R_D", "")
    assert sum(name.startswith("z") for name in sent) == 13  # by name, and the long one sorts last


def test_history_becomes_turns_that_converse_takes(server: BedrockServer, generator: ConverseGenerator) -> None:
    history = (
        Turn(role="assistant", text="Hello."),
        Turn(role="user", text="One?"),
        Turn(role="user", text=" "),
        Turn(role="user", text="Two?"),
        Turn(role="assistant", text="Both."),
        Turn(role="user", text="Unanswered?"),
    )
    generator.generate(prompt(history=history))
    messages = server.calls[0].request["messages"]
    assert [(part["role"], len(part["content"])) for part in messages] == [("user", 2), ("assistant", 1), ("user", 2)]
    assert messages[0]["content"] == [{"text": "One?"}, {"text": "Two?"}]
    assert messages[2]["content"][1]["text"].endswith("Question: How long is the notice period?")


def test_without_system_text_and_temperature_none_is_sent(
    server: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    generator = ConverseGenerator(
        LITE, region=REGION, ledger=ledger, prices=PriceBook.default(), client=client, temperature=None
    )
    plain = prompt()
    generator.generate(Prompt(system=" ", question=plain.question, context=plain.context, max_tokens=7))
    request = server.calls[0].request
    assert "system" not in request
    assert request["inferenceConfig"] == {"maxTokens": 7}


def test_a_reply_cut_at_max_tokens_is_a_generation(generator: ConverseGenerator) -> None:
    found = generator.generate(prompt(max_tokens=2))
    assert (found.text, found.stop_reason, found.usage.output_tokens) == ("The notice", "max_tokens", 2)


@pytest.mark.parametrize(
    "reason", ["content_filtered", "guardrail_intervened", "model_context_window_exceeded", "a_new_reason"]
)
def test_stop_reasons_pass_as_they_are(reason: str, server: BedrockServer, generator: ConverseGenerator) -> None:
    server.script(Fault(edit=lambda reply: {**reply, "stopReason": reason}))
    assert generator.generate(prompt()).stop_reason == reason


@pytest.mark.parametrize("content", [[], [{"text": ""}], [{"reasoningContent": {"reasoningText": {"text": "hm"}}}]])
def test_an_empty_completion_is_a_generation(
    content: list[object], server: BedrockServer, generator: ConverseGenerator
) -> None:
    server.script(Fault(edit=lambda reply: {**reply, "output": {"message": {"role": "assistant", "content": content}}}))
    found = generator.generate(prompt())
    assert found.text == ""
    assert Fraction(found.cost) == bill(server)


def test_text_blocks_are_joined_and_reasoning_left_out(server: BedrockServer, generator: ConverseGenerator) -> None:
    content = [{"text": "Three "}, {"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": "months [1]"}]
    server.script(Fault(edit=lambda reply: {**reply, "output": {"message": {"role": "assistant", "content": content}}}))
    assert generator.generate(prompt()).text == "Three months [1]"


def test_a_reply_without_a_message_is_bad_and_paid_for(
    server: BedrockServer, generator: ConverseGenerator, ledger: MemoryLedger
) -> None:
    server.script(Fault(edit=lambda reply: {key: part for key, part in reply.items() if key != "output"}))
    with pytest.raises(BadReply) as caught:
        generator.generate(prompt())
    assert caught.value.code == "MissingMessage"
    assert (statuses(ledger), ledger.calls[0].error) == (["done"], "MissingMessage")
    assert spent(ledger) == bill(server) > 0


def test_text_that_is_none_is_bad_and_paid_for(
    server: BedrockServer, generator: ConverseGenerator, ledger: MemoryLedger
) -> None:
    said = {"message": {"role": "assistant", "content": [{"text": 5}]}}
    server.script(Fault(edit=lambda reply: {**reply, "output": said}))
    with pytest.raises(BadReply) as caught:
        generator.generate(prompt())
    assert caught.value.code == "InvalidMessage"
    assert (statuses(ledger), ledger.calls[0].error) == (["done"], "InvalidMessage")
    assert spent(ledger) == bill(server) > 0


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"inputTokens": 10, "totalTokens": 10},
        {"inputTokens": -10, "outputTokens": 1, "totalTokens": -9},
        {"inputTokens": 10**20, "outputTokens": 1, "totalTokens": 10**20 + 1},
        {"inputTokens": 10, "outputTokens": 1, "totalTokens": 12},
        {"inputTokens": 10, "outputTokens": 1, "totalTokens": 11, "cacheReadInputTokens": -5},
        {
            "inputTokens": 10,
            "outputTokens": 1,
            "totalTokens": 16,
            "cacheWriteInputTokens": 5,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 6}],
        },
    ],
)
def test_a_usage_that_cannot_be_is_booked_at_the_worst_case(
    usage: object, server: BedrockServer, generator: ConverseGenerator, ledger: MemoryLedger
) -> None:
    def edit(reply: dict[str, Any]) -> dict[str, Any]:
        return {
            **{key: part for key, part in reply.items() if key != "usage"},
            **({"usage": usage} if usage is not None else {}),
        }

    server.script(Fault(edit=edit))
    with pytest.raises(BadReply):
        generator.generate(prompt())
    assert (statuses(ledger), len(server.calls)) == (["unknown"], 1)
    assert spent(ledger) >= bill(server) > 0


def test_cached_tokens_are_priced_apart(
    server: BedrockServer, generator: ConverseGenerator, ledger: MemoryLedger
) -> None:
    usage = {"inputTokens": 100, "outputTokens": 10, "totalTokens": 1110, "cacheReadInputTokens": 1000}
    server.script(Fault(edit=lambda reply: {**reply, "usage": usage}))
    found = generator.generate(prompt())
    assert found.usage == Usage(input_tokens=100, output_tokens=10, cache_read_tokens=1000)
    # 100 x 0.06 + 10 x 0.24 + 1000 x 0.015 = 23.4 USD a million
    assert found.cost == Decimal("0.0000234")


def test_a_cache_write_without_a_rate_is_charged_and_says_so(
    server: BedrockServer, generator: ConverseGenerator, ledger: MemoryLedger
) -> None:
    usage = {"inputTokens": 100, "outputTokens": 10, "totalTokens": 1110, "cacheWriteInputTokens": 1000}
    server.script(Fault(edit=lambda reply: {**reply, "usage": usage}))
    found = generator.generate(prompt())
    # 100 x 0.06 + 10 x 0.24 + 1000 x 1.25 x 0.06 = 83.4
    assert found.cost == Decimal("0.0000834")
    assert "cache_write_5m taken as x1.25 of input" in ledger.calls[0].price


@pytest.mark.parametrize("count", ["1", True, 1.0, None, -1])
def test_a_count_that_is_none(count: object) -> None:
    with pytest.raises(BadReply, match="outputTokens"):
        converse_usage({"usage": {"inputTokens": 1, "outputTokens": count, "totalTokens": 2}}, model=LITE)


counts = st.integers(0, 10_000_000)


@given(given=counts, written=counts, read=counts, short=counts, long=counts)
def test_usage_adds_up(given: int, written: int, read: int, short: int, long: int) -> None:
    usage = {
        "inputTokens": given,
        "outputTokens": written,
        "totalTokens": given + written + read + short + long,
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": short + long,
        "cacheDetails": [{"ttl": "5m", "inputTokens": short}, {"ttl": "1h", "inputTokens": long}],
    }
    found = converse_usage({"usage": usage}, model=LITE)
    assert found.total_tokens == usage["totalTokens"]
    assert (found.cache_write_5m_tokens, found.cache_write_1h_tokens) == (short, long)


@pytest.mark.parametrize(
    ("asked", "echoed", "factor"), [("flex", "flex", "0.5"), ("priority", "priority", "1.75"), ("flex", "default", "1")]
)
def test_the_echoed_tier_is_the_one_that_is_priced(
    asked: str, echoed: str, factor: str, server: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    generator = ConverseGenerator(
        PRO, region=REGION, ledger=ledger, prices=PriceBook.default(), client=client, service_tier=asked
    )
    server.script(Fault(edit=lambda reply: {**reply, "serviceTier": {"type": echoed}}))
    found = generator.generate(prompt())
    assert server.calls[0].request["serviceTier"] == {"type": asked}
    assert ledger.calls[0].tier == echoed
    assert found.cost == Decimal(factor) * PriceBook.default().price(PRO).cost(found.usage)


def test_the_worst_case_is_that_of_the_tier_asked_for(
    server: BedrockServer, client: BedrockClient, ledger: MemoryLedger
) -> None:
    prices = PriceBook.default()
    generator = ConverseGenerator(
        PRO, region=REGION, ledger=ledger, prices=prices, client=client, service_tier="priority"
    )
    server.script(Fault(body=b"{"))
    with pytest.raises(BadReply):
        generator.generate(prompt())
    (row,) = ledger.calls
    assert (row.status, row.tier) == ("unknown", "priority")
    assert row.cost == prices.price(PRO).cost(row.usage, tier="priority") > 0


@pytest.mark.parametrize(("tier", "factor"), [("priority", "1.75"), ("reserved", "1")])
def test_an_echoed_tier_without_a_price_is_charged_and_says_so(
    tier: str, factor: str, server: BedrockServer, generator: ConverseGenerator, ledger: MemoryLedger
) -> None:
    server.script(Fault(edit=lambda reply: {**reply, "serviceTier": {"type": tier}}))
    found = generator.generate(prompt())
    assert Fraction(found.cost) == Fraction(factor) * bill(server)
    assert f"tier {tier} taken as x{factor}" in ledger.calls[0].price


def test_a_tier_without_a_price_cannot_be_asked_for(client: BedrockClient) -> None:
    with pytest.raises(UnknownPrice, match="batch"):
        ConverseGenerator(
            LITE,
            region=REGION,
            ledger=MemoryLedger(),
            prices=PriceBook.default(),
            client=client,
            service_tier="priority",
        )


def routed(to: str) -> Fault:
    return Fault(edit=lambda reply: {**reply, "trace": {"promptRouter": {"invokedModelId": to}}})


@pytest.mark.parametrize(
    "form",
    ["arn:aws:bedrock:us-east-1::foundation-model/", "arn:aws:bedrock:us-east-1:123456789012:inference-profile/"],
)
def test_behind_a_router_the_model_that_served_is_priced(
    form: str, server: BedrockServer, generator: ConverseGenerator, ledger: MemoryLedger
) -> None:
    micro = "amazon.nova-micro-v1:0" if "foundation" in form else "us.amazon.nova-micro-v1:0"
    server.script(routed(form + micro))
    found = generator.generate(prompt())
    assert (found.model, found.served, ledger.calls[0].served) == (LITE, micro, micro)
    assert found.cost == PriceBook.default().price(micro).cost(found.usage)


def test_a_routed_model_without_a_price_is_charged_and_says_so(
    server: BedrockServer, generator: ConverseGenerator, ledger: MemoryLedger
) -> None:
    server.script(routed("arn:aws:bedrock:us-east-1::foundation-model/new.model-v9:0"))
    found = generator.generate(prompt())
    assert found.served == "new.model-v9:0"
    assert Fraction(found.cost) == bill(server)
    assert f"no row for new.model-v9:0: priced as {LITE}" in ledger.calls[0].price


def test_an_unknown_price_is_told_before_any_money_is_spent(server: BedrockServer, client: BedrockClient) -> None:
    with pytest.raises(UnknownPrice, match=r"us\.anthropic\.claude-haiku-4-5-20251001-v1:0"):
        ConverseGenerator(
            "anthropic.claude-haiku-4-5-20251001-v1:0",
            region=REGION,
            ledger=MemoryLedger(),
            prices=PriceBook.default(),
            client=client,
        )
    assert server.calls == ()


@pytest.mark.parametrize(("bad", "kind"), [({"question": " "}, InvalidQuestion), ({"max_tokens": 0}, InvalidArgument)])
def test_a_prompt_that_cannot_be_answered_costs_nothing(
    bad: dict[str, Any], kind: type[Exception], generator: ConverseGenerator, ledger: MemoryLedger
) -> None:
    with pytest.raises(kind):
        generator.generate(prompt(**bad))
    assert ledger.calls == ()


def test_the_ledger_equals_the_bill_under_threads_and_faults(
    server: BedrockServer, generator: ConverseGenerator, embedder: TitanEmbedder, ledger: MemoryLedger
) -> None:
    server.script(*[Fault(status=429, code="ThrottlingException"), Fault(), Fault()] * 8)
    generations: list[Generation] = []

    def ask() -> None:
        generations.append(generator.generate(prompt()))
        embedder.embed(["how long is", "the notice period"], kind="query")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generator._client, "retry", RetryPolicy(attempts=20, base_delay=0.002, max_delay=0.01))
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(generations) == 8
    assert len(ledger.calls) == len(server.calls) == 8 * 3 + 8
    assert sorted(statuses(ledger)) == ["done"] * 24 + ["failed"] * 8
    assert spent(ledger) == bill(server) > 0


# -- the prompt --------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(["=", "========", "\n", "\r", " ", "[1]", "Question:", "a"]), max_size=30).map("".join))
def test_no_source_can_close_its_fence(text: str) -> None:
    message = user_message(prompt("Why?", text))
    fence = message.partition("\n")[0]
    assert set(fence) == {"="}
    assert message.count(fence) == 2
    assert message == f"{fence}\n{text}\n{fence}\n\nQuestion: Why?"


def test_the_system_text_is_the_same_bytes_each_time() -> None:
    from ragdiet.generate import prompt as module

    before = module.SYSTEM
    assert before == importlib.reload(module).SYSTEM
    assert module.REFUSAL in before


# -- the stand-in itself -----------------------------------------------------------------------------------------


def test_the_stand_in_refuses_what_the_service_would(server: BedrockServer, client: BedrockClient) -> None:
    user = {"role": "user", "content": [{"text": "hi"}]}
    for request in (
        {"messages": [{"role": "assistant", "content": [{"text": "hi"}]}]},
        {"messages": [user, user]},
        {"messages": [{"role": "user", "content": [{"text": " "}]}]},
        {"messages": [user], "requestMetadata": {"k": "{}"}},
    ):
        with pytest.raises(ModelInputError) as caught:
            client.converse(LITE, request)
        assert caught.value.code == "ValidationException"
    with pytest.raises(ModelInputError):
        client.converse("us.amazon.nova-nope-v1:0", {"messages": [user]})
    for body in ({"inputText": ""}, {"inputText": "x", "dimensions": 3}, {"inputText": "x", "extra": 1}):
        with pytest.raises(ModelInputError):
            client.invoke(TITAN, body)
    assert {call.status for call in server.calls} == {400}


def test_the_stand_in_cites_the_best_sentence() -> None:
    message = f"========\n{SOURCES}\n========\n\nQuestion: When is lunch served?"
    assert extract(message) == "Lunch is served from noon until two. [2]"
    assert json.dumps(extract("========\n\n========\n\nQuestion: x")) == json.dumps(SERVER_REFUSAL)
