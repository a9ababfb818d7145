"""What was spent, read out of the ledger and summed up by the database."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, get_args

from ragdiet.errors import InvalidArgument
from ragdiet.report.reading import read, streaming

if TYPE_CHECKING:
    from ragdiet.protocols import Database

CostKey: TypeAlias = Literal[
    "stage", "model", "tenant", "tag", "day", "outcome", "collection", "region", "hour", "reused"
]

# Keys as SQL over `call` c and `ask` a. Days and hours are those of UTC, as in AWS's own bills.
_KEYS: dict[CostKey, str] = {
    "stage": "c.stage",
    "model": "c.model",
    "tenant": "c.tenant",
    "tag": "tag.key || '=' || tag.value",
    "day": "to_char(c.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    "outcome": "coalesce(a.outcome, 'not an ask')",
    "collection": "coalesce(a.collection, 'not an ask')",
    "region": "c.region",
    "hour": "to_char(c.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:00')",
    "reused": "coalesce(nullif(a.reused, ''), 'no')",
}
_OF_ASKS = frozenset({"outcome", "collection", "reused"})

# Calls are first summed by question, so that questions are counted without sorting their ids. A hash of 64 bits stands
# for an id: among ten million the chance that any two are one is 3 in a million.
_COSTS = """
SELECT keys, sum(calls), count(*), sum(input), sum(output), sum(cache_read), sum(cache_write), sum(units), sum(cost),
       sum(unsettled_calls), sum(unsettled)
FROM (
    SELECT ARRAY[{keys}] AS keys, hashtextextended(c.prompt_id, 0) AS question, count(*) AS calls,
           sum(c.input_tokens + c.cache_read_tokens + c.cache_write_5m_tokens + c.cache_write_1h_tokens) AS input,
           sum(c.output_tokens) AS output, sum(c.cache_read_tokens) AS cache_read,
           sum(c.cache_write_5m_tokens + c.cache_write_1h_tokens) AS cache_write, sum(c.units) AS units,
           sum(c.cost) AS cost, count(*) FILTER (WHERE c.status IN ('started', 'unknown')) AS unsettled_calls,
           coalesce(sum(c.cost) FILTER (WHERE c.status IN ('started', 'unknown')), 0) AS unsettled
    FROM ragdiet.call c {joins}
    WHERE c.started_at >= coalesce(%(since)s, '-infinity'::timestamptz)
        AND c.started_at < coalesce(%(until)s, 'infinity'::timestamptz)
    GROUP BY 1, 2
) AS by_question
GROUP BY keys
ORDER BY sum(cost) DESC, keys
"""
_JOIN_ASK = "LEFT JOIN ragdiet.ask a ON a.prompt_id = c.prompt_id AND a.tenant = c.tenant"
_JOIN_TAG = "CROSS JOIN jsonb_each_text(c.tags) AS tag"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """Spend under one key, or under one of each where several were asked for.

    ``asks`` counts prompt_ids. ``input_tokens`` include those read from the provider's cache and written to it, which
    are also told apart. ``cost`` is USD; ``unsettled`` is the part of it that is a worst case, of ``unsettled_calls``
    calls whose bill is not known: they are on their way, or were cut off.
    """

    keys: tuple[str, ...]
    calls: int
    asks: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    units: int
    cost: Decimal
    unsettled_calls: int
    unsettled: Decimal

    @property
    def key(self) -> str:
        return ", ".join(self.keys)

    @property
    def cost_per_ask(self) -> Decimal:
        """USD for each prompt_id that has a call here."""
        return self.cost / self.asks

    @property
    def uncached_tokens(self) -> int:
        """The input billed at the full rate."""
        return self.input_tokens - self.cache_read_tokens - self.cache_write_tokens


class Costs(tuple[CostRow, ...]):
    """Rows of spend, dearest first, that show themselves as a table with bars in a notebook.

    ``by`` names the keys of the rows.
    """

    by: tuple[CostKey, ...]

    def __new__(cls, rows: Iterable[CostRow] = (), *, by: tuple[CostKey, ...] = ("stage",)) -> Self:
        made = super().__new__(cls, rows)
        made.by = by
        return made

    @property
    def cost(self) -> Decimal:
        """All of it, USD. By tag a call counts under each of its tags."""
        return sum((row.cost for row in self), Decimal(0))

    @property
    def unsettled(self) -> Decimal:
        """The part of ``cost`` that is a worst case."""
        return sum((row.unsettled for row in self), Decimal(0))

    def _repr_html_(self) -> str:
        from ragdiet.display import costs_html

        return costs_html(self.by, self)


def each_cost(
    database: Database,
    by: CostKey | Sequence[CostKey],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    tenant: str,
) -> Generator[CostRow, None, None]:
    """Spend by one key or by each combination of several, dearest first, a thousand rows in memory at a time.

    As the owner that of all tenants, as another role that of ``tenant``. ``since`` is within, ``until`` without. A
    call with several tags counts under each of them.
    """
    statement = _statement(checked_keys(by))
    with streaming(database, tenant) as connection, connection.cursor(name="costs") as cursor:
        cursor.itersize = 1000
        cursor.execute(statement, {"since": since, "until": until})
        yield from map(_row, cursor)


def read_costs(
    database: Database,
    by: CostKey | Sequence[CostKey] = "stage",
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    tenant: str = "",
) -> Costs:
    """The rows of ``each_cost``, all at once."""
    keys = checked_keys(by)
    bounds = {"since": since, "until": until}
    rows = read(database, tenant, lambda connection: connection.execute(_statement(keys), bounds).fetchall())
    return Costs(map(_row, rows), by=keys)


def checked_keys(by: CostKey | Sequence[CostKey]) -> tuple[CostKey, ...]:
    keys = (by,) if isinstance(by, str) else tuple(by)
    wrong = [key for key in keys if key not in _KEYS]
    if wrong or not keys or len({*keys}) < len(keys):
        raise InvalidArgument(
            f"costs cannot be grouped by {by!r}: choose one or several of {', '.join(get_args(CostKey))}"
        )
    return keys


def _statement(keys: tuple[CostKey, ...]) -> str:
    joins = (_JOIN_ASK if _OF_ASKS & {*keys} else "") + (_JOIN_TAG if "tag" in keys else "")
    return _COSTS.format(keys=", ".join(_KEYS[key] for key in keys), joins=joins)


def _row(row: Sequence[Any]) -> CostRow:
    keys, calls, asks, sent, got, read, written, units, cost, unsettled_calls, unsettled = row
    return CostRow(
        keys=tuple(keys),
        calls=int(calls),
        asks=asks,
        input_tokens=int(sent),
        output_tokens=int(got),
        cache_read_tokens=int(read),
        cache_write_tokens=int(written),
        units=int(units),
        cost=Decimal(cost),
        unsettled_calls=int(unsettled_calls),
        unsettled=Decimal(unsettled),
    )
