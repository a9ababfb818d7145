from ragdiet.observe.deadline import cancelled, cancelled_by, ending, ends_at, seconds_left
from ragdiet.observe.trace import Trace, attempt, checked_id, current, new_id, tracing

__all__ = [
    "Trace",
    "attempt",
    "cancelled",
    "cancelled_by",
    "checked_id",
    "current",
    "ending",
    "ends_at",
    "new_id",
    "seconds_left",
    "tracing",
]
