"""Events as records of the standard library's logging: the fields of a line, how loud it is, and what it is tagged."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

from ragdiet.observe.events import AskEnded, AskRaised, AskStarted, CallEnded, Event, StepTaken
from ragdiet.observe.json_lines import EVENT, KEPT

log = logging.getLogger("ragdiet.events")
log.addHandler(logging.NullHandler())  # where a program has set up no logging, nothing is printed


def log_event(event: Event) -> None:
    """Log ``event``, if anybody listens at its level."""
    level = _level(event)
    if log.isEnabledFor(level):
        fields = {name: value for name, value in _fields(event).items() if value is not None and value != ""}
        words = (str(fields[name]) for name in ("event", "stage", "step", "outcome") if name in fields)
        log.log(level, " ".join(words), extra={EVENT: fields, KEPT: _is_kept(event)})


def _level(event: Event) -> int:
    """Local work that went well is told in its step, and in the ledger: its own line is for who looks closer."""
    if _is_failure(event):
        return logging.WARNING
    is_free = isinstance(event, CallEnded) and not event.call.cost
    return logging.DEBUG if is_free or isinstance(event, AskStarted) else logging.INFO


def _is_failure(event: Event) -> bool:
    if isinstance(event, CallEnded):
        return event.call.status in ("failed", "unknown")
    return isinstance(event, AskRaised) or (isinstance(event, AskEnded) and event.row.outcome == "failed")


def _is_kept(event: Event) -> bool:
    if isinstance(event, CallEnded) and event.call.cost:
        return True
    return _is_failure(event) or "fallback" in _tags(event)


def _tags(event: Event) -> list[str]:
    if isinstance(event, AskStarted):
        return []
    if isinstance(event, StepTaken):
        return [*["re-query"] * event.is_requery, *["fallback"] * event.is_fallback]
    if isinstance(event, AskEnded):
        steps = [attempt.step for attempt in event.attempts]
        requery = "re-search" in steps or "clarify" in steps
        fallback = "safe reply" in steps or steps.count("read") > 1
        tags = ["success"] * (event.row.outcome == "answered") + ["failure"] * _is_failure(event)
        return [*tags, *["re-query"] * requery, *["fallback"] * fallback]
    return ["failure"] if _is_failure(event) else ["success"]


def _fields(event: Event) -> dict[str, Any]:
    fields: dict[str, Any]
    match event:
        case AskStarted():
            fields = {"event": "ask started", "collection": event.collection}
        case StepTaken(attempt=attempt):
            fields = {
                "event": "step",
                "attempt": event.number,
                "step": attempt.step,
                "model": attempt.model,
                "outcome": "accepted" if attempt.accepted else "not accepted",
                "reason": attempt.reason,
                "confidence": _rounded(attempt.confidence),
                "cost_usd": _money(attempt.cost),
                "seconds": round(attempt.seconds, 6),
            }
        case CallEnded(call=call):
            usage = call.usage
            fields = {
                "event": "call",
                "prompt_id": call.prompt_id,
                "tenant": call.tenant,
                "attempt": call.attempt,
                "call_id": call.call_id,
                "stage": call.stage,
                "model": call.model,
                "served": call.served if call.served != call.model else None,
                "outcome": call.status,
                "cost_usd": _money(call.cost),
                "tokens": usage.total_tokens,
                "output_tokens": usage.output_tokens or None,
                "seconds": round(call.seconds, 6),
                "error": call.error,
                "error_class": event.category,
                "finish_reason": event.finish_reason,
                "guardrail": event.guardrail,
            }
        case AskEnded(row=row):
            fields = {
                "event": "ask",
                "prompt_id": row.prompt_id,
                "tenant": row.tenant,
                "attempt": len(event.attempts),
                "collection": row.collection,
                "model": row.model,
                "outcome": row.outcome,
                "reason": row.reason,
                "confidence": _rounded(row.confidence),
                "cost_usd": _money(row.cost),
                "tokens": row.tokens,
                "seconds": round(row.seconds, 6),
                "user_tags": dict(row.tags) or None,
            }
        case AskRaised():
            fields = {
                "event": "ask",
                "outcome": event.outcome,
                "seconds": round(event.seconds, 6),
                "error": event.error,
                "error_class": event.category,
            }
    trace = getattr(event, "trace", None)
    if trace is not None:
        fields = {"prompt_id": trace.prompt_id, "tenant": trace.tenant} | fields
    return fields | {"tags": _tags(event) or None}


def _money(amount: Decimal) -> str:
    """USD to the last digit, without an exponent."""
    return format(amount, "f")


def _rounded(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 4)
