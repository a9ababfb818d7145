"""What the stand-in for Bedrock can let go wrong, as the real boto3 meets it; quotas, and a process of its own."""

from __future__ import annotations

import dataclasses
import os
import pickle
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer, ParserError
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EventStreamError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from urllib3.exceptions import ProtocolError
from urllib3.exceptions import ReadTimeoutError as UrllibReadTimeoutError

from ragdiet.testing.bedrock import FAULTS, BedrockServer, ChatModel, Fault, Guardrail, Limit, Rates, faults_of
from ragdiet.testing.bedrock.limits import Limits
from ragdiet.testing.bedrock.named_faults import empty_completion
from ragdiet.testing.bedrock.operations import PLAYED
from ragdiet.testing.bedrock.refusal import STATUS, Refused
from tests.stand_in import ANSWER, GOOD, LITE, SOURCES, TITAN, Clients, user

OPERATIONS = sorted(name for names in PLAYED.values() for name in names)
QUIET = 0.5
"""Seconds after which the clients of this module give up; the faults that wait are longer."""


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[BedrockServer, Clients]]:
    with BedrockServer(guardrails={"house": Guardrail()}, profiles={"abc123def456": LITE}) as running:
        clients = Clients(running, read_timeout=QUIET)
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


# -- every fault of every operation ------------------------------------------------------------------------------

TIMEOUT = (ReadTimeoutError, UrllibReadTimeoutError)
BROKEN = (
    ConnectionClosedError,
    ResponseStreamingError,
    IncompleteReadError,
    ProtocolError,
    ParserError,  # HTML read as an event stream
    # botocore's parsers, of a body that is cut or no JSON; for some shapes they give an empty reply instead.
    AttributeError,
    ValueError,
)


@pytest.mark.parametrize(
    ("operation", "name"), [(operation, name) for operation in OPERATIONS for name in faults_of(operation)]
)
def test_every_fault_of_every_operation(operation: str, name: str, server: BedrockServer, clients: Clients) -> None:
    fault = FAULTS[name]
    server.script(fault, operation=operation)
    reply, error = None, None
    try:
        reply = clients.good(operation)
    except Exception as caught:  # noqa: BLE001  # whatever boto3 raises is what this test looks at
        error = caught
    met = _expected(fault, operation)
    if met is None:
        assert error is None, repr(error)
        assert reply is not None
    else:
        # A broken body may be an empty reply to botocore; it is never a good one.
        assert isinstance(error, met) or (error is None and _is_hollow(reply, operation)), repr(error or reply)
    if isinstance(error, ClientError) and fault.code:
        assert error.response["Error"]["Code"] == fault.code
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == STATUS[fault.code]
    (call,) = server.calls
    free = operation in ("CountTokens", "GetInferenceProfile")
    assert call.billed == (fault.is_billed and not free)
    assert clients.good(operation)  # the next request is served, whatever became of the connection
    assert server.failures == ()


def _expected(fault: Fault, operation: str) -> tuple[type[BaseException], ...] | None:
    """The errors that boto3 may raise, None where it takes the reply for good."""
    if fault.raises:
        return (EventStreamError,)
    if fault.wrong_crc:
        return (ChecksumMismatch,)
    if fault.code or fault.http_status >= 400:
        return (ClientError,)
    if fault.delay or fault.stall:
        return TIMEOUT
    if fault.cut or fault.reset:
        return BROKEN
    if fault.edit or (fault.end and fault.frame is not None):
        return None
    return BROKEN


def _is_hollow(reply: Any, operation: str) -> bool:
    if operation == "ConverseStream":
        return not any("messageStop" in part for part in reply) or {"contentBlockDelta": {}} in reply
    required = {"Converse": "output", "CountTokens": "inputTokens", "Rerank": "results", "ApplyGuardrail": "action"}
    required |= {"InvokeGuardrailChecks": "results", "GetInferenceProfile": "models"}
    return operation in required and required[operation] not in reply


def test_what_the_edits_leave(server: BedrockServer, clients: Clients) -> None:
    server.script(*(FAULTS[name] for name in ("missing usage", "negative usage", "unknown stop reason")))
    server.script(FAULTS["empty completion"], FAULTS["guardrail intervened"])
    without, negative, unknown, empty, guarded = (clients.say() for _ in range(5))
    assert "usage" not in without
    assert negative["usage"]["inputTokens"] == -1
    assert unknown["stopReason"] == "reason_of_tomorrow"
    assert empty["output"]["message"]["content"] == []
    assert guarded["stopReason"] == "guardrail_intervened"
    server.script(FAULTS["missing usage"], FAULTS["unknown stop reason"], FAULTS["empty completion"])
    without, unknown, empty = (clients.good("ConverseStream") for _ in range(3))
    assert "usage" not in without[-1]["metadata"]
    assert unknown[-2]["messageStop"]["stopReason"] == "reason_of_tomorrow"
    assert [next(iter(part)) for part in empty] == ["messageStart", "messageStop", "metadata"]


