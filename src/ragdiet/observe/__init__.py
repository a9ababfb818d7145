from ragdiet.observe.deadline import ending, ends_at, seconds_left
from ragdiet.observe.held import DatabaseUse, blocks_read, database_use, held
from ragdiet.observe.trace import Trace, attempt, checked_id, current, new_id, tracing

__all__ = [
    "DatabaseUse",
    "Trace",
    "attempt",
    "blocks_read",
    "checked_id",
    "current",
    "database_use",
    "ending",
    "ends_at",
    "held",
    "new_id",
    "seconds_left",
    "tracing",
]
