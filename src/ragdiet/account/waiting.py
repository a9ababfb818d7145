"""Rows of local work, which wait a moment and are written together: no search waits for its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragdiet.account.ledger import Call

_WAIT = 0.5
"""Seconds between a row and its writing."""


class WaitingRows:
    """Rows by tenant until they are handed to ``write``, which keeps them whatever happens. Safe in threads.

    The timer's thread holds up the end of the program, so that the last rows are written too.
    """

    def __init__(self, write: Callable[[Sequence[Call]], None]) -> None:
        self._write = write
        self._rows: dict[str, list[Call]] = {}
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        with self._lock:
            self._rows.setdefault(call.tenant, []).append(call)
            if self._timer is None:
                self._timer = threading.Timer(_WAIT, self._flush_in_time)
                self._timer.start()

    def take(self, tenant: str) -> list[Call]:
        """What waits of a tenant, the caller's to write."""
        with self._lock:
            return self._rows.pop(tenant, [])

    def flush(self) -> None:
        """Write all that waits now."""
        with self._lock:
            rows, self._rows = self._rows, {}
        for of_tenant in rows.values():
            self._write(of_tenant)

    def close(self) -> None:
        """Write what waits, for the last time."""
        with self._lock:
            if self._timer:
                self._timer.cancel()
        self.flush()

    def _flush_in_time(self) -> None:
        with self._lock:
            self._timer = None
        self.flush()
