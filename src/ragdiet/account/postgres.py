"""The ledger's tables, written; ``ragdiet.report`` reads them."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextvars import Context
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from ragdiet.account.exact import exact_sum
from ragdiet.account.history import PastAsk, read_past
from ragdiet.account.ledger import Call
from ragdiet.account.parked import Parked
from ragdiet.account.rehearsal import REHEARSAL
from ragdiet.account.spool import Spool, default_folder
from ragdiet.account.storable import storable
from ragdiet.account.strain import Strains
from ragdiet.account.tally import Tally
from ragdiet.account.waiting import WaitingRows
from ragdiet.account.written import Noted, Row
from ragdiet.errors import InvalidArgument, RagdietError, StoreUnavailable

if TYPE_CHECKING:
    import psycopg

    from ragdiet.account.ledger import AskRow
    from ragdiet.protocols import Database

_PATIENCE = 2.0
"""Seconds for which a write waits for a database that cannot be reached, before its row waits on disk instead."""

_ABANDONED = timedelta(minutes=15)

_log = logging.getLogger("ragdiet.account")

_INSERT = """
INSERT INTO ragdiet.call
    (call_id, prompt_id, attempt, stage, model, served, tier, region, tenant, tags, input_tokens, output_tokens,
     cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, units, price, cost, status, seconds, error,
     started_at)
VALUES
    (%(call_id)s, %(prompt_id)s, %(attempt)s, %(stage)s, %(model)s, %(served)s, %(tier)s, %(region)s, %(tenant)s,
     %(tags)s, %(input_tokens)s, %(output_tokens)s, %(cache_read_tokens)s, %(cache_write_5m_tokens)s,
     %(cache_write_1h_tokens)s, %(units)s, %(price)s, %(cost)s, %(status)s, %(seconds)s, %(error)s, %(started_at)s)
ON CONFLICT (call_id) DO
"""

# A row that comes late, out of a spool, leaves one that was settled meanwhile as it is.
_START = f"{_INSERT} NOTHING"
_SETTLE = f"""{_INSERT} UPDATE SET
    served = excluded.served, tier = excluded.tier, input_tokens = excluded.input_tokens,
    output_tokens = excluded.output_tokens, cache_read_tokens = excluded.cache_read_tokens,
    cache_write_5m_tokens = excluded.cache_write_5m_tokens, cache_write_1h_tokens = excluded.cache_write_1h_tokens,
    units = excluded.units, price = excluded.price, cost = excluded.cost, status = excluded.status,
    seconds = excluded.seconds, error = excluded.error
WHERE call.status IN ('started', 'unknown')
"""

# For the budgets' trigger, and what it leaves behind for the transaction. A call whose row comes late was made: it is
# spent, and cannot be refused any more.
_LATE = "SELECT set_config('ragdiet.late', 'yes', true)"
_TOLD = "SELECT current_setting('ragdiet.budgets', true)"

_SWEEP = """
UPDATE ragdiet.call SET status = 'unknown', error = 'Abandoned'
WHERE status = 'started' AND recorded_at < now() - %s
"""

_FINISH = """
INSERT INTO ragdiet.ask AS known
    (prompt_id, tenant, collection, tags, question, outcome, reason, confidence, model, cost, tokens, tokens_before,
     seconds, reused, database_seconds, database_blocks, database_cost, record, finished_at)
VALUES
    (%(prompt_id)s, %(tenant)s, %(collection)s, %(tags)s, %(question)s, %(outcome)s, %(reason)s, %(confidence)s,
     %(model)s, %(cost)s, %(tokens)s, %(tokens_before)s, %(seconds)s,
     %(reused)s, %(database_seconds)s, %(database_blocks)s, %(database_cost)s,
     jsonb_set(%(record)s, '{versions,corpus}', coalesce(
         (SELECT to_jsonb(version) FROM ragdiet.corpus WHERE tenant = %(tenant)s AND collection = %(collection)s),
         'null')),
     least(now(), %(at)s::timestamptz))
