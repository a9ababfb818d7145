"""Asks as metrics for Prometheus. Labels are few: no tenant, no prompt_id, and models and reasons up to a bound."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from ragdiet.errors import InvalidArgument, MissingExtra
from ragdiet.observe.events import AskEnded, AskRaised, CallEnded, Event, StepTaken, subscribe
from ragdiet.observe.labels import Bounded, reason_label

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    from ragdiet.account import BudgetState

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_ROUTE = "/ask"
_BUDGETS_WAIT = 2.0  # seconds; Prometheus itself gives a scrape ten


def count_in_prometheus(
    registry: CollectorRegistry | None = None,
    *,
    budgets: Callable[[], Iterable[BudgetState]] | None = None,
) -> Prometheus:
    """Count all asks in ``registry``, by default the process's own, which ``prometheus_client`` serves.

    ``budgets``, such as ``rag.budgets.list``, is asked for what they have left whenever the metrics are read. ``close``
    what this gives to end it. Raises MissingExtra without the extra ``prom``.
    """
    return Prometheus(registry, budgets)


class Prometheus:
    """Subscribed to events until it is closed."""

    def __init__(self, registry: CollectorRegistry | None, budgets: Callable[[], Iterable[BudgetState]] | None) -> None:
        try:
            import prometheus_client as client
        except ImportError as error:
            raise MissingExtra("prometheus-client", "prom", "metrics for Prometheus") from error
        self._registry = registry or client.REGISTRY
        self._metrics: list[Any] = []

        def made(kind: type[Any], name: str, text: str, *labels: str, **more: Any) -> Any:
            metric = kind(f"ragdiet_{name}", text, labels, registry=None, **more)
            self._metrics.append(metric)
            return metric

        self._requests = made(client.Counter, "requests", "Asks by how they ended", "route", "outcome")
        self._seconds = made(
            client.Histogram,
            "request_duration_seconds",
            "From question to answer",
            "route",
            "model",
            buckets=_SECONDS,
        )
        self._tokens = made(client.Counter, "tokens", "Tokens billed, or counted where nothing is", "model", "kind")
        self._cost = made(
            client.Counter, "cost_usd", "Spent, at the worst case where it is not known", "stage", "model"
        )
        self._errors = made(client.Counter, "errors", "Calls and asks that failed", "class", "error")
        self._fallbacks = made(client.Counter, "fallbacks", "Steps in place of others", "from", "to", "reason")
        self._confidence = made(
            client.Histogram, "confidence", "Of asks", "outcome", buckets=[n / 10 for n in range(1, 11)]
        )
        if budgets is not None:
            self._metrics.append(_BudgetsLeft(budgets))
        self._model = Bounded()
        self._reason = Bounded()
        self._error = Bounded()
        try:
            for metric in self._metrics:
                self._registry.register(metric)
        except ValueError as error:
            raise InvalidArgument(
                "asks are counted in this registry already: close what counts them, or give another one"
            ) from error
        self._unsubscribe = subscribe(self)

    def close(self) -> None:
        """Count no more, and take the metrics out of the registry."""
        self._unsubscribe()
        while self._metrics:
            self._registry.unregister(self._metrics.pop())

    def __call__(self, event: Event) -> None:
        match event:
            case AskEnded(row=row):
                self._requests.labels(_ROUTE, row.outcome).inc()
                self._seconds.labels(_ROUTE, self._model(row.model or "none")).observe(row.seconds)
                self._confidence.labels(row.outcome).observe(row.confidence)
            case AskRaised():
                self._requests.labels(_ROUTE, event.outcome).inc()
                self._seconds.labels(_ROUTE, "none").observe(event.seconds)
                if event.outcome == "error":
                    self._errors.labels(event.category, self._error(event.error)).inc()
            case StepTaken(attempt=attempt, before=before) if event.is_fallback and before is not None:
                self._fallbacks.labels(
                    self._model(before.model or before.step),
                    self._model(attempt.model or attempt.step),
                    self._reason(reason_label(before.reason)),
                ).inc()
            case CallEnded(call=call):
                model, usage = self._model(call.model), call.usage
                for kind, tokens in (
                    ("input", usage.input_tokens),
                    ("output", usage.output_tokens),
                    ("cache read", usage.cache_read_tokens),
                    ("cache write", usage.cache_write_5m_tokens + usage.cache_write_1h_tokens),
                ):
                    if tokens:
                        self._tokens.labels(model, kind).inc(tokens)
                if call.cost:
                    self._cost.labels(call.stage, model).inc(float(call.cost))
                if event.category not in ("", "cancelled"):
                    self._errors.labels(event.category, self._error(call.error)).inc()


class _BudgetsLeft:
    """Read when the metrics are. Budgets that cannot be read in time are left out, and all else is served."""

    def __init__(self, read: Callable[[], Iterable[BudgetState]]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._reading: Future[tuple[BudgetState, ...]] | None = None

    def describe(self) -> Iterable[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        return [
            GaugeMetricFamily(f"ragdiet_budget_left_{unit}", f"{name} left of a budget", labels=("budget",))
            for unit, name in (("usd", "USD"), ("tokens", "Tokens"))
        ]

    def collect(self) -> Iterable[Metric]:
        families = self.describe()
        for state in self._states():
            for family in families:
                if family.name.endswith(state.budget.unit):
                    family.add_metric([state.budget.name], float(state.left))  # type: ignore[attr-defined]  # a gauge
        return families

    def _states(self) -> tuple[BudgetState, ...]:
        """One thread reads, however often a database that is away is asked for: it may wait for a minute."""
        with self._lock:
            if self._reading is None or self._reading.done():
                self._reading = Future()
                threading.Thread(target=self._fill, args=(self._reading,), name="ragdiet budgets", daemon=True).start()
            reading = self._reading
        try:
            return reading.result(_BUDGETS_WAIT)
        except Exception:  # noqa: BLE001  # too late, or whatever reading them raises
            return ()

    def _fill(self, reading: Future[tuple[BudgetState, ...]]) -> None:
        try:
            reading.set_result(tuple(self._read()))
        except BaseException as error:  # noqa: BLE001  # told to whoever waits
            reading.set_exception(error)
