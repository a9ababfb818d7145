from ragdiet.observe.deadline import ending, ends_at, seconds_left
from ragdiet.observe.trace import Trace, attempt, checked_id, current, new_id, tracing

__all__ = ["Trace", "attempt", "checked_id", "current", "ending", "ends_at", "new_id", "seconds_left", "tracing"]
