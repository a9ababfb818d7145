"""All that a report of spend is made of, summed up by the database: some thousand rows for any number of calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL

from ragdiet.account import budget_states
from ragdiet.errors import InvalidArgument, UnknownPrice
from ragdiet.report.anomalies import HISTORY, Anomaly, anomalies
from ragdiet.report.forecast import Forecast, forecast
from ragdiet.report.reading import read
from ragdiet.types import Usage

if TYPE_CHECKING:
    import psycopg

    from ragdiet.account import BudgetState, PriceBook
    from ragdiet.protocols import Database

_DAYS = 90
_WATCHED_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySpend:
    """What one model cost for one stage on one day (UTC), USD. ``input_tokens`` include cached ones; ``unsettled`` is
    the part of ``cost`` that is a worst case."""

    day: date
    stage: str
    model: str
    calls: int
    input_tokens: int
    cache_read_tokens: int
    output_tokens: int
    cost: Decimal
    unsettled: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class DayAsks:
    """Asks of one day (UTC) that ended alike. ``tokens_before`` and ``tokens``: of their contexts, before the diet and
    after it."""

    day: date
    outcome: str
    reused: str
    model: str
    asks: int
    cost: Decimal
    tokens: int
    tokens_before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DearAsk:
    """One of the dearest asks; its question is as it was kept, with personal data masked."""

    prompt_id: str
    question: str
    cost: Decimal
    model: str
    outcome: str
    finished_at: datetime
    tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What the diet kept from a model: tokens as we count them, and USD at its input rate, None where that is not
    known."""

    model: str
    tokens: int
    cost: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendReport:
    """Spend from ``since`` to ``until``, for a page or a notebook; ``budgets`` are those of now."""

    since: datetime
    until: datetime
    spend: tuple[DaySpend, ...]
    asks: tuple[DayAsks, ...]
    dearest: tuple[DearAsk, ...]
    saved: tuple[Saved, ...]
    anomalies: tuple[Anomaly, ...]
    forecast: Forecast | None
    budgets: tuple[BudgetState, ...]

    @property
    def cost(self) -> Decimal:
        return sum((one.cost for one in self.spend), Decimal(0))

    @property
    def unsettled(self) -> Decimal:
        return sum((one.unsettled for one in self.spend), Decimal(0))

    def html(self) -> str:
        """One page that needs nothing else: no script, no file, no network."""
        from ragdiet.report.page import page

        return page(self)

    def _repr_html_(self) -> str:
        from ragdiet.report.page import framed

        return framed(self)


def read_spend(
    database: Database,
    prices: PriceBook,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    tenant: str = "",
) -> SpendReport:
    """As the owner that of all tenants, as another role that of ``tenant``.

    Whole days of UTC from that of ``since`` on, 90 days ago unless given; ``until`` is now unless given.
    """
    start, end = _period(since, until, days=_DAYS)
    bounds = {"since": start, "until": end, "history": start - timedelta(days=HISTORY)}

    def work(connection: psycopg.Connection) -> SpendReport:
        spend = _spend(connection, bounds)
        asks = tuple(
            DayAsks(**dict(zip(_ASK_FIELDS, row, strict=True))) for row in _rows(connection, "asks.sql", bounds)
        )
        today = end.astimezone(UTC).date()
        return SpendReport(
            since=start,
            until=end,
            spend=tuple(one for one in spend if one.day >= start.date()),
            asks=asks,
            dearest=tuple(
                DearAsk(**dict(zip(_DEAR_FIELDS, row, strict=True))) for row in _rows(connection, "dearest.sql", bounds)
            ),
            saved=_saved(asks, prices),
            anomalies=_unusual(spend, _by_tenant(connection, bounds), start.date(), today),
            forecast=forecast(_by_day(spend), today),
            budgets=budget_states(connection),
        )

    return read(database, tenant, work)


