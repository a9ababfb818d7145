from ragdiet.observe.trace import Trace, attempt, checked_id, current, new_id, tracing

__all__ = ["Trace", "attempt", "checked_id", "current", "new_id", "tracing"]