ON CONFLICT (prompt_id, tenant) DO UPDATE SET
    collection = excluded.collection, tags = excluded.tags, question = excluded.question, outcome = excluded.outcome,
    reason = excluded.reason, confidence = excluded.confidence, model = excluded.model, cost = excluded.cost,
    tokens = excluded.tokens, tokens_before = excluded.tokens_before, seconds = excluded.seconds,
    reused = excluded.reused, database_seconds = excluded.database_seconds,
    database_blocks = excluded.database_blocks, database_cost = excluded.database_cost, record = excluded.record,
    finished_at = excluded.finished_at
WHERE known.finished_at <= excluded.finished_at
"""

# Set as `ragdiet.store.tenancy` says, unless the role sees all tenants at once.
_ALL_OR_ONE = "SELECT set_config('ragdiet.tenant', %s, true) WHERE NOT ragdiet.sees_all()"

# What went wrong is kept as a case; one that somebody has worked on stays as it is.
_OPEN = """
INSERT INTO ragdiet.failure (prompt_id, tenant, collection, kind, question, outcome, reason, record)
SELECT prompt_id, tenant, collection, outcome, question, outcome, reason, record
FROM ragdiet.ask
WHERE prompt_id = %(prompt_id)s AND tenant = %(tenant)s
ON CONFLICT (prompt_id, tenant) DO NOTHING
"""


_NO_CASE = ("cancelled", REHEARSAL)


class PostgresLedger:
    """Keeps ledger rows in the database.

    A call that costs money is there before its request is sent. Rows of local work, at no cost, are written
    together at most half a second later, at the end of their ask, or by ``flush``; those of a user's own
    transaction at once.

    While the database cannot be reached, rows go to a file in the folder ``spool`` (by default
    `ragdiet.account.spool.default_folder`) and from there into the database when it is back, by ``flush``, or when
    a ledger is opened over the same database after this process has died.
    """

    def __init__(self, database: Database, *, spool: str | os.PathLike[str] | None = None) -> None:
        self._database = database
        self._parked = Parked(self._store, Spool(default_folder(database.dsn) if spool is None else Path(spool)))
        self._waiting = WaitingRows(self._parked.send)
        self._tally = Tally()
        self._strains = Strains()

    def start(self, call: Call) -> None:
        """Raises OverBudget where the call may take more than is left of a budget that binds it: then it has no row.
        LedgerUnavailable where the row can be kept nowhere, or cannot be held against a budget that may bind it;
        StoreError where the database refuses it."""
        if self._database.is_lent:
            self._store([Noted(call)])
        else:
            self._parked.send_first(call, may_wait=self._strains.is_free(call.tenant))
        self._tally.note(call)

    def settle(self, call: Call) -> None:
        self._tally.note(call)
        if not self._database.is_lent:
            self._parked.send([call])
            return
        try:
            self._store([Noted(call)])
        except RagdietError as error:  # the user's transaction is lost, and the money spent all the same
            _log.warning("a ledger row waits, since the transaction lent to ragdiet takes it no more: %s", error)
            self._parked.keep([call])

    def record(self, call: Call) -> None:
        if call.cost or self._database.is_lent:
            self.settle(call)
        else:
            self._waiting.add(call)

    def strain(self, tenant: str, tags: Mapping[str, str]) -> str:
        """Which budget holds such asks to the cheapest model; empty where none does, as far as this process knows."""
        return self._strains.reason(tenant, tags)

    def finish(self, ask: AskRow) -> None:
        """Note how an ask ended."""
        rows: list[Row] = [*self._waiting.take(ask.tenant), ask]
        if self._database.is_lent:
            self._store([Noted(row) for row in rows])
        else:
            self._parked.send(rows)

    def flush(self) -> None:
        """Write the rows that wait. Raises StoreError where that fails; they wait on."""
        Context().run(self._waiting.flush)  # not into a transaction of the caller's
        self._parked.flush()

    def close(self) -> None:
        """Write the rows that wait, for the last time; a warning tells where those are that could not be written."""
        Context().run(self._waiting.close)
        self._parked.close()

    def cost_of(self, prompt_id: str, *, tenant: str) -> Decimal:
        """The sum of the rows of a tenant's question, USD: of all that the database has, and of those that wait.
        While it cannot be reached, of all that this process has written."""
        waiting = self._parked.costs(tenant, prompt_id)
        query = (
            "SELECT coalesce(sum(cost), 0) FROM ragdiet.call "
            "WHERE prompt_id = %s AND tenant = %s AND call_id <> ALL(%s)"
        )

        def read(connection: psycopg.Connection) -> psycopg.Cursor:
            return connection.execute(query, (prompt_id, tenant, [*waiting]))

        if self._parked.is_down:
            return self._tally.cost_of(tenant, prompt_id)
        try:  # at the writer: money is counted to the last row
            row = self._database.run(
                read, tenant=tenant, repeatable=True, pipelined=True, patience=_PATIENCE
            ).fetchone()
        except StoreUnavailable:
            return self._tally.cost_of(tenant, prompt_id)
        assert row is not None
        return exact_sum((row[0], *waiting.values()))

    def past(self, *, collection: str, tenant: str) -> tuple[PastAsk, ...]:
        """How the latest asks of a tenant's collection went, the last one first."""
        return self._database.run(
            lambda connection: read_past(connection, collection, tenant),
            tenant=tenant,
            read_only=True,
        )

    def sweep(self, *, older_than: timedelta = _ABANDONED, tenant: str = "") -> int:
        """Mark calls that nobody will settle as ``unknown``, at their worst case: those started longer ago than
        ``older_than`` by the database's clock, whose process has died. Returns how many there were.

        As the owner those of all tenants, as another role those of ``tenant``. A call that is settled after all
        overwrites the mark, so nothing is lost where the default is shorter than a request lasts: by default a
        client gives up after 60 s without a byte, and a long reply streams for a few minutes.
        """
        if older_than <= timedelta(0):
            raise InvalidArgument(f"older_than is {older_than}: give the time that the longest request may last")

        def mark(connection: psycopg.Connection) -> int:
            connection.execute(_ALL_OR_ONE, (f"t:{tenant}",))
            return connection.execute(_SWEEP, (older_than,)).rowcount

        return self._database.run(mark, tenant=None, repeatable=True)

    def _store(self, rows: Sequence[Noted]) -> None:
        """Write rows, each tenant's in one transaction, which may be repeated: a statement says of a whole row, by its
        key, how it is to be."""
        of_tenants: dict[str, list[Noted]] = {}
        for noted in rows:
            of_tenants.setdefault(noted.row.tenant, []).append(noted)
        for tenant, own in of_tenants.items():
            started = self._database.run(
                partial(_write, own), tenant=tenant, repeatable=True, pipelined=True, patience=_PATIENCE
            )
            for call, inserted, told in started:
                if inserted.rowcount and (row := told.fetchone()):  # a repetition is told nothing
                    self._strains.note(call.tenant, call.tags, row[0])