def test_retry_after_is_a_header(server: BedrockServer, clients: Clients) -> None:
    server.script(FAULTS["throttled with Retry-After"])
    with pytest.raises(ClientError) as caught:
        clients.say()
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"


@pytest.mark.parametrize(
    ("code", "spelled"),
    [("ModelStreamErrorException", "modelStreamErrorException"), ("InternalFailure", "InternalFailure")],
    ids=["modelled", "not modelled"],
)
def test_an_error_in_a_stream_is_spelled_as_there(
    code: str, spelled: str, server: BedrockServer, clients: Clients
) -> None:
    server.script(Fault(raises=code, message="half-way", frame=2))
    with closing(clients.runtime.converse_stream(**GOOD["ConverseStream"]())["stream"]) as stream:
        parts = iter(stream)
        assert [next(iter(next(parts))) for _ in range(2)] == ["messageStart", "contentBlockDelta"]
        with pytest.raises(EventStreamError) as caught:
            next(parts)
    assert caught.value.response["Error"] == {"Code": spelled, "Message": "half-way"}


def test_what_stood_before_a_cut_is_read(server: BedrockServer, clients: Clients) -> None:
    for fault in (Fault(cut=True, frame=3), Fault(reset=True, frame=3)):
        server.script(fault)
        with closing(clients.runtime.converse_stream(**GOOD["ConverseStream"]())["stream"]) as stream:
            parts = iter(stream)
            assert [next(iter(next(parts))) for _ in range(3)] == ["messageStart", *["contentBlockDelta"] * 2]
            with pytest.raises(ProtocolError):
                next(parts)


def test_a_stream_that_ends_in_good_form_raises_nothing(server: BedrockServer, clients: Clients) -> None:
    whole = clients.good("ConverseStream")
    for frames in range(len(whole)):
        server.script(Fault(end=True, frame=frames))
        assert clients.good("ConverseStream") == whole[:frames]


def test_a_stall_is_in_the_middle(server: BedrockServer, clients: Clients) -> None:
    patient = Clients(server, read_timeout=5)
    server.script(Fault(stall=1.0, frame=2))
    began, at = time.monotonic(), []
    for _ in patient.runtime.converse_stream(**GOOD["ConverseStream"]())["stream"]:
        at.append(time.monotonic() - began)
    patient.close()
    assert at[1] < 0.8
    assert at[2] > 1.0


