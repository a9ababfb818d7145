"""What was spent, read out of the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ragdiet.errors import InvalidArgument
from ragdiet.store.tenancy import act_for

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from ragdiet.protocols import Database

CostKey: TypeAlias = Literal["stage", "model", "tenant", "tag", "day", "outcome"]

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


class Costs(tuple[CostRow, ...]):
    """Rows of spend, dearest first."""

    __slots__ = ()


def read_costs(database: Database, *, by: CostKey, since: datetime | None, tenant: str) -> Costs:
    """Spend by ``by``, dearest first: as the owner that of all tenants, as another role that of ``tenant``.

    A call with several tags counts under each of them.
    """
    if by not in _KEYS:
        raise InvalidArgument(f"costs cannot be grouped by {by!r}: choose one of {', '.join(_KEYS)}")
    statement = _COSTS.format(key=_KEYS[by], tags="CROSS JOIN jsonb_each_text(c.tags) AS tag" if by == "tag" else "")

    def read(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
        act_for(connection, tenant)
        return connection.execute(statement, {"since": since}).fetchall()

    # At the writer: money is counted to the last row.
    rows = database.run(read, tenant=None, repeatable=True)
    return Costs(
        CostRow(key=key, calls=calls, asks=asks, input_tokens=int(sent), output_tokens=int(got), cost=Decimal(cost))
        for key, calls, asks, sent, got, cost in rows
    )
