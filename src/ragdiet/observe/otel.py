"""Asks as OpenTelemetry's spans and metrics, by the names in ``genai``."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ragdiet.errors import MissingExtra
from ragdiet.observe import genai
from ragdiet.observe.events import AskEnded, AskRaised, AskStarted, CallEnded, Event, StepTaken, subscribe
from ragdiet.observe.labels import Bounded, reason_label

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

_NANOSECONDS = 1_000_000_000


def send_to_opentelemetry(
    tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> OpenTelemetry:
    """Make spans and metrics of all asks, by default through the providers that the program has set up.

    A span an ask, ``ask``, within the caller's own span where there is one, so that a trace goes on through threads and
    tasks; within it one for each request and each search. Questions, documents and answers are in none of them.
    ``close`` what this gives to end it. Raises MissingExtra without the extra ``otel``.
    """
    return OpenTelemetry(tracer_provider, meter_provider)


class OpenTelemetry:
    """Subscribed to events until it is closed."""

    def __init__(self, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None) -> None:
        try:
            from opentelemetry import context, metrics, trace
        except ImportError as error:
            raise MissingExtra("opentelemetry-api", "otel", "sending traces to OpenTelemetry") from error
        self._trace = trace
        self._context = context
        self._tracer = trace.get_tracer("ragdiet", tracer_provider=tracer_provider)
        self._open: ContextVar[tuple[Span, Token[Context]] | None] = ContextVar("ragdiet_span", default=None)
        meter = metrics.get_meter("ragdiet", meter_provider=meter_provider)
        self._duration = meter.create_histogram(
            genai.DURATION, "s", explicit_bucket_boundaries_advisory=genai.DURATION_BUCKETS
        )
        self._tokens = meter.create_histogram(
            genai.TOKEN_USAGE, "{token}", explicit_bucket_boundaries_advisory=genai.TOKEN_BUCKETS
        )
        self._requests = meter.create_counter(genai.REQUESTS, "{request}")
        self._cost = meter.create_counter(genai.COST, "USD")
        self._confidence = meter.create_histogram(
            genai.CONFIDENCE, "1", explicit_bucket_boundaries_advisory=[n / 10 for n in range(1, 10)]
        )
        self._fallbacks = meter.create_counter(genai.FALLBACK, "{fallback}")
        self._errors = meter.create_counter(genai.ERRORS, "{error}")
        self._model = Bounded()
        self._reason = Bounded()
        self._error = Bounded()
        self.close = subscribe(self)

    def __call__(self, event: Event) -> None:
        match event:
            case AskStarted():
                self._begin(event)
            case StepTaken():
                self._step(event)
            case CallEnded():
                self._call(event)
            case AskEnded(row=row):
                found: genai.Attributes = {
                    genai.OUTCOME: row.outcome,
                    genai.CONFIDENCE: row.confidence,
                    genai.COST: float(row.cost),
                    genai.RESPONSE_MODEL: row.model,
                    genai.REASON: row.reason,
                }
                self._end({name: value for name, value in found.items() if value != ""}, row.outcome == "failed")
                self._requests.add(1, {"outcome": row.outcome})
                self._confidence.record(row.confidence, {"outcome": row.outcome})
            case AskRaised():
                self._end({genai.OUTCOME: event.outcome, genai.ERROR: event.error}, event.outcome == "error")
                self._requests.add(1, {"outcome": event.outcome})
                if event.outcome == "error":
                    self._errors.add(1, {"class": event.category})

    def _begin(self, event: AskStarted) -> None:
        """The span is current until the ask's end, so that what others trace within it finds its parent."""
        found: genai.Attributes = {genai.PROMPT_ID: event.trace.prompt_id, genai.COLLECTION: event.collection}
        if event.trace.tenant:
            found[genai.TENANT] = event.trace.tenant
        span = self._tracer.start_span("ask", kind=self._trace.SpanKind.INTERNAL, attributes=found)
        self._open.set((span, self._context.attach(self._trace.set_span_in_context(span))))

    def _end(self, found: genai.Attributes, is_failure: bool) -> None:
        opened = self._open.get()
        if opened is None:
            return  # it began before anybody subscribed
        span, token = opened
        self._open.set(None)
        span.set_attributes(found)
        if is_failure:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end()
        self._context.detach(token)

    def _step(self, event: StepTaken) -> None:
        attempt = event.attempt
        if (opened := self._open.get()) is not None:
            found: dict[str, Any] = {
                "step": attempt.step,
                "accepted": attempt.accepted,
                genai.REASON: reason_label(attempt.reason),
                genai.REQUEST_MODEL: attempt.model,
                genai.CONFIDENCE: attempt.confidence,
            }
            opened[0].add_event("step", {name: value for name, value in found.items() if value is not None})
        if event.is_fallback and event.before is not None:
            source, reason = event.before, reason_label(event.before.reason)
            labels = {"from": source.model or source.step, "to": attempt.model or attempt.step}
            self._fallbacks.add(1, {**{k: self._model(v) for k, v in labels.items()}, "reason": self._reason(reason)})

    def _call(self, event: CallEnded) -> None:
        """A request that is over: a span in retrospect, as it is told of at its end, whichever thread that came in."""
        call = event.call
        name = f"{genai.operation(call)} {call.model}"
        began = round(call.started_at.timestamp() * _NANOSECONDS)
        span = self._tracer.start_span(
            name,
            kind=self._trace.SpanKind.CLIENT,
            attributes=genai.attributes(event),
            start_time=began,
        )
        if call.error:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end(min(time.time_ns(), began + round(call.seconds * _NANOSECONDS)))
        labels: dict[str, Any] = {
            genai.OPERATION: genai.operation(call),
            genai.PROVIDER: genai.provider(call),
            genai.REQUEST_MODEL: self._model(call.model),
        }
        if genai.is_client_operation(call):
            failed = {genai.ERROR: self._error(call.error)} if call.error else {}
            self._duration.record(call.seconds, labels | failed)
            usage = call.usage
            for kind, tokens in (("input", usage.input_tokens + usage.cached_tokens), ("output", usage.output_tokens)):
                if tokens:
                    self._tokens.record(tokens, labels | {genai.TOKEN_TYPE: kind})
        if call.cost:
            self._cost.add(float(call.cost), {"stage": call.stage, genai.REQUEST_MODEL: labels[genai.REQUEST_MODEL]})
        if event.category not in ("", "cancelled"):
            self._errors.add(1, {"class": event.category})