def read_anomalies(database: Database, *, since: datetime | None = None, tenant: str = "") -> tuple[Anomaly, ...]:
    """Days from that of ``since`` on, 7 days ago unless given, whose spend is far from its own history: of all spend,
    of a model, of a tenant. Dearest first. The running day is not judged."""
    start, end = _period(since, None, days=_WATCHED_DAYS)
    bounds = {"since": start, "until": end, "history": start - timedelta(days=HISTORY)}

    def work(connection: psycopg.Connection) -> tuple[Anomaly, ...]:
        return _unusual(_spend(connection, bounds), _by_tenant(connection, bounds), start.date(), end.date())

    return read(database, tenant, work)


def _period(since: datetime | None, until: datetime | None, *, days: int) -> tuple[datetime, datetime]:
    end = _utc(until) if until else datetime.now(UTC)
    start = _utc(since) if since else end - timedelta(days=days)
    if start >= end:
        raise InvalidArgument(f"a report ends after it begins: since is {start}, until {end}")
    return start.replace(hour=0, minute=0, second=0, microsecond=0), end


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


_ASK_FIELDS = tuple(field.name for field in fields(DayAsks))
_DEAR_FIELDS = tuple(field.name for field in fields(DearAsk))
_SPEND_FIELDS = tuple(field.name for field in fields(DaySpend))


@cache
def _statement(name: str) -> SQL:
    return SQL(files("ragdiet.report").joinpath(name).read_text("utf-8"))


def _rows(connection: psycopg.Connection, name: str, bounds: Mapping[str, datetime]) -> list[tuple[Any, ...]]:
    return connection.execute(_statement(name), bounds).fetchall()


def _spend(connection: psycopg.Connection, bounds: Mapping[str, datetime]) -> list[DaySpend]:
    return [DaySpend(**dict(zip(_SPEND_FIELDS, row, strict=True))) for row in _rows(connection, "spend.sql", bounds)]


def _by_day(spend: Sequence[DaySpend]) -> dict[date, Decimal]:
    days: dict[date, Decimal] = defaultdict(Decimal)
    for one in spend:
        days[one.day] += one.cost
    return days


def _by_tenant(connection: psycopg.Connection, bounds: Mapping[str, datetime]) -> dict[str, dict[date, Decimal]]:
    tenants: dict[str, dict[date, Decimal]] = defaultdict(dict)
    for day, tenant, cost in _rows(connection, "tenants.sql", bounds):
        tenants[tenant][day] = cost
    return tenants


def _unusual(
    spend: Sequence[DaySpend], tenants: Mapping[str, Mapping[date, Decimal]], first: date, today: date
) -> tuple[Anomaly, ...]:
    tested = [first + timedelta(days=number) for number in range((today - first).days)]
    models: dict[str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for one in spend:
        models[one.model][one.day] += one.cost
    found = anomalies("all", "", _by_day(spend), tested)
    for model, days in models.items():
        found += anomalies("model", model, days, tested)
    if len(tenants) > 1:  # one tenant's days are those of all spend
        for tenant, known in tenants.items():
            found += anomalies("tenant", tenant, known, tested)
    return tuple(sorted(found, key=lambda one: (-abs(one.cost - one.usual), one.day, one.series, one.key)))


def _saved(asks: Sequence[DayAsks], prices: PriceBook) -> tuple[Saved, ...]:
    """Of the asks whose answer was generated: a reused one, or one that no model was asked for, saved nothing here."""
    tokens: dict[str, int] = defaultdict(int)
    for one in asks:
        if one.model and not one.reused:
            tokens[one.model] += one.tokens_before - one.tokens
    saved = [Saved(model=model, tokens=number, cost=_worth(model, number, prices)) for model, number in tokens.items()]
    return tuple(sorted(saved, key=lambda one: (-(one.cost or 0), -one.tokens, one.model)))


def _worth(model: str, tokens: int, prices: PriceBook) -> Decimal | None:
    if model.startswith("local:"):
        return Decimal(0)
    try:
        return prices.price(model).cost(Usage(input_tokens=tokens)) if tokens > 0 else Decimal(0)
    except UnknownPrice:
        return None
