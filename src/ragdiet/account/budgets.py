"""Budgets: how much a tenant, a tag, or all together may spend in a day, a month, or ever.

What counts against one is kept by a trigger on the ledger's table, see migration 0006: the statement that writes the
row of a call reserves its worst case or is refused, and the one that settles the row puts what was billed in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from ragdiet.account.exact import exact_sum
from ragdiet.errors import InvalidArgument

if TYPE_CHECKING:
    import psycopg

    from ragdiet.protocols import Database

Per: TypeAlias = Literal["day", "month", "ever"]
OnSoft: TypeAlias = Literal["warn", "cheaper"]

# Calls that begin wait until the budget has counted those that did, and see it then.
_ALONE = "LOCK TABLE ragdiet.budget IN ACCESS EXCLUSIVE MODE"

_SET = """
INSERT INTO ragdiet.budget (name, tenant, tag_key, tag_value, per, unit, most, soft, on_soft)
VALUES (%(name)s, %(tenant)s, %(tag_key)s, %(tag_value)s, %(per)s, %(unit)s, %(most)s, %(soft)s, %(on_soft)s)
ON CONFLICT (name) DO UPDATE SET
    tenant = excluded.tenant, tag_key = excluded.tag_key, tag_value = excluded.tag_value, per = excluded.per,
    unit = excluded.unit, most = excluded.most, soft = excluded.soft, on_soft = excluded.on_soft
RETURNING id
"""

_FORGET = "DELETE FROM ragdiet.budget_period WHERE budget_id = %(id)s"

_COUNT = """
INSERT INTO ragdiet.budget_period (budget_id, starts, tenant, spent, reserved)
SELECT own.id, own.starts, own.tenant,
       coalesce(sum(ragdiet.booked(own.unit, c)) FILTER (WHERE c.status <> 'started'), 0),
       coalesce(sum(ragdiet.booked(own.unit, c)) FILTER (WHERE c.status = 'started'), 0)
FROM (SELECT *, ragdiet.period_start(per, now()) AS starts FROM ragdiet.budget WHERE id = %(id)s) own
LEFT JOIN ragdiet.call c
    ON c.recorded_at >= own.starts AND (own.tenant IS NULL OR c.tenant = own.tenant)
    AND (own.tag_key IS NULL OR c.tags ->> own.tag_key = own.tag_value)
GROUP BY own.id, own.starts, own.tenant
"""

_LIST = """
SELECT own.name, own.tenant, own.tag_key, own.tag_value, own.per, own.unit, own.most, own.soft, own.on_soft,
       coalesce(period.spent, 0), coalesce(period.reserved, 0), ragdiet.period_end(own.per, own.starts),
       period.warned_at
