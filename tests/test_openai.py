"""A model of one's own behind the OpenAI protocol, over real HTTP: answers, streams, vectors, prices and faults."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from ragdiet import GpuHour, MemoryLedger, OpenAIClient, OpenAIEmbedder, OpenAIGenerator
from ragdiet.account import Accounted, PriceRow
from ragdiet.bedrock import BreakerPolicy, RetryPolicy
from ragdiet.errors import (
    AccessDenied,
    BadReply,
    CircuitOpen,
    DimensionMismatch,
    InvalidArgument,
    InvalidQuestion,
    ModelError,
    ModelInputError,
    ModelTimeout,
    ModelUnavailable,
    Throttled,
)
from ragdiet.generate.chat import chat_messages
from ragdiet.generate.openai import OpenAIStream
from ragdiet.generate.prompt import SYSTEM
from ragdiet.observe import Trace, ending, tracing
from ragdiet.protocols import Embedder, Generator, Priced, StreamingGenerator
from ragdiet.rag import RAG
from ragdiet.store import Database
from ragdiet.testing.bedrock.tokens import words
from ragdiet.types import Context, Document, Prompt, Turn, Usage
from tests.openai_server import CHAT, DIMENSIONS, EMBEDDING, Fault, OpenAIServer

FAST = RetryPolicy(attempts=3, base_delay=0.002, max_delay=0.01, deadline=5.0)
BY_TOKEN = PriceRow(
    model=CHAT,
    kind="generate",
    input=Decimal("0.05"),
    output=Decimal("0.20"),
    source="our own reckoning",
    checked=date(2026, 11, 1),
)
BY_HOUR = GpuHour(usd=Decimal("3.6"), at_once=4, source="the cluster's bill", checked=date(2026, 11, 1))
SOURCES = "[1] Handbook\nThe notice period is three months. Holidays are thirty days a year.\n"
ANSWER = "The notice period is three months. [1]"


@pytest.fixture(scope="module")
def running() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def vllm(running: OpenAIServer) -> OpenAIServer:
    running.reset()
    running.key, running.pause = "", 0.0
    return running


@pytest.fixture
def client(vllm: OpenAIServer) -> Iterator[OpenAIClient]:
    made = OpenAIClient(vllm.url, read_timeout=20.0, connect_timeout=5.0, retry=FAST)
    yield made
    made.close()


@pytest.fixture
def hasty(vllm: OpenAIServer, ledger: MemoryLedger) -> Iterator[OpenAIGenerator]:
    """A generator that waits half a second for a reply."""
    made = OpenAIClient(vllm.url, read_timeout=0.5, retry=FAST)
    yield OpenAIGenerator(CHAT, client=made, ledger=ledger, price=BY_TOKEN)
    made.close()


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def generator(client: OpenAIClient, ledger: MemoryLedger) -> OpenAIGenerator:
    return OpenAIGenerator(CHAT, client=client, ledger=ledger, price=BY_TOKEN)


def prompt(question: str = "How long is the notice period?", **given) -> Prompt:
    context = Context(text=SOURCES, tokens=0, tokens_before=0, kept=(), dropped=())
    return Prompt(system=SYSTEM, question=question, context=context, **given)


def statuses(ledger: MemoryLedger) -> list[str]:
    return [row.status for row in ledger.calls]


def billed(vllm: OpenAIServer) -> Decimal:
    return sum(
        (
            BY_TOKEN.cost(Usage(input_tokens=u["prompt_tokens"], output_tokens=u["completion_tokens"]))
            for u in vllm.usages
        ),
        Decimal(0),
    )


# -- one reply -----------------------------------------------------------------------------------------------------


def test_an_answer_and_its_bill(vllm: OpenAIServer, generator: OpenAIGenerator, ledger: MemoryLedger) -> None:
    with tracing(Trace(prompt_id="ask-1", tenant="acme")):
        made = generator.generate(prompt())
    assert isinstance(generator, Generator)
    assert isinstance(generator, Priced)
    assert isinstance(generator, Accounted)
    assert (made.text, made.stop_reason, made.model, made.served) == (ANSWER, "end_turn", CHAT, CHAT)
    (row,) = ledger.calls
    assert (row.stage, row.status, row.prompt_id, row.tenant) == ("generate", "done", "ask-1", "acme")
    assert row.cost == made.cost == billed(vllm) > 0
    (sent,) = vllm.requests
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert (sent["max_tokens"], sent["temperature"]) == (300, 0.0)
    assert vllm.headers[0]["X-Request-Id"] == "ask-1"


def test_turns_alternate_and_begin_with_the_user() -> None:
    history = (
        Turn(role="assistant", text="Hello."),
        Turn(role="user", text="Hi."),
        Turn(role="user", text=" "),
        Turn(role="user", text="I am new."),
        Turn(role="assistant", text="Welcome."),
    )
    found = chat_messages(prompt(history=history))
    assert [(message["role"], message["content"][:9]) for message in found[:3]] == [
        ("system", SYSTEM[:9]),
        ("user", "Hi.\n\nI am"),
        ("assistant", "Welcome."),
    ]
    assert found[3]["role"] == "user"
    assert "system" not in [message["role"] for message in chat_messages(prompt_without_system())]


def prompt_without_system() -> Prompt:
    context = Context(text=SOURCES, tokens=0, tokens_before=0, kept=(), dropped=())
    return Prompt(system=" ", question="What?", context=context)


def test_a_reply_that_is_cut_off_says_so(generator: OpenAIGenerator) -> None:
    assert generator.generate(prompt(max_tokens=3)).stop_reason == "max_tokens"


def test_an_empty_completion_is_a_generation_and_paid_for(
    vllm: OpenAIServer, generator: OpenAIGenerator, ledger: MemoryLedger
) -> None:
    empty = {"message": {"role": "assistant", "content": None}, "finish_reason": "stop"}
    vllm.script(Fault(edit=lambda reply: {**reply, "choices": [empty]}))
    assert generator.generate(prompt()).text == ""
    assert ledger.calls[0].cost == billed(vllm) > 0


def test_cached_tokens_are_told_apart(vllm: OpenAIServer, generator: OpenAIGenerator, ledger: MemoryLedger) -> None:
    def edit(reply: dict) -> dict:
        return {**reply, "usage": {**reply["usage"], "prompt_tokens_details": {"cached_tokens": 10}}}

    vllm.script(Fault(edit=edit))
    usage = generator.generate(prompt()).usage
    assert (usage.cache_read_tokens, usage.input_tokens) == (10, vllm.usages[0]["prompt_tokens"] - 10)
    assert "cache_read taken as x1 of input" in ledger.calls[0].price
    assert ledger.calls[0].cost == billed(vllm)


@pytest.mark.parametrize(
    ("status", "kind", "tries"),
    [
        (400, ModelInputError, 1),
        (401, AccessDenied, 1),
        (403, AccessDenied, 1),
        (404, ModelInputError, 1),
        (408, ModelTimeout, 2),
        (413, ModelInputError, 1),
        (422, ModelInputError, 1),
        (429, Throttled, 3),
        (500, ModelUnavailable, 3),
        (502, ModelUnavailable, 3),
        (503, ModelUnavailable, 3),
        (504, ModelTimeout, 2),
        (302, ModelUnavailable, 1),
    ],
)
def test_statuses_map_to_the_same_classes_as_bedrocks(
    status: int,
    kind: type[ModelError],
    tries: int,
    vllm: OpenAIServer,
    generator: OpenAIGenerator,
    ledger: MemoryLedger,
) -> None:
    vllm.script(*[Fault(status=status)] * 3)
    with pytest.raises(kind, match="scripted") as caught:
        generator.generate(prompt())
    assert type(caught.value) is kind
    assert len(vllm.requests) == len(ledger.calls) == tries
    assert set(statuses(ledger)) == {"unknown" if caught.value.may_be_billed else "failed"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "too busy", "type": "x", "code": 400}}',
        b'{"object": "error", "message": "too busy", "code": 400}',
        b'{"detail": "too busy"}',
        b'{"error": "too busy"}',
        b"too busy",
    ],
)
def test_an_error_of_any_form_is_told(body: bytes, vllm: OpenAIServer, generator: OpenAIGenerator) -> None:
    vllm.script(Fault(status=400, body=body))
    with pytest.raises(ModelInputError, match="too busy"):
        generator.generate(prompt())


def test_retry_after_is_honoured(vllm: OpenAIServer, generator: OpenAIGenerator) -> None:
    vllm.script(Fault(status=429, headers={"Retry-After": "1"}))
    began = time.monotonic()
    assert generator.generate(prompt()).text == ANSWER
    assert time.monotonic() - began > 0.95


def test_an_account_without_money_is_not_asked_again(vllm: OpenAIServer, generator: OpenAIGenerator) -> None:
    vllm.script(Fault(status=429, body=b'{"error": {"message": "no money", "code": "insufficient_quota"}}'))
    with pytest.raises(Throttled):
        generator.generate(prompt())
    assert len(vllm.requests) == 1


BROKEN = [
    (Fault(reset=True), BadReply),
    (Fault(body=b'{"choices": ['), BadReply),
    (Fault(body=b"[1]"), BadReply),
    (Fault(edit=lambda reply: {**reply, "usage": None}), BadReply),
    (Fault(edit=lambda reply: {**reply, "usage": {"prompt_tokens": -1}}), BadReply),
    (Fault(edit=lambda reply: {**reply, "usage": {"prompt_tokens": True}}), BadReply),
]


@pytest.mark.parametrize(("fault", "kind"), BROKEN)
def test_a_broken_reply_is_booked_at_the_worst_case(
    fault: Fault, kind: type[ModelError], vllm: OpenAIServer, generator: OpenAIGenerator, ledger: MemoryLedger
) -> None:
    vllm.script(*[fault] * 3)
    with pytest.raises(kind):
        generator.generate(prompt())
    assert set(statuses(ledger)) == {"unknown"}
    assert sum(row.cost for row in ledger.calls) >= billed(vllm)
    assert all(row.cost > 0 for row in ledger.calls)


def test_a_reply_that_does_not_come_is_booked_at_the_worst_case(
    vllm: OpenAIServer, hasty: OpenAIGenerator, ledger: MemoryLedger
) -> None:
    vllm.script(*[Fault(delay=0.8)] * 3)
    with pytest.raises(ModelTimeout):
        hasty.generate(prompt())
    assert statuses(ledger) == ["unknown"] * 2  # tries that may be billed end after two
    assert all(row.cost > 0 for row in ledger.calls)


@pytest.mark.parametrize("choices", [None, [], ["x"], [{}], [{"message": "x"}]])
def test_a_reply_without_a_message_is_refused_and_paid_for(
    choices: object, vllm: OpenAIServer, generator: OpenAIGenerator, ledger: MemoryLedger
) -> None:
    vllm.script(Fault(edit=lambda reply: {**reply, "choices": choices}))
    with pytest.raises(BadReply):
        generator.generate(prompt())
    assert statuses(ledger) == ["done"]
    assert ledger.calls[0].cost == billed(vllm)


def test_nobody_listens(ledger: MemoryLedger) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        client = OpenAIClient(f"http://127.0.0.1:{taken.getsockname()[1]}/v1", retry=FAST)
        with pytest.raises(ModelUnavailable, match="cannot be reached"):
            OpenAIGenerator(CHAT, client=client, ledger=ledger, price=BY_TOKEN).generate(prompt())
    assert set(statuses(ledger)) == {"failed"}
    assert sum(row.cost for row in ledger.calls) == 0


def test_keys_are_sent_and_never_shown(vllm: OpenAIServer, ledger: MemoryLedger) -> None:
    vllm.key = "sk-right"
    for key in ("sk-right", lambda: "sk-right"):
        client = OpenAIClient(vllm.url, api_key=key, retry=FAST)
        assert OpenAIGenerator(CHAT, client=client, ledger=ledger, price=BY_TOKEN).generate(prompt()).text == ANSWER
        assert "sk-right" not in repr(client)
        client.close()
    client = OpenAIClient(vllm.url, api_key="sk-wrong", retry=FAST)
    generator = OpenAIGenerator(CHAT, client=client, ledger=ledger, price=BY_TOKEN)
    with pytest.raises(AccessDenied, match="API key") as caught:
        generator.generate(prompt())
    client.close()
    assert "sk-wrong" not in str(caught.value)


def test_a_model_that_is_not_there(client: OpenAIClient, ledger: MemoryLedger) -> None:
    with pytest.raises(ModelInputError, match="does not exist"):
        OpenAIGenerator("nobody", client=client, ledger=ledger, price=BY_TOKEN).generate(prompt())


@pytest.mark.parametrize("way", ["whole", "stream"])
def test_a_server_that_fails_is_left_alone(vllm: OpenAIServer, ledger: MemoryLedger, way: str) -> None:
    policy = BreakerPolicy(in_a_row=4, lasting=0.0)
    with closing(OpenAIClient(vllm.url, read_timeout=20.0, retry=RetryPolicy(attempts=1), breaker=policy)) as client:
        generator = OpenAIGenerator(CHAT, client=client, ledger=ledger, price=BY_TOKEN)
        # A stream that opens and breaks off in its middle is a failure like any other.
        vllm.script(*[Fault(status=500) if way == "whole" else Fault(after=2, cut=True)] * 20)
        for _ in range(4):
            with pytest.raises((ModelUnavailable, BadReply)):
                generator.generate(prompt()) if way == "whole" else "".join(generator.stream(prompt()))
        with pytest.raises(CircuitOpen):
            generator.generate(prompt())
    assert len(vllm.requests) == len(ledger.calls) == 4


def test_an_asks_deadline_is_kept(vllm: OpenAIServer, generator: OpenAIGenerator, ledger: MemoryLedger) -> None:
    vllm.script(Fault(delay=3.0))
    began = time.monotonic()
    with ending(time.monotonic() + 0.1), pytest.raises(ModelTimeout):
        generator.generate(prompt())
    assert time.monotonic() - began < 2.5


def test_an_asks_deadline_ends_a_stream_that_goes_on(
    vllm: OpenAIServer, generator: OpenAIGenerator, ledger: MemoryLedger
) -> None:
    vllm.pause = 0.1
    began = time.monotonic()
    with ending(began + 0.35), pytest.raises(ModelTimeout):
        list(generator.stream(prompt()))
    (row,) = ledger.calls
    assert row.status == "done"
    assert row.price.endswith("(left early, estimated)")
    assert 0 < row.usage.output_tokens < 7


def test_an_asks_deadline_ends_a_stream_that_falls_silent(
    vllm: OpenAIServer, generator: OpenAIGenerator, ledger: MemoryLedger
) -> None:
    vllm.pause = 1.0
    began = time.monotonic()
    with ending(began + 1.2), pytest.raises(ModelTimeout):
        list(generator.stream(prompt()))
    assert time.monotonic() - began < 1.9  # the read that began at 1 s does not wait for 1.2 s more
    assert ledger.calls[0].cost > 0


def test_what_cannot_be_asked_is_refused_before(client: OpenAIClient, generator: OpenAIGenerator) -> None:
    with pytest.raises(InvalidQuestion):
        generator.generate(prompt(" "))
    with pytest.raises(InvalidArgument):
        generator.generate(prompt(max_tokens=0))
    for url in ("", "vllm:8000", "ftp://vllm/v1", "http://a b"):
        with pytest.raises(InvalidArgument, match="base_url"):
            OpenAIClient(url)
    with pytest.raises(InvalidArgument):
        OpenAIGenerator("", client=client, ledger=MemoryLedger(), price=BY_TOKEN)


# -- streams -------------------------------------------------------------------------------------------------------


def test_a_stream_is_the_same_answer_at_the_same_price(
    vllm: OpenAIServer, generator: OpenAIGenerator, ledger: MemoryLedger
) -> None:
    stream = generator.stream(prompt())
    assert isinstance(generator, StreamingGenerator)
    assert vllm.requests == []
    with pytest.raises(InvalidArgument, match="read to its end"):
        _ = stream.generation
    pieces = list(stream)
    assert len(pieces) > 3
    assert "".join(pieces) == stream.generation.text == ANSWER
    assert stream.generation.stop_reason == "end_turn"
    (row,) = ledger.calls
    assert (row.status, row.cost) == ("done", billed(vllm))
    assert stream.generation.cost == row.cost
    assert stream.generation.first_token_seconds is not None
    assert stream.generation.first_token_seconds <= stream.generation.seconds
    whole = generator.generate(prompt())
    assert (whole.text, whole.usage, whole.cost) == (ANSWER, stream.generation.usage, row.cost)


def test_text_comes_before_the_reply_is_whole(vllm: OpenAIServer, generator: OpenAIGenerator) -> None:
    vllm.pause = 0.05
    began = time.monotonic()
    stream = iter(generator.stream(prompt()))
    next(stream)
    first = time.monotonic() - began
    list(stream)
    assert first < (time.monotonic() - began) / 2


def test_what_fails_before_the_first_text_is_tried_again(
    vllm: OpenAIServer, generator: OpenAIGenerator, ledger: MemoryLedger
) -> None:
    vllm.script(Fault(status=503), Fault(status=429))
    assert "".join(generator.stream(prompt())) == ANSWER
    assert statuses(ledger) == ["failed", "failed", "done"]


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (Fault(after=4, cut=True), BadReply, ""),
        (Fault(after=4), BadReply, "StreamCut"),
        (Fault(after=4, event={"error": {"message": "out of memory", "type": "x"}}), ModelUnavailable, "x"),
        (Fault(after=4, event={"object": "error", "message": "out of memory"}), ModelUnavailable, "StreamError"),
        (Fault(edit=lambda event: {**event, "usage": None}), BadReply, "MissingUsage"),
    ],
)
def test_a_stream_that_breaks_is_an_error_and_paid_for(
    fault: Fault,
    kind: type[ModelError],
    code: str,
    vllm: OpenAIServer,
    generator: OpenAIGenerator,
    ledger: MemoryLedger,
) -> None:
    vllm.script(fault)
    pieces: list[str] = []
    with pytest.raises(kind) as caught:
        pieces.extend(generator.stream(prompt()))
    assert pieces
    assert caught.value.code == code or not code
    assert statuses(ledger) == ["unknown"]
    assert ledger.calls[0].cost >= billed(vllm) > 0
    assert generator.generate(prompt()).text == ANSWER  # the connection is none the worse for it


def test_a_stream_that_stalls_times_out(vllm: OpenAIServer, hasty: OpenAIGenerator, ledger: MemoryLedger) -> None:
    vllm.pause = 0.8
    with pytest.raises(ModelTimeout):
        list(hasty.stream(prompt()))
    assert "unknown" in statuses(ledger)


def fail_at_the_first(stream: OpenAIStream) -> None:
    for _ in stream:
        raise ZeroDivisionError


@pytest.mark.parametrize("how", ["close", "with", "break", "error"])
def test_a_stream_that_is_left_is_booked_by_estimate_and_the_server_stops(
    how: str, vllm: OpenAIServer, generator: OpenAIGenerator, ledger: MemoryLedger
) -> None:
    vllm.pause = 0.02
    stream = generator.stream(prompt())
    if how == "close":
        next(iter(stream))
        stream.close()
    elif how == "with":
        with stream:
            next(iter(stream))
    elif how == "break":
        for _ in stream:
            break
        del stream
    else:
        with pytest.raises(ZeroDivisionError):
            fail_at_the_first(stream)
    (row,) = ledger.calls
    assert row.status == "done"
    assert row.price.endswith("(left early, estimated)")
    assert 0 < row.usage.output_tokens < 10
    assert row.usage.input_tokens >= vllm.usages[0]["prompt_tokens"]
    deadline = time.monotonic() + 10
    while not vllm.left_after and time.monotonic() < deadline:
        time.sleep(0.01)
    assert vllm.left_after


def test_a_stream_that_nobody_reads_asks_nothing(vllm: OpenAIServer, generator: OpenAIGenerator) -> None:
    generator.stream(prompt()).close()
    assert vllm.requests == []


# -- prices --------------------------------------------------------------------------------------------------------


def test_by_the_hour_a_request_pays_its_seconds(vllm: OpenAIServer, client: OpenAIClient, ledger: MemoryLedger) -> None:
    generator = OpenAIGenerator(CHAT, client=client, ledger=ledger, price=BY_HOUR)
    vllm.script(Fault(delay=0.2))
    generator.generate(prompt())
    list(generator.stream(prompt()))
    slow, fast = ledger.calls
    # $3.60 an hour are a tenth of a cent a second, a quarter of that for each of four.
    assert slow.cost >= Decimal("0.00005")
    assert fast.cost > 0
    assert abs(slow.cost - Decimal(slow.seconds) / 4000) < Decimal("0.0000025")
    assert "GPU-hour" in slow.price
    quote = generator.quote(prompt())
    assert quote.least == 0
    assert quote.expected == Decimal("0.0005")
    assert quote.most == 2 * Decimal("0.005")  # 20 seconds each


def test_a_request_that_is_never_answered_is_booked_at_the_timeout(
    vllm: OpenAIServer, client: OpenAIClient, ledger: MemoryLedger
) -> None:
    vllm.script(*[Fault(reset=True)] * 3)
    with pytest.raises(BadReply):
        OpenAIGenerator(CHAT, client=client, ledger=ledger, price=BY_HOUR).generate(prompt())
    assert {row.cost for row in ledger.calls} == {Decimal("0.005")}


def test_a_quote_holds_the_bill(vllm: OpenAIServer, generator: OpenAIGenerator) -> None:
    quote = generator.quote(prompt())
    made = generator.generate(prompt())
    assert quote.least < made.cost < quote.most
    assert quote.least < quote.expected < quote.most


@pytest.mark.parametrize(
    "given", [{"usd": 1.2}, {"usd": Decimal(-1)}, {"gpus": 0}, {"at_once": 0}, {"typical": 0.0}, {"source": ""}]
)
def test_a_price_that_cannot_be_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument):
        GpuHour(**({"usd": Decimal(1), "source": "s", "checked": date(2026, 11, 1)} | given))  # type: ignore[arg-type]


# -- embeddings ----------------------------------------------------------------------------------------------------


TOKENS = PriceRow(
    model=EMBEDDING, kind="embed", input=Decimal("0.01"), source="our own reckoning", checked=date(2026, 11, 1)
)


def embedder(client: OpenAIClient, ledger: MemoryLedger, **given) -> OpenAIEmbedder:
    return OpenAIEmbedder(
        EMBEDDING, client=client, ledger=ledger, **({"price": TOKENS, "dimensions": DIMENSIONS} | given)
    )


def test_vectors_in_order_of_unit_length_and_the_bill(
    vllm: OpenAIServer, client: OpenAIClient, ledger: MemoryLedger
) -> None:
    made = embedder(client, ledger, texts=4, prefixes={"query": "query: ", "document": "passage: "})
    texts = [f"document number {n} is about notice" for n in range(10)]
    found = made.embed(texts, kind="document")
    assert isinstance(made, Embedder)
    assert isinstance(made, Accounted)
    assert found.vectors.shape == (10, DIMENSIONS)
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)
    assert [len(request["input"]) for request in vllm.requests].count(4) == 2
    assert all(text.startswith("passage: ") for request in vllm.requests for text in request["input"])
    assert np.allclose(found.vectors[7], made.embed([texts[7]], kind="document").vectors[0], atol=1e-6)
    assert not np.allclose(found.vectors[7], made.embed([texts[7]], kind="query").vectors[0], atol=1e-2)
    assert sum(row.cost for row in ledger.calls) == sum(u["prompt_tokens"] for u in vllm.usages) * Decimal("1e-8")
    assert made.space.name == f"own_e5_small_v2_{DIMENSIONS}"
    assert made.embed([], kind="query").vectors.shape == (0, DIMENSIONS)


def test_a_text_that_the_server_finds_too_long_is_halved(
    vllm: OpenAIServer, client: OpenAIClient, ledger: MemoryLedger, caplog: pytest.LogCaptureFixture
) -> None:
    long = "the notice period is long. " * 200
    found = embedder(client, ledger).embed(["short", long], kind="document")
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)
    assert found.tokens == 1 + len(words(long))
    assert "too long" in caplog.text


def test_fewer_dimensions_are_asked_for_where_wanted(
    vllm: OpenAIServer, client: OpenAIClient, ledger: MemoryLedger
) -> None:
    assert embedder(client, ledger, dimensions=64, shortened=True).embed(["x"], kind="query").vectors.shape == (1, 64)
    with pytest.raises(DimensionMismatch):
        embedder(client, ledger, dimensions=64).embed(["x"], kind="query")
    assert "dimensions" not in vllm.requests[1]


@pytest.mark.parametrize(
    "edit",
    [
        lambda reply: {**reply, "data": reply["data"][:1]},
        lambda reply: {**reply, "data": [{**row, "index": 0} for row in reply["data"]]},
        lambda reply: {**reply, "data": ["x", "y"]},
        lambda reply: {**reply, "data": [{**row, "embedding": [0.0] * DIMENSIONS} for row in reply["data"]]},
        lambda reply: {**reply, "data": None},
    ],
)
def test_vectors_that_cannot_be_used_are_refused_and_paid_for(
    edit, vllm: OpenAIServer, client: OpenAIClient, ledger: MemoryLedger
) -> None:
    vllm.script(Fault(edit=edit))
    with pytest.raises(BadReply):
        embedder(client, ledger).embed(["one text", "another text"], kind="document")
    assert statuses(ledger) == ["done"]
    assert ledger.calls[0].cost == 4 * Decimal("1e-8")


def test_empty_texts_are_refused(vllm: OpenAIServer, client: OpenAIClient, ledger: MemoryLedger) -> None:
    for texts in (["good", " "], "one text"):
        with pytest.raises(InvalidArgument):
            embedder(client, ledger).embed(texts, kind="document")
    assert vllm.requests == []


def test_quotes_of_texts(client: OpenAIClient, ledger: MemoryLedger) -> None:
    quote = embedder(client, ledger).quote_texts(["the notice period"] * 100)
    assert 0 < quote.least == quote.expected < quote.most
    by_hour = embedder(client, ledger, price=BY_HOUR).quote_texts(["the notice period"] * 100)
    assert by_hour.least == 0
    assert by_hour.expected == 2 * BY_HOUR.for_seconds(2).total


# -- the whole chain -----------------------------------------------------------------------------------------------


def test_a_rag_on_models_of_ones_own(vllm: OpenAIServer, client: OpenAIClient, dsn: str) -> None:
    ledger = MemoryLedger()
    rag = RAG(
        Database(dsn),
        embedder=embedder(client, ledger, price=BY_HOUR),
        models=[OpenAIGenerator(CHAT, client=client, ledger=ledger, price=BY_TOKEN)],
        ledger=ledger,
    )
    rag.migrate()
    rag.ingest(
        [
            Document("leaving", "The notice period is three months for permanent staff.", "Leaving"),
            Document("travel", "Trains are booked through the travel desk.", "Travel"),
        ]
    )
    answer = rag.ask("How long is the notice period for permanent staff?")
    assert answer.outcome == "answered"
    assert "three months" in answer.text
    own = [row for row in ledger.calls if row.prompt_id == answer.prompt_id]
    assert answer.cost == sum(row.cost for row in own) > 0
    assert {row.stage for row in own} >= {"embed", "generate"}
    rag.close()


def test_many_threads_share_the_connections(
    vllm: OpenAIServer, generator: OpenAIGenerator, ledger: MemoryLedger
) -> None:
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(generator.generate(prompt()).text)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [ANSWER] * 16
    assert sum(row.cost for row in ledger.calls) == billed(vllm)
    assert len({json.dumps(request) for request in vllm.requests}) == 1
