"""Which failed transactions are worth running again from their beginning, and when."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout

T = TypeVar("T")

_AGAIN = {
    "40001",  # serialization failure; at a standby, a conflict with recovery
    "40P01",  # deadlock
    "57P01",  # the server is shut down
    "57P02",  # it crashed
    "57P03",  # it cannot take connections now
    "25006",  # read-only: what was the writer is one no more
}
_JITTER = random.Random()  # noqa: S311  # no secret; of its own, so that a program's seeded numbers stay as they are
_BASE_DELAY, _MAX_DELAY = 0.05, 2.0  # seconds


def is_passing(error: psycopg.Error) -> bool:
    """Whether the same transaction may succeed in a moment, on another connection."""
    return error.sqlstate in _AGAIN or is_lost(error)


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection is gone, rather than that the server refused a statement."""
    if isinstance(error, PoolClosed | PoolTimeout):
        return False
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate[:2] == "08"


def is_commit_unknown(error: psycopg.Error) -> bool:
    """Whether a commit that raised this may have been kept all the same."""
    return is_lost(error) or (error.sqlstate or "")[:3] == "57P"


def retried(attempt: Callable[[int], T], deadline: float) -> T:
    """Call ``attempt`` with 0, 1, ... until it returns, or fails for good, or another try would begin after
    ``deadline``, a reading of time.monotonic().

    Waits are full jitter over an exponential ceiling, 0.05 to 2 s, as in ``ragdiet.bedrock.retry``.
    """
    number = 0
    while True:
        try:
            return attempt(number)
        except psycopg.Error as error:
            delay = _JITTER.uniform(0.0, min(_MAX_DELAY, _BASE_DELAY * 2**number))
            if not is_passing(error) or time.monotonic() + delay > deadline:
                raise
        time.sleep(delay)
        number += 1
