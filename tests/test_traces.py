"""Who asked what, through threads and tasks; OpenTelemetry's spans and Prometheus's metrics of an ask."""

from __future__ import annotations

import asyncio
import doctest
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

from ragdiet.account import BudgetState, SpendingBudget
from ragdiet.aio import AsyncRAG
from ragdiet.bedrock import BedrockClient
from ragdiet.errors import InvalidArgument, MissingExtra, StoreUnavailable
from ragdiet.generate import ExtractiveReader
from ragdiet.observe import (
    AskEnded,
    AskRaised,
    AskStarted,
    Event,
    Trace,
    count_in_prometheus,
    current,
    emit,
    labels,
    log_to,
    new_id,
    running,
    send_to_opentelemetry,
    subscribe,
    tracing,
)
from ragdiet.observe.labels import Bounded
from ragdiet.rag import RAG
from ragdiet.store import Database
from ragdiet.testing.bedrock import BedrockServer, Fault
from ragdiet.types import Document, Generation, Prompt
from tests.embedders import WordEmbedder
from tests.stand_in import its_environment

CHEAP, DEAR, TITAN = "us.amazon.nova-lite-v1:0", "us.amazon.nova-pro-v1:0", "amazon.titan-embed-text-v2:0"
QUESTION = "How long is the notice period for permanent staff?"
DOCUMENTS = (
    Document("leaving", "The notice period is three months for permanent staff. Laptops go to Utrecht.", "Leaving"),
    Document("travel", "Trains are booked through the travel desk. Hotel rooms may cost 140 euros.", "Travel"),
    Document("canteen", "Lunch is served from noon until two in the canteen on the first floor.", "Canteen"),
)


@pytest.fixture
def bedrock() -> Iterator[BedrockServer]:
    with BedrockServer(region="us-east-1", chat=(CHEAP, DEAR)) as server, its_environment(server):
        yield server


@pytest.fixture
def connected(bedrock: BedrockServer, dsn: str) -> Iterator[RAG]:
    with RAG.connect(
        dsn, region="us-east-1", embedder=f"bedrock:{TITAN}", models=[f"bedrock:{CHEAP}", f"bedrock:{DEAR}"]
    ) as rag:
        rag.migrate()
        yield rag


@pytest.fixture
def events() -> Iterator[list[Event]]:
    seen: list[Event] = []
    unsubscribe = subscribe(seen.append)
    yield seen
    unsubscribe()


class LoggingReader(ExtractiveReader):
    """Says in the log what it was asked, when as many as ``together`` are at it."""

    def __init__(self, together: int) -> None:
        super().__init__()
        self._together = threading.Barrier(together)

    def generate(self, prompt: Prompt) -> Generation:
        self._together.wait(30)
        logging.getLogger("elsewhere").warning("%s", prompt.question)
        return super().generate(prompt)


def test_lines_of_asks_at_once_do_not_mix(database: Database, tmp_path: Path) -> None:
    async def ask_all(rag: RAG) -> dict[str, str]:
        both = AsyncRAG(rag)
        asks = [both.ask(f"How long is the notice period, {n}?", prompt_id=f"ask-{n}", tenant=f"t{n}") for n in "abc"]
        answers = await asyncio.gather(*asks)
        return {answer.prompt_id: answer.outcome for answer in answers}

    path = tmp_path / "ask.log"
    with RAG(database, embedder=WordEmbedder(), models=[LoggingReader(3)]) as rag:
        for n in "abc":
            rag.ingest(DOCUMENTS, tenant=f"t{n}")
        log = log_to(path)
        assert asyncio.run(ask_all(rag)) == dict.fromkeys(("ask-a", "ask-b", "ask-c"), "answered")
        log.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    said = {(line["prompt_id"], line["tenant"], line["message"]) for line in lines if line["event"] == "log"}
    assert said == {(f"ask-{n}", f"t{n}", f"How long is the notice period, {n}?") for n in "abc"}
    assert {line["prompt_id"] for line in lines} == {"ask-a", "ask-b", "ask-c"}


def test_lines_of_other_libraries_in_threads_of_an_ingest_carry_its_name(connected: RAG, tmp_path: Path) -> None:
    path = tmp_path / "ingest.log"
    log = log_to(path, level="DEBUG", logger="botocore")
    logging.getLogger("botocore").setLevel(logging.DEBUG)
    try:
        connected.ingest(DOCUMENTS)
    finally:
        logging.getLogger("botocore").setLevel(logging.NOTSET)
        log.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    sent = [line for line in lines if line["logger"] == "botocore.endpoint"]
    assert len(sent) >= len(DOCUMENTS)
    assert len({line["prompt_id"] for line in sent}) == 1


def test_what_is_done_in_the_background_belongs_to_its_ask(bedrock: BedrockServer) -> None:
    client = BedrockClient("us-east-1")
    seen: list[Trace | None] = []
    with tracing(Trace(prompt_id="ask-1")):
        assert client.in_background(lambda: seen.append(running()))
    client.close()
    assert [trace.prompt_id for trace in seen if trace] == ["ask-1"]