def raw_answer(server: BedrockServer, request: bytes) -> bytes:
    """All that comes until the connection ends, however it ends."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    received = b""
    with closing(socket.create_connection((host, int(port)), timeout=5)) as connection:
        connection.sendall(request)
        try:
            while part := connection.recv(65_536):
                received += part
        except ConnectionResetError:
            pass
    return received


def test_a_reply_can_be_cut_at_any_byte(server: BedrockServer, clients: Clients) -> None:
    """Over a bare socket: what comes is the beginning of the whole reply, as long as was asked for."""
    from tests.test_bedrock_stand_in import BODY, PATH, raw_of, signed

    for path in (PATH, f"{PATH}-stream"):
        request = raw_of(signed(server, path, BODY), BODY)
        server.script(Fault(cut=True, at=10**6))
        whole = _body(raw_answer(server, request), stream=path != PATH)
        for at in (*range(0, len(whole), 5), len(whole) - 1):
            server.script(Fault(cut=True, at=at))
            assert _body(raw_answer(server, request), stream=path != PATH) == whole[:at]
    buffer = EventStreamBuffer()
    buffer.add_data(whole)
    assert len(list(buffer)) == 7


def _body(raw: bytes, *, stream: bool) -> bytes:
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    if not stream:
        return body
    found = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        found += rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]
    return found


# -- the script --------------------------------------------------------------------------------------------------


def codes(server: BedrockServer) -> list[str]:
    return [call.code or "good" for call in server.calls]


def attempt(clients: Clients, operation: str) -> None:
    try:
        clients.good(operation)
    except ClientError:
        return


def test_faults_come_in_their_order_and_for_whom_they_are_meant(server: BedrockServer, clients: Clients) -> None:
    server.script(Fault(code="ThrottlingException"), operation="Converse")
    server.script(Fault(code="InternalServerException"), model=TITAN)
    server.script(Fault(), Fault(code="ModelErrorException"))
    for operation in ("Rerank", "InvokeModel", "InvokeModel", "Converse", "Converse"):
        attempt(clients, operation)
    assert codes(server) == ["good", "InternalServerException", "ModelErrorException", "ThrottlingException", "good"]


def test_a_standing_fault_stands_until_the_reset(server: BedrockServer, clients: Clients) -> None:
    server.always(Fault(code="ThrottlingException"), operation="Rerank")
    for operation in ("Rerank", "Converse", "Rerank"):
        attempt(clients, operation)
    assert codes(server) == ["ThrottlingException", "good", "ThrottlingException"]
    server.reset()
    attempt(clients, "Rerank")
    assert codes(server) == ["good"]


def test_chance_is_told_by_the_seed(server: BedrockServer, clients: Clients) -> None:
    seen = []
    for seed in (7, 7, 8):
        server.reset()
        server.at_random(0.3, Fault(code="ThrottlingException"), Fault(code="ModelErrorException"), seed=seed)
        for _ in range(120):
            attempt(clients, "InvokeModel")
        seen.append(codes(server))
    assert seen[0] == seen[1] != seen[2]
    assert 20 <= sum(code != "good" for code in seen[0]) <= 55
    assert set(seen[0]) == {"good", "ThrottlingException", "ModelErrorException"}


@pytest.mark.parametrize(
    "wrong",
    [{"code": "NoSuchException"}, {"at": 1, "frame": 1}, {"delay": -1}, {"stall": -1}, {"headers": {"a": "b\r\nc: d"}}],
)
def test_a_fault_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"status|bytes|seconds|headers"):
        Fault(**wrong)


def test_a_rate_that_is_none_is_refused(server: BedrockServer) -> None:
    for rate, faults in ((1.5, (Fault(cut=True),)), (0.5, ())):
        with pytest.raises(ValueError, match="rate"):
            server.at_random(rate, *faults)


def test_a_fault_of_streams_elsewhere_is_told(clients: Clients) -> None:
    def use() -> None:
        with BedrockServer() as server:
            server.script(Fault(wrong_crc=True))
            other = Clients(server)
            with pytest.raises(ClientError, match="no stream"):
                other.say()
            other.close()

    with pytest.raises(RuntimeError):
        use()


# -- quotas ------------------------------------------------------------------------------------------------------


def test_requests_over_the_quota_are_throttled() -> None:
    with BedrockServer(limits={TITAN: Limit(requests=6, burst=50)}) as server:
        clients = Clients(server)
        for _ in range(5):
            clients.good("InvokeModel")
        with pytest.raises(ClientError, match="Too many requests") as caught:
            clients.good("InvokeModel")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert clients.good("Converse")  # another model has a quota of its own
        server.reset()
        assert clients.good("InvokeModel")
        clients.close()


def test_max_tokens_are_reserved_and_given_back() -> None:
    with BedrockServer(limits={LITE: Limit(tokens=1_000)}) as server:
        clients = Clients(server)
        with pytest.raises(ClientError, match="Too many tokens"):
            clients.say(inferenceConfig={"maxTokens": 1_000})
        for _ in range(5):
            clients.say(inferenceConfig={"maxTokens": 800})  # each leaves but its few tokens taken
        clients.close()
        assert codes(server) == ["ThrottlingException", *["good"] * 5]
        assert len(server.bill) == 5


def test_buckets_fill_with_time() -> None:
    now = [0.0]
    limits = Limits({"m": Limit(requests=60, tokens=600, burst=10)}, clock=lambda: now[0])
    for _ in range(10):
        limits.take("m", 10)
    with pytest.raises(Refused, match="requests"):
        limits.take("m", 0)
    now[0] = 1.0
    limits.take("m", 10)
    now[0] = 2.0
    with pytest.raises(Refused, match="tokens"):
        limits.take("m", 11)
    limits.give_back("m", 50)
    now[0] = 3.0
    limits.take("m", 60)
    limits.take("other", 10**9)


# -- a process of its own ----------------------------------------------------------------------------------------


def shout(prompt: str) -> str:
    return prompt.upper()


def test_a_process_of_its_own_does_the_same() -> None:
    rates = {LITE: Rates(input=Decimal("0.06"), output=Decimal("0.24"))}
    with BedrockServer(chat={LITE: ChatModel(reply=shout)}, rates=rates, process=True) as server:
        clients = Clients(server, read_timeout=QUIET)
        assert clients.say("hello")["output"]["message"]["content"] == [{"text": "HELLO"}]
        server.script(Fault(edit=empty_completion), FAULTS["throttled"], FAULTS["reset before the reply"])
        assert clients.say("hello")["output"]["message"]["content"] == []
        with pytest.raises(ClientError):
            clients.say("hello")
        with pytest.raises(ConnectionClosedError):
            clients.say("hello")
        clients.close()
        assert codes(server) == ["good", "good", "ThrottlingException", "good"]
        assert server.calls[0].request["messages"] == [user("hello")]
        assert server.bill.total == 3 * Decimal("0.0000003")
        assert server.most_at_once == 1
        assert server.calls[-1].at <= time.monotonic()
        server.reset()
        assert server.calls == ()


def test_what_cannot_be_sent_to_a_process_is_told() -> None:
    with pytest.raises(TypeError, match="picklable"):
        BedrockServer(chat={LITE: ChatModel(reply=lambda prompt: prompt)}, process=True).__enter__()
    with BedrockServer(process=True) as server:
        with pytest.raises(TypeError, match="picklable"):
            server.script(Fault(edit=lambda reply: reply))
        with pytest.raises(ValueError, match="rate"):
            server.at_random(2, Fault(cut=True))
        assert server.calls == ()
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.calls


def test_a_port_that_is_taken_is_told_by_the_process() -> None:
    with BedrockServer() as server:
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(OSError, match="address already in use"):
            BedrockServer(port=port, process=True).__enter__()


def test_a_process_that_was_killed_is_told_of() -> None:
    server = BedrockServer(process=True)
    server.__enter__()
    child = server._engine._process  # type: ignore[union-attr]  # the Child, as process=True
    assert child
    child.kill()
    child.wait()
    with pytest.raises(RuntimeError, match="has ended"):
        _ = server.calls
    with pytest.raises(RuntimeError, match="has ended"):
        server.__exit__(None)
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.bill


def test_a_process_ends_with_its_parent() -> None:
    script = "\n".join(
        (
            "from ragdiet.testing.bedrock import BedrockServer",
            "import time",
            "server = BedrockServer(process=True).__enter__()",
            "print(server.url, flush=True)",
            "time.sleep(60)",
        )
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    url = parent.stdout.readline().strip()
    host, _, port = url.removeprefix("http://").rpartition(":")
    socket.create_connection((host, int(port)), timeout=2).close()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.05)
    pytest.fail("the child outlived its parent")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_ended(end: signal.Signals) -> None:
    command = [sys.executable, "-m", "ragdiet.testing.bedrock", "--port", "0", "--chat", LITE]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert running.stdout
    url = running.stdout.readline().strip()
    exported = dict(running.stdout.readline().strip().removeprefix("export ").split("=", 1) for _ in range(10))
    assert exported["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] == url
    script = (
        "import boto3\n"
        f"reply = boto3.client('bedrock-runtime').converse(modelId={LITE!r}, messages=[{user(SOURCES)!r}])\n"
        "print(reply['output']['message']['content'][0]['text'])"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | exported, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == ANSWER
    running.send_signal(end)
    assert running.wait(timeout=10) == 0
    running.stdout.close()


def test_faults_and_rows_can_be_pickled(server: BedrockServer, clients: Clients) -> None:
    clients.say()
    for value in (*FAULTS.values(), *server.calls, server.bill):
        assert pickle.loads(pickle.dumps(value)) == value


def test_hundreds_at_random_lose_nothing() -> None:
    """Each request is one row, whatever became of it; the bill is that of the rows which are billed."""
    with BedrockServer(keep_requests=False) as server:
        server.at_random(0.2, *faults_without_waiting(), seed=3, operation="InvokeModel")
        clients = Clients(server)
        good = 0
        for _ in range(400):
            try:
                good += len(clients.embed(TITAN, inputText="lunch", dimensions=256).get("embedding", ())) == 256
            except Exception:  # noqa: BLE001  # whatever boto3 raises at any of the faults
                continue
        clients.close()
        calls = server.calls
        assert len(calls) == len({call.request_id for call in calls}) == 400
        assert 270 < good < 370
        assert len(server.bill) == sum(call.billed for call in calls) > good
        assert server.failures == ()
        assert all(call.request == {} for call in calls)


def faults_without_waiting() -> list[Fault]:
    found = [fault for fault in faults_of("InvokeModel").values() if not fault.delay and not fault.stall]
    random.Random(1).shuffle(found)
    return [dataclasses.replace(fault) for fault in found]