FROM (SELECT *, ragdiet.period_start(per, now()) AS starts FROM ragdiet.budget) own
LEFT JOIN ragdiet.budget_period period ON period.budget_id = own.id AND period.starts = own.starts
ORDER BY own.name
"""

_REMOVE = "DELETE FROM ragdiet.budget WHERE name = %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendingBudget:
    """At most so many ``usd``, or so many ``tokens`` as they are billed, ``per`` day, month or ever, in UTC.

    It binds the calls of ``tenant``, or with None those of all tenants together, and of these with ``tag``, a key and
    its value, only those that carry it. Calls that cost nothing count in none. From the share ``soft`` of it on a
    warning is logged, once a period; with ``on_soft="cheaper"`` asks also keep to the cheapest model of the chain and
    leave a paid reranker out.

    >>> SpendingBudget(name="acme", usd="5.00", per="day", tenant="acme").usd
    Decimal('5.00')
    """

    name: str
    usd: Decimal | str | int | None = None
    tokens: int | None = None
    per: Per = "month"
    tenant: str | None = None
    tag: tuple[str, str] | None = None
    soft: float = 0.8
    on_soft: OnSoft = "warn"

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > 200 or not self.name.isprintable():
            raise InvalidArgument(f"a budget's name is 1 to 200 printable characters, not {self.name[:40]!r}")
        if (self.usd is None) == (self.tokens is None):
            raise InvalidArgument(f"the budget {self.name!r} needs one limit, usd or tokens; for both set two budgets")
        if self.usd is not None:
            object.__setattr__(self, "usd", _money(self.usd))
        if self.tokens is not None and (not isinstance(self.tokens, int) or not 0 <= self.tokens < 2**63):
            raise InvalidArgument(f"tokens is {self.tokens!r}: give a whole number, 0 or more")
        if self.per not in get_args(Per) or self.on_soft not in get_args(OnSoft):
            raise InvalidArgument(
                f"per is {self.per!r} and on_soft {self.on_soft!r}: choose of {', '.join(get_args(Per))}, and of "
                f"{', '.join(get_args(OnSoft))}"
            )
        if self.tag is not None and (len(self.tag) != 2 or not all(isinstance(part, str) for part in self.tag)):
            raise InvalidArgument(f"tag is {self.tag!r}: give its key and its value, such as ('team', 'search')")
        if not 0 < self.soft <= 1:
            raise InvalidArgument(f"soft is {self.soft}: give a share of the limit, above 0 and at most 1")

    @property
    def unit(self) -> Literal["usd", "tokens"]:
        return "tokens" if self.usd is None else "usd"

    @property
    def binds(self) -> str:
        """Whose calls, for people."""
        whose = "all" if self.tenant is None else f"tenant {self.tenant!r}"
        return f"{whose}, {'='.join(self.tag)}" if self.tag else whose

    @property
    def most(self) -> Decimal:
        """The limit in its unit."""
        return Decimal(self.tokens or 0) if self.usd is None else Decimal(self.usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """A budget and its period that runs now, in the budget's unit.

    ``spent`` by calls that ended, and those of which it is not known whether they were billed; ``reserved`` for the
    worst case of those on their way. ``warned_at`` is when the soft limit was passed, ``resets_at`` when the next
    period begins, None for a budget without another.
    """

    budget: SpendingBudget
    spent: Decimal
    reserved: Decimal
    resets_at: datetime | None
    warned_at: datetime | None

    @property
    def left(self) -> Decimal:
        """Below zero where calls were billed for more than their worst case."""
        return exact_sum((self.budget.most, self.spent.copy_negate(), self.reserved.copy_negate()))

    @property
    def is_past_soft(self) -> bool:
        """Whether as much as the share ``soft`` of the limit is spent or reserved."""
        return self.spent + self.reserved >= Decimal(str(self.budget.soft)) * self.budget.most


class Budgets:
    """The budgets of a database. ``set`` and ``remove`` are for the role that owns the tables; another reads those
    of ``tenant``."""

    def __init__(self, database: Database, *, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    def set(self, budget: SpendingBudget) -> None:
        """Make the budget, or change the one of its name. What was spent in its period so far counts from the first
        moment; calls wait while it is counted."""
        values = {
            "name": budget.name,
            "tenant": budget.tenant,
            "tag_key": budget.tag and budget.tag[0],
            "tag_value": budget.tag and budget.tag[1],
            "per": budget.per,
            "unit": budget.unit,
            "most": budget.most,
            "soft": Decimal(str(budget.soft)),
            "on_soft": budget.on_soft,
        }

        def write(connection: psycopg.Connection) -> None:
            connection.execute(_ALONE)
            row = connection.execute(_SET, values).fetchone()
            assert row is not None
            for statement in (_FORGET, _COUNT):
                connection.execute(statement, {"id": row[0]})

        self._database.run(write, tenant=None, repeatable=True)

    def list(self) -> tuple[BudgetState, ...]:
        """Each budget with what is spent and left, by name."""
        return self._database.run(budget_states, tenant=self._tenant, repeatable=True)

    def remove(self, name: str) -> None:
        """Raises InvalidArgument where there is none of that name."""
        found = self._database.run(lambda connection: connection.execute(_REMOVE, (name,)).rowcount, tenant=None)
        if not found:
            raise InvalidArgument(f"there is no budget {name!r}: rag.budgets.list() has those there are")


def budget_states(connection: psycopg.Connection) -> tuple[BudgetState, ...]:
    """Each budget that the connection may see, by name."""
    return tuple(_state(*row) for row in connection.execute(_LIST))


def _money(given: Decimal | str | int) -> Decimal:
    """USD to the last digit. Raises InvalidArgument."""
    try:
        amount = Decimal(given) if isinstance(given, Decimal | str | int) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0 or amount.adjusted() > 30:
        raise InvalidArgument(f"usd is {given!r}: give an amount as a Decimal or text, zero or more, such as '5.00'")
    return amount


def _state(
    name: str,
    tenant: str | None,
    key: str | None,
    value: str | None,
    per: Per,
    unit: str,
    most: Decimal,
    soft: Decimal,
    on_soft: OnSoft,
    spent: Decimal,
    reserved: Decimal,
    resets_at: datetime | None,
    warned_at: datetime | None,
) -> BudgetState:
    limit: dict[str, Any] = {"usd": most} if unit == "usd" else {"tokens": int(most)}
    return BudgetState(
        budget=SpendingBudget(
            name=name,
            per=per,
            tenant=tenant,
            tag=None if key is None or value is None else (key, value),
            soft=float(soft),
            on_soft=on_soft,
            **limit,
        ),
        spent=spent,
        reserved=reserved,
        resets_at=resets_at and resets_at.astimezone(UTC),
        warned_at=warned_at and warned_at.astimezone(UTC),
    )
