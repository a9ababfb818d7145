"""The way of a ledger row to the database, and where it waits while there is none."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias

import psycopg

from ragdiet.account.ledger import Call
from ragdiet.account.spool import Spool
from ragdiet.account.written import Noted, Row, to_line
from ragdiet.errors import InvalidArgument, LedgerUnavailable, RagdietError, StoreUnavailable

_PAUSE = 1.0
"""Seconds between two tries to reach the database for rows that wait."""

_log = logging.getLogger("ragdiet.account")

Store: TypeAlias = Callable[[Sequence[Noted]], None]
"""Writes rows, whole or not at all. Raises StoreUnavailable within seconds where the database cannot be reached."""


class Parked:
    """Sends rows to ``store``, and parks those in ``spool`` that the database cannot take now. Safe in threads.

    After the first row that could not be sent, the others are parked at once, and a thread looks every second
    whether the database is back; then it brings them all. Rows that processes left which have died are brought
    by the first that opens the same database.
    """

    def __init__(self, store: Store, spool: Spool) -> None:
        self._store = store
        self._spool = spool
        self._unspooled: list[Noted] = []
        self._lock = threading.Lock()
        self._bringing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.is_down = False
        """Whether the database could not be reached when it was last tried."""
        if spool.others():
            self._wake()

    def costs(self, tenant: str, prompt_id: str) -> dict[str, Decimal]:
        """USD by call_id, of a question's calls whose latest row may not be in the database yet."""
        with self._lock:
            rows = [noted.row for noted in self._unspooled]
        unspooled = {
            row.call_id: row.cost
            for row in rows
            if isinstance(row, Call) and (row.tenant, row.prompt_id) == (tenant, prompt_id)
        }
        return self._spool.costs(tenant, prompt_id) | unspooled

    def send_first(self, row: Row, *, may_wait: bool) -> None:
        """Before money is spent: when this returns, the row is in the database or, where it ``may_wait``, on the disk.

        Raises LedgerUnavailable where it can be in neither, and what the database refuses it with.
        """
        failure = self._sent([row])
        if failure is None:
            return
        if not isinstance(failure, StoreUnavailable):
            raise failure
        if not may_wait:
            raise LedgerUnavailable(
                "nothing was sent, since a budget may bind this call and cannot be checked while the database is away: "
                f"call again when it is back ({failure})"
            ) from failure
        try:
            self._park([row])
        except OSError as error:
            raise LedgerUnavailable(
                f"nothing was sent, since its cost can be written down neither in the database ({failure}) nor in "
                f"{self._spool.folder} ({error}): make room there, or name another folder by spool=..."
            ) from error

    def send(self, rows: Sequence[Row]) -> None:
        """After money was spent: the rows are kept whatever happens, at last in memory and in the log."""
        failure = self._sent(rows)
        if failure is None:
            return
        if not isinstance(failure, StoreUnavailable):
            _log.warning("the database refused ledger rows, which wait in %s: %s", self._spool.folder, failure)
        self.keep(rows)

    def keep(self, rows: Sequence[Row]) -> None:
        """Have rows wait for the database."""
        try:
            self._park(rows)
        except OSError as error:
            noted = _noted(rows)
            with self._lock:
                self._unspooled += noted
            self._wake()
            for one in noted:
                _log.error(
                    "a ledger row can be written neither to the database nor to %s (%s); this process tries on while "
                    "it lives: %s",
                    self._spool.folder,
                    error,
                    to_line(one).decode().strip(),
                )

    def flush(self) -> None:
        """Bring all rows that wait. Raises StoreError where the database cannot take them, OSError from the disk."""
        Context().run(self._bring)  # not into a transaction of the caller's

    def close(self) -> None:
        """Bring what waits, for the last time; a warning says where the rows are that could not be brought."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        if self._waits():
            try:
                self.flush()
            except (RagdietError, OSError) as error:
                _log.warning("ledger rows wait in %s until this database is opened: %s", self._spool.folder, error)
        self._spool.close()

    def _sent(self, rows: Sequence[Row]) -> Exception | None:
        """Why the database did not take the rows; None where it did."""
        if self.is_down:
            return StoreUnavailable("the database could not be reached a moment ago: wait")
        try:
            self._store([Noted(row) for row in rows])
        except StoreUnavailable as error:
            _log.warning("ledger rows wait in %s until the database can be reached: %s", self._spool.folder, error)
            self.is_down = True
            self._wake()
            return error
        except (RagdietError, UnicodeError) as error:
            return error
        self._spool.overtaken(rows)
        return None

    def _park(self, rows: Sequence[Row]) -> None:
        self._spool.append(_noted(rows))
        self._wake()

    def _waits(self) -> bool:
        return bool(self._unspooled) or not self._spool.is_empty

    def _bring(self) -> None:
        with self._bringing:
            with self._lock:
                unspooled = tuple(self._unspooled)
            if unspooled:
                try:
                    self._spool.append(unspooled)  # where there may be room by now
                except OSError:
                    self._store(unspooled)
                with self._lock:
                    del self._unspooled[: len(unspooled)]
            self._spool.drain(self._written)
            self.is_down = False

    def _written(self, rows: Sequence[Noted]) -> Sequence[Noted]:
        """Store rows, one by one where one among them is refused; returns those that cannot ever be stored."""
        try:
            if rows:
                self._store(rows)
        except (RagdietError, UnicodeError) as error:
            if not _is_of_content(error):
                raise
            return rows if len(rows) == 1 else [bad for row in rows for bad in self._written([row])]
        return ()

    def _wake(self) -> None:
        with self._lock:
            if self._stop.is_set() or (self._thread and self._thread.is_alive()):
                return
            # A program does not wait for it at its end: what it has not brought is on the disk.
            thread = threading.Thread(target=self._keep_trying, name="ragdiet-ledger", daemon=True)
            with suppress(RuntimeError):  # the program is at its end
                thread.start()
                self._thread = thread

    def _keep_trying(self) -> None:
        """Until all is brought."""
        while True:
            has_failed = False
            try:
                self._bring()
            except (RagdietError, UnicodeError, OSError) as error:
                has_failed = True
                _log.debug("ledger rows still wait: %s", error)
            with self._lock:
                if not has_failed and not self.is_down and not self._waits():
                    self._thread = None
                    return
            if self._stop.wait(_PAUSE):
                return


def _is_of_content(error: Exception) -> bool:
    """Whether a row was refused for what is in it, and would be at any other time."""
    of_values = isinstance(error.__cause__, psycopg.DataError | psycopg.IntegrityError)
    return of_values or isinstance(error, InvalidArgument | UnicodeError)


def _noted(rows: Sequence[Row]) -> list[Noted]:
    now = datetime.now(UTC)
    return [Noted(row, now) for row in rows]
