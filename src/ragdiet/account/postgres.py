"""The ledger's table, and what is read out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from psycopg.types.json import Jsonb

from ragdiet.account.history import PastAsk, read_past
from ragdiet.account.waiting import WaitingRows
from ragdiet.errors import InvalidArgument

if TYPE_CHECKING:
    import psycopg

    from ragdiet.account.ledger import AskRow, Call
    from ragdiet.protocols import Database

CostKey: TypeAlias = Literal["stage", "model", "tenant", "tag", "day", "outcome"]

_INSERT = """
INSERT INTO ragdiet.call
    (call_id, prompt_id, attempt, stage, model, served, tier, region, tenant, tags, input_tokens, output_tokens,
     cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, units, price, cost, status, seconds, error,
     started_at)
VALUES
    (%(call_id)s, %(prompt_id)s, %(attempt)s, %(stage)s, %(model)s, %(served)s, %(tier)s, %(region)s, %(tenant)s,
     %(tags)s, %(input_tokens)s, %(output_tokens)s, %(cache_read_tokens)s, %(cache_write_5m_tokens)s,
     %(cache_write_1h_tokens)s, %(units)s, %(price)s, %(cost)s, %(status)s, %(seconds)s, %(error)s, %(started_at)s)
ON CONFLICT (call_id) DO NOTHING
"""

_SETTLE = """
UPDATE ragdiet.call SET
    served = %(served)s, tier = %(tier)s, input_tokens = %(input_tokens)s, output_tokens = %(output_tokens)s,
    cache_read_tokens = %(cache_read_tokens)s, cache_write_5m_tokens = %(cache_write_5m_tokens)s,
    cache_write_1h_tokens = %(cache_write_1h_tokens)s, units = %(units)s, price = %(price)s, cost = %(cost)s,
    status = %(status)s, seconds = %(seconds)s, error = %(error)s
WHERE call_id = %(call_id)s
"""

_FINISH = """
INSERT INTO ragdiet.ask
    (prompt_id, tenant, collection, tags, question, outcome, reason, confidence, model, cost, tokens, tokens_before,
     seconds, reused)
VALUES
    (%(prompt_id)s, %(tenant)s, %(collection)s, %(tags)s, %(question)s, %(outcome)s, %(reason)s, %(confidence)s,
     %(model)s, %(cost)s, %(tokens)s, %(tokens_before)s, %(seconds)s,
     %(reused)s)
ON CONFLICT (prompt_id) DO UPDATE SET
    collection = excluded.collection, tags = excluded.tags, question = excluded.question, outcome = excluded.outcome,
    reason = excluded.reason, confidence = excluded.confidence, model = excluded.model, cost = excluded.cost,
    tokens = excluded.tokens, tokens_before = excluded.tokens_before, seconds = excluded.seconds,
    reused = excluded.reused, finished_at = now()
"""

# Set as `ragdiet.store.tenancy` says, unless the role sees all tenants at once.
_ALL_OR_ONE = "SELECT set_config('ragdiet.tenant', %s, true) WHERE NOT ragdiet.sees_all()"

# The key of a row of costs, as SQL over `call` c and `ask` a.
_KEYS: dict[CostKey, str] = {
    "stage": "c.stage",
    "model": "c.model",
    "tenant": "c.tenant",
    "tag": "tag.key || '=' || tag.value",
    "day": "to_char(c.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    "outcome": "coalesce(a.outcome, 'not an ask')",
}

_COSTS = """
SELECT {key} AS key, count(*), count(DISTINCT c.prompt_id), sum(c.input_tokens + c.cache_read_tokens
       + c.cache_write_5m_tokens + c.cache_write_1h_tokens), sum(c.output_tokens), sum(c.cost)
FROM ragdiet.call c
LEFT JOIN ragdiet.ask a ON a.prompt_id = c.prompt_id
{tags}
WHERE c.started_at >= coalesce(%(since)s, '-infinity'::timestamptz)
GROUP BY 1
ORDER BY sum(c.cost) DESC, 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """Spend under one key. ``asks`` counts prompt_ids, tokens include cached ones, ``cost`` is USD."""

    key: str
    calls: int
    asks: int
    input_tokens: int
    output_tokens: int
    cost: Decimal


