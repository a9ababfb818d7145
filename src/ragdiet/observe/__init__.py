from ragdiet.observe.asking import Asking
from ragdiet.observe.deadline import cancelled, cancelled_by, ending, ends_at, seconds_left
from ragdiet.observe.events import (
    AskEnded,
    AskRaised,
    AskStarted,
    CallEnded,
    Event,
    StepTaken,
    Subscriber,
    category_of,
    emit,
    subscribe,
)
from ragdiet.observe.held import DatabaseUse, blocks_read, database_use, held
from ragdiet.observe.json_lines import JsonFormatter
from ragdiet.observe.lines import log_event
from ragdiet.observe.logs import JsonHandler, log_to
from ragdiet.observe.otel import send_to_opentelemetry
from ragdiet.observe.prom import count_in_prometheus
from ragdiet.observe.trace import Trace, attempt, checked_id, current, new_id, running, tracing

subscribe(log_event)

__all__ = [
    "AskEnded",
    "AskRaised",
    "AskStarted",
    "Asking",
    "CallEnded",
    "DatabaseUse",
    "Event",
    "JsonFormatter",
    "JsonHandler",
    "StepTaken",
    "Subscriber",
    "Trace",
    "attempt",
    "blocks_read",
    "cancelled",
    "cancelled_by",
    "category_of",
    "checked_id",
    "count_in_prometheus",
    "current",
    "database_use",
    "emit",
    "ending",
    "ends_at",
    "held",
    "log_event",
    "log_to",
    "new_id",
    "running",
    "seconds_left",
    "send_to_opentelemetry",
    "subscribe",
    "tracing",
]
