"""Rows of local work, which wait a moment and are written together: no search waits for its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ragdiet.errors import RagdietError

if TYPE_CHECKING:
    from ragdiet.account.ledger import Call

_WAIT = 0.5
"""Seconds between a row and its writing."""

_MOST = 10_000
"""Rows kept while the database cannot be reached; the oldest go first. They cost nothing, so no money is lost."""

_log = logging.getLogger("ragdiet.account")


class WaitingRows:
    """Rows by tenant until ``write`` has stored them. Safe in threads.

    The timer's thread holds up the end of the program, so that the last rows are written too.
    """

    def __init__(self, write: Callable[[str, Sequence[Call]], None]) -> None:
        self._write = write
        self._rows: dict[str, list[Call]] = {}
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        with self._lock:
            self._rows.setdefault(call.tenant, []).append(call)
            self._wait()

    def take(self, tenant: str) -> list[Call]:
        """What waits of a tenant, the caller's to write or to ``put_back``."""
        with self._lock:
            return self._rows.pop(tenant, [])

    def put_back(self, tenant: str, rows: Sequence[Call]) -> None:
        """Rows that could not be written wait for the next row, or the next flush."""
        with self._lock:
            kept = [*rows, *self._rows.get(tenant, ())]
            lost = max(0, len(kept) - _MOST)
            self._rows[tenant] = kept[lost:]
        if lost:
            _log.warning("%d ledger rows of local work, at no cost, were dropped: the database cannot be reached", lost)

    def flush(self) -> None:
        """Write all that waits now. What fails waits again, and the error is raised."""
        with self._lock:
            tenants = [*self._rows]
        for tenant in tenants:
            rows = self.take(tenant)
            try:
                self._write(tenant, rows)
            except BaseException:
                self.put_back(tenant, rows)
                raise

    def close(self) -> None:
        """Write what waits, for the last time; what cannot be written is dropped, with a warning."""
        try:
            self.flush()
        except RagdietError as error:
            _log.warning("ledger rows of local work, at no cost, were dropped: %s", error)
        with self._lock:
            if self._timer:
                self._timer.cancel()
            self._rows.clear()

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(_WAIT, self._flush_in_time)
            self._timer.start()

    def _flush_in_time(self) -> None:
        with self._lock:
            self._timer = None
        try:
            self.flush()
        except RagdietError as error:
            _log.warning("ledger rows of local work could not be written: %s", error)