def _write(rows: Sequence[Noted], connection: psycopg.Connection) -> list[tuple[Call, psycopg.Cursor, psycopg.Cursor]]:
    """Returns the calls that begin now, each with its row and with what it was told of budgets."""
    started = []
    for row, at in rows:
        if isinstance(row, Call) and row.status == "started":
            if at is not None:
                connection.execute(_LATE)
                connection.execute(_START, _parameters(row))
            else:
                started.append((row, connection.execute(_START, _parameters(row)), connection.execute(_TOLD)))
        elif isinstance(row, Call):
            connection.execute(_SETTLE, _parameters(row))
        else:
            values = {field.name: getattr(row, field.name) for field in fields(row)}
            values |= {name: storable(values[name]) for name in ("question", "reason", "model")}
            values |= {"tags": Jsonb(storable(row.tags)), "record": Jsonb(storable(row.record)), "at": at}
            connection.execute(_FINISH, values)
            if row.record and row.outcome in ("failed", "abstained") and row.reason not in _NO_CASE:
                connection.execute(_OPEN, values)
    return started


def _parameters(call: Call) -> dict[str, Any]:
    usage = call.usage
    return {
        "call_id": call.call_id,
        "prompt_id": call.prompt_id,
        "attempt": call.attempt,
        "stage": call.stage,
        "model": call.model,
        "served": storable(call.served),
        "tier": call.tier,
        "region": call.region,
        "tenant": call.tenant,
        "tags": Jsonb(storable(call.tags)),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_5m_tokens": usage.cache_write_5m_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "units": usage.units,
        "price": call.price,
        "cost": call.cost,
        "status": call.status,
        "seconds": call.seconds,
        "error": storable(call.error),
        "started_at": call.started_at,
    }