def test_each_ask_has_one_beginning_and_one_end(events: list[Event], rag: RAG) -> None:
    rag.ingest(DOCUMENTS)
    events.clear()
    rag.ask(QUESTION)
    with pytest.raises(InvalidArgument):
        rag.ask(QUESTION, budget=0)
    with rag.ask(QUESTION, stream=True) as stream:
        next(iter(stream))
    ends = [type(event) for event in events if isinstance(event, AskStarted | AskEnded | AskRaised)]
    assert ends == [AskStarted, AskEnded, AskStarted, AskRaised, AskStarted, AskEnded]
    assert current().prompt_id not in [event.trace.prompt_id for event in events if isinstance(event, AskStarted)]


def test_a_prompt_id_of_two_lines_is_refused(events: list[Event], rag: RAG) -> None:
    for wrong in ("ask\n1", "", "a" * 129, "jo@example.org"):
        with pytest.raises(InvalidArgument, match="cannot be used"):
            rag.ask(QUESTION, prompt_id=wrong)
    assert events == []


def test_an_observer_that_raises_breaks_nothing(
    rag: RAG, events: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    def faulty(event: Event) -> None:
        raise RuntimeError("jo@example.org")

    rag.ingest(DOCUMENTS)
    unsubscribe = subscribe(faulty)
    later: list[Event] = []
    end = subscribe(later.append)
    assert rag.ask(QUESTION).outcome == "answered"
    end()
    unsubscribe()
    assert isinstance(later[-1], AskEnded)
    told = [record.getMessage() for record in caplog.records if "raised RuntimeError" in record.getMessage()]
    assert len(told) == 1
    assert "example.org" not in told[0]
    rag.ask(QUESTION)
    assert later[-1] is not events[-1]


class Exported:
    """What OpenTelemetry was sent."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader])

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self._exporter.get_finished_spans()}

    def values(self, name: str) -> dict[tuple[object, ...], float]:
        """Of a metric: a counter's value, or a histogram's sum, by the values of its labels."""
        data = self._reader.get_metrics_data()
        metrics = [] if data is None else data.resource_metrics[0].scope_metrics[0].metrics
        return {
            tuple(point.attributes.values()): getattr(point, "value", None) or point.sum  # type: ignore[union-attr]
            for metric in metrics
            if metric.name == name
            for point in metric.data.data_points
        }


@pytest.fixture
def exported() -> Iterator[Exported]:
    made = Exported()
    sending = send_to_opentelemetry(made.tracers, made.meters)
    yield made
    sending.close()
    made.tracers.shutdown()
    made.meters.shutdown()


def test_spans_of_an_ask_within_the_callers(connected: RAG, exported: Exported) -> None:
    connected.ingest(DOCUMENTS)
    tracer = exported.tracers.get_tracer("caller")

    async def ask() -> str:
        with tracer.start_as_current_span("web request"):
            return (await AsyncRAG(connected).ask(QUESTION)).prompt_id

    prompt_id = asyncio.run(ask())
    spans = exported.spans
    asked, chat = spans["ask"], spans[f"chat {CHEAP}"]
    assert asked.parent is not None
    assert asked.parent.span_id == spans["web request"].context.span_id
    for name in (f"embeddings {TITAN}", "retrieval local:postgresql", f"chat {CHEAP}"):
        parent = spans[name].parent
        assert parent is not None, name
        assert parent.span_id == asked.context.span_id, name
    assert chat.attributes is not None
    found = dict(chat.attributes)
    assert found.pop("ragdiet.cost.usd") == pytest.approx(float(asked.attributes["ragdiet.cost.usd"]), rel=0.5)  # type: ignore[index, arg-type]
    assert found.pop("gen_ai.usage.input_tokens") > 50  # type: ignore[operator]
    assert found.pop("gen_ai.usage.output_tokens") > 3  # type: ignore[operator]
    assert found.pop("gen_ai.request.max_tokens") > 20  # type: ignore[operator]
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.model": CHEAP,
        "gen_ai.response.model": CHEAP,
        "gen_ai.response.finish_reasons": ("end_turn",),
        "ragdiet.attempt": 2,
        "ragdiet.prompt_id": prompt_id,
    }
    assert asked.attributes is not None
    assert asked.attributes["ragdiet.outcome"] == "answered"
    assert [event.attributes["step"] for event in asked.events] == ["retrieve", "read"]  # type: ignore[index]
    everything = " ".join(span.to_json() for span in spans.values())
    assert "notice period" not in everything
    assert "three months" not in everything


def test_metrics_and_errors_for_opentelemetry(connected: RAG, bedrock: BedrockServer, exported: Exported) -> None:
    connected.ingest(DOCUMENTS)
    connected.retrieve(QUESTION)
    bedrock.script(Fault(status=403, code="AccessDeniedException"))
    assert connected.ask(QUESTION).outcome == "answered"
    assert exported.values("ragdiet.requests") == {("answered",): 1}
    assert exported.values("ragdiet.fallback") == {(CHEAP, DEAR, "AccessDenied"): 1}
    assert exported.values("ragdiet.errors") == {("setup",): 1}
    assert exported.values("gen_ai.client.token.usage")[("chat", "aws.bedrock", DEAR, "input")] > 50
    assert ("chat", "aws.bedrock", CHEAP, "AccessDeniedException") in exported.values(
        "gen_ai.client.operation.duration"
    )
    refused = exported.spans[f"chat {CHEAP}"]
    assert refused.attributes is not None
    assert refused.attributes["error.type"] == "AccessDeniedException"
    assert not refused.status.is_ok


def test_a_stream_that_is_left_ends_its_span(rag: RAG, exported: Exported) -> None:
    rag.ingest(DOCUMENTS)
    stream = rag.ask("How long is the notice period? And who books trains?", stream=True)
    next(iter(stream))
    stream.close()
    with pytest.raises(InvalidArgument):
        rag.ask(QUESTION, budget=0)
    assert rag.ask(QUESTION).outcome == "answered"
    assert exported.spans["ask"].parent is None


def test_metrics_for_prometheus(connected: RAG, bedrock: BedrockServer) -> None:
    registry = CollectorRegistry()
    counting = count_in_prometheus(registry, budgets=connected.budgets.list)
    with pytest.raises(InvalidArgument, match="already"):
        count_in_prometheus(registry)
    connected.budgets.set(SpendingBudget(name="all", usd="1.25"))
    connected.budgets.set(SpendingBudget(name="team", tokens=900, tag=("team", "search")))
    connected.ingest(DOCUMENTS)
    connected.retrieve(QUESTION)
    bedrock.script(Fault(status=403, code="AccessDeniedException"))
    answer = connected.ask(QUESTION)
    with pytest.raises(InvalidArgument):
        connected.ask(QUESTION, budget=0)
    value: Callable[..., float | None] = registry.get_sample_value
    asked = {"route": "/ask", "model": DEAR}
    assert value("ragdiet_requests_total", {"route": "/ask", "outcome": "answered"}) == 1
    assert value("ragdiet_requests_total", {"route": "/ask", "outcome": "error"}) == 1
    assert value("ragdiet_request_duration_seconds_count", asked) == 1
    assert value("ragdiet_request_duration_seconds_bucket", asked | {"le": "+Inf"}) == 1
    assert value("ragdiet_cost_usd_total", {"stage": "generate", "model": DEAR}) == pytest.approx(float(answer.cost))
    assert value("ragdiet_tokens_total", {"model": DEAR, "kind": "input"})
    assert value("ragdiet_fallbacks_total", {"from": CHEAP, "to": DEAR, "reason": "AccessDenied"}) == 1
    assert value("ragdiet_errors_total", {"class": "input", "error": "InvalidArgument"}) == 1
    assert value("ragdiet_confidence_count", {"outcome": "answered"}) == 1
    (left, _) = connected.budgets.list()
    assert value("ragdiet_budget_left_usd", {"budget": "all"}) == float(left.left) < 1.25
    assert value("ragdiet_budget_left_usd", {"budget": "team"}) is None
    assert value("ragdiet_budget_left_tokens", {"budget": "team"}) == 900
    text = generate_latest(registry).decode()
    assert answer.prompt_id not in text
    assert "tenant" not in text
    counting.close()
    assert generate_latest(registry) == b""


def test_budgets_that_cannot_be_read_leave_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragdiet.observe.prom._BUDGETS_WAIT", 0.01)
    is_back, readers = threading.Event(), []

    def away() -> tuple[BudgetState, ...]:
        readers.append(threading.current_thread())
        is_back.wait()
        raise StoreUnavailable("the database is away")

    registry = CollectorRegistry()
    counting = count_in_prometheus(registry, budgets=away)
    emit(AskRaised(error="Failed", category="bug", seconds=1))
    for _ in range(3):
        assert b'ragdiet_requests_total{outcome="error",route="/ask"} 1.0' in generate_latest(registry)
    assert len(readers) == 1
    is_back.set()
    readers[0].join()
    assert b"ragdiet_budget_left_usd{" not in generate_latest(registry)
    assert len(readers) == 2
    counting.close()


def test_labels_are_few_whatever_comes() -> None:
    bounded = Bounded(3)
    assert [bounded(value) for value in ("a", "b", "a", "c", "d", "b", new_id())] == [*"abac", "other", "b", "other"]
    assert doctest.testmod(labels).failed == 0
    assert labels.reason_label("Throttled: 3 a second, for jo@example.org") == "Throttled"
    assert labels.reason_label("the reply was cut off (stop reason: x)") == "the reply was cut off"
    assert labels.reason_label("could cost $0.1, $0 is left") == "over budget"


@pytest.mark.parametrize(
    ("module", "start", "extra"),
    [("opentelemetry", send_to_opentelemetry, "otel"), ("prometheus_client", count_in_prometheus, "prom")],
)
def test_an_extra_that_is_missing_is_named(
    module: str, start: Callable[[], object], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'ragdiet\[{extra}\]'"):
        start()