class PostgresLedger:
    """Keeps ledger rows in the database.

    A call that costs money is there before its request is sent. Rows of local work, at no cost, are written
    together at most half a second later, at the end of their ask, or by ``flush``; those of a user's own
    transaction at once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting = WaitingRows(self._insert)

    def start(self, call: Call) -> None:
        self._insert(call.tenant, [call])

    def settle(self, call: Call) -> None:
        self._run(call.tenant, lambda connection: connection.execute(_SETTLE, _parameters(call)))

    def record(self, call: Call) -> None:
        if call.cost or self._database.is_lent:
            self._insert(call.tenant, [call])
        else:
            self._waiting.add(call)

    def finish(self, ask: AskRow) -> None:
        """Note how an ask ended."""
        waiting = self._waiting.take(ask.tenant)
        values = {field.name: getattr(ask, field.name) for field in fields(ask)} | {"tags": Jsonb(dict(ask.tags))}

        def write(connection: psycopg.Connection) -> None:
            _insert(connection, waiting)
            connection.execute(_FINISH, values)

        try:
            self._run(ask.tenant, write)
        except BaseException:
            self._waiting.put_back(ask.tenant, waiting)
            raise

    def flush(self) -> None:
        """Write the rows that wait. Raises StoreError where that fails; they wait on."""
        Context().run(self._waiting.flush)  # not into a transaction of the caller's

    def close(self) -> None:
        """Write the rows that wait, for the last time; a warning tells of what could not be written."""
        Context().run(self._waiting.close)

    def cost_of(self, prompt_id: str, *, tenant: str) -> Decimal:
        """The sum of the rows of a tenant's question, USD."""
        query = "SELECT coalesce(sum(cost), 0) FROM ragdiet.call WHERE prompt_id = %s"
        # At the writer: money is counted to the last row.
        row = self._database.run(
            lambda connection: connection.execute(query, (prompt_id,)).fetchone(), tenant=tenant, repeatable=True
        )
        assert row is not None
        return Decimal(row[0])

    def past(self, *, collection: str, tenant: str) -> tuple[PastAsk, ...]:
        """How the latest asks of a tenant's collection went, the last one first."""
        return self._database.run(
            lambda connection: read_past(connection, collection, tenant),
            tenant=tenant,
            read_only=True,
        )

    def costs(self, *, by: CostKey, since: datetime | None, tenant: str) -> tuple[CostRow, ...]:
        """Spend by ``by``, dearest first: as the owner that of all tenants, as another role that of ``tenant``.

        A call with several tags counts under each of them.
        """
        if by not in _KEYS:
            raise InvalidArgument(f"costs cannot be grouped by {by!r}: choose one of {', '.join(_KEYS)}")
        statement = _COSTS.format(
            key=_KEYS[by], tags="CROSS JOIN jsonb_each_text(c.tags) AS tag" if by == "tag" else ""
        )

        def read(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
            connection.execute(_ALL_OR_ONE, (f"t:{tenant}",))
            return connection.execute(statement, {"since": since}).fetchall()

        self.flush()
        rows = self._database.run(read, tenant=None, repeatable=True)
        return tuple(
            CostRow(key=key, calls=calls, asks=asks, input_tokens=int(sent), output_tokens=int(got), cost=Decimal(cost))
            for key, calls, asks, sent, got, cost in rows
        )

    def _insert(self, tenant: str, calls: Sequence[Call]) -> None:
        self._run(tenant, lambda connection: _insert(connection, calls))

    def _run(self, tenant: str, write: Callable[[psycopg.Connection], object]) -> None:
        """Each statement says of whole rows, by their keys, how they are to be: so it may be repeated."""
        self._database.run(write, tenant=tenant, repeatable=True)


def _insert(connection: psycopg.Connection, calls: Sequence[Call]) -> None:
    if calls:
        connection.cursor().executemany(_INSERT, [_parameters(call) for call in calls])


def _parameters(call: Call) -> dict[str, Any]:
    usage = call.usage
    return {
        "call_id": call.call_id,
        "prompt_id": call.prompt_id,
        "attempt": call.attempt,
        "stage": call.stage,
        "model": call.model,
        "served": call.served,
        "tier": call.tier,
        "region": call.region,
        "tenant": call.tenant,
        "tags": Jsonb(dict(call.tags)),
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
        "error": call.error,
        "started_at": call.started_at,
    }
