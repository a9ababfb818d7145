"""Budgets: what a call may take of them, what it took, and who may change them; at a real database."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from ragdiet.account import Budgets, BudgetState, Call, PostgresLedger, SpendingBudget
from ragdiet.account.written import Noted
from ragdiet.errors import InvalidArgument, OverBudget, StoreError
from ragdiet.observe import new_id
from ragdiet.store import Database
from ragdiet.types import Usage
from tests.conftest import Roles

NONE = Decimal(0)
HOSTILE = "'; drop table ragdiet.call; --"


def call(cost: str, *, tokens: int = 100, tenant: str = "", **tags: str) -> Call:
    return Call(
        call_id=new_id(),
        prompt_id="prompt",
        attempt=1,
        stage="generate",
        model="model",
        started_at=datetime.now(UTC),
        tenant=tenant,
        tags=tags,
        usage=Usage(input_tokens=tokens),
        price="a price",
        cost=Decimal(cost),
    )


def done(started: Call, cost: str, tokens: int = 10) -> Call:
    return replace(started, status="done", cost=Decimal(cost), usage=Usage(output_tokens=tokens))


@pytest.fixture
def ledger(database: Database) -> PostgresLedger:
    return PostgresLedger(database)


@pytest.fixture
def budgets(database: Database) -> Budgets:
    return Budgets(database, tenant="")


def only(budgets: Budgets) -> BudgetState:
    (state,) = budgets.list()
    return state


def held(budgets: Budgets) -> tuple[Decimal, Decimal]:
    return only(budgets).spent, only(budgets).reserved


def test_the_worst_case_is_reserved_and_what_was_billed_is_spent(ledger: PostgresLedger, budgets: Budgets) -> None:
    budgets.set(SpendingBudget(name="all", usd="1"))
    first = call("0.6")
    ledger.start(first)
    assert held(budgets) == (NONE, Decimal("0.6"))
    with pytest.raises(OverBudget, match=r"'all' has \$0.4 left, and this call may take \$0.5: wait until") as refused:
        ledger.start(call("0.5"))
    assert (refused.value.left, refused.value.asked) == (Decimal("0.4"), Decimal("0.5"))
    assert refused.value.resets_at == only(budgets).resets_at
    assert only(budgets).reserved == Decimal("0.6")
    ledger.settle(done(first, "0.123456789012345678901"))
    ledger.settle(done(first, "0.123456789012345678901"))
    assert held(budgets) == (Decimal("0.123456789012345678901"), NONE)
    ledger.start(call("0.876543210987654321099"))
    assert only(budgets).left == 0


def test_an_unknown_call_stays_spent_at_its_worst_and_a_refused_one_gives_all_back(
    ledger: PostgresLedger, budgets: Budgets
) -> None:
    budgets.set(SpendingBudget(name="all", usd="1"))
    lost, refused, killed = call("0.1"), call("0.2"), call("0.3")
    for one in (lost, refused, killed):
        ledger.start(one)
    ledger.settle(replace(lost, status="unknown"))
    ledger.settle(replace(refused, status="failed", cost=Decimal(0), usage=Usage()))
    assert held(budgets) == (Decimal("0.1"), Decimal("0.3"))
    ledger.settle(replace(killed, status="unknown"))  # as a sweep does with what a crash left
    assert held(budgets) == (Decimal("0.4"), NONE)
    ledger.settle(done(lost, "0.05"))  # its bill came after all
    assert only(budgets).spent == Decimal("0.35")


def test_a_start_that_is_repeated_reserves_once(ledger: PostgresLedger, budgets: Budgets) -> None:
    budgets.set(SpendingBudget(name="all", usd="1", soft=0.1, on_soft="cheaper"))
    one = call("0.3")
    ledger.start(one)
    ledger.start(one)
    assert only(budgets).reserved == Decimal("0.3")
    assert ledger.strain("", {})


def test_what_costs_nothing_counts_nowhere_and_what_is_known_only_after_it_is_never_refused(
    ledger: PostgresLedger, budgets: Budgets
) -> None:
    budgets.set(SpendingBudget(name="tokens", tokens=50))
    ledger.record(done(call("0"), "0"))
    ledger.flush()
    assert only(budgets).spent == 0
    ledger.record(done(call("0.01"), "0.01", tokens=60))
    assert only(budgets).spent == 60
    assert only(budgets).left == -10
    with pytest.raises(OverBudget, match="has -10 tokens left, and this call may take 100 tokens"):
        ledger.start(call("0.01"))
    ledger.start(call("0.01", tokens=0))  # a guard's units are no tokens


def test_a_call_that_was_made_while_the_database_was_away_is_not_refused(
    ledger: PostgresLedger, budgets: Budgets
) -> None:
    budgets.set(SpendingBudget(name="all", usd=0))
    late = call("0.1")
    ledger._store([Noted(late, datetime.now(UTC))])
    assert held(budgets) == (NONE, Decimal("0.1"))
    with pytest.raises(OverBudget):
        ledger.start(call("0.1"))


def test_a_budget_binds_its_tenant_and_tag_alone(ledger: PostgresLedger, budgets: Budgets) -> None:
    budgets.set(SpendingBudget(name="acme", usd="0.5", tenant="acme"))
    budgets.set(SpendingBudget(name="search", usd="0.4", tag=("team", "search")))
    budgets.set(SpendingBudget(name="all", usd="1"))
    ledger.start(call("0.3", tenant="acme", team="search"))
    ledger.start(call("0.1", tenant="other", team="search", user="me"))
    ledger.start(call("0.2", tenant="other", team="sales"))
    ledger.start(call("0.3", tenant="other"))
    assert [(state.budget.name, state.reserved) for state in budgets.list()] == [
        ("acme", Decimal("0.3")),
        ("all", Decimal("0.9")),
        ("search", Decimal("0.4")),
    ]
    for refused, name in (
        (call("0.15", tenant="acme"), "all"),
        (call("0.1", tenant="other", team="search"), "search"),
        (call("0.3", tenant="acme", team="search"), "acme"),
    ):
        with pytest.raises(OverBudget, match=f"the budget '{name}'"):
            ledger.start(refused)
    assert sum(state.reserved for state in budgets.list()) == Decimal("1.6")


def test_what_was_spent_before_a_budget_was_set_counts(ledger: PostgresLedger, budgets: Budgets, dsn: str) -> None:
    long_ago, spent, open_one = call("0.9"), call("0.9"), call("0.2")
    for one in (long_ago, spent, open_one):
        ledger.start(one)
    ledger.settle(done(spent, "0.5"))
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE ragdiet.call SET recorded_at = now() - '40 days'::interval WHERE cost = 0.9")
    budgets.set(SpendingBudget(name="all", usd="1"))
    assert held(budgets) == (Decimal("0.5"), Decimal("0.2"))
    ledger.settle(done(open_one, "0.1"))
    ledger.settle(done(long_ago, "0.8"))  # in a period of its own, before this budget
    assert held(budgets) == (Decimal("0.6"), NONE)
    budgets.set(SpendingBudget(name="all", usd="2", per="ever"))
    assert only(budgets).spent == Decimal("1.4")
    assert only(budgets).resets_at is None
    budgets.set(SpendingBudget(name="all", tokens=1_000, tenant="nobody"))
    assert only(budgets).spent == 0
    assert only(budgets).left == 1_000
    budgets.set(SpendingBudget(name="all", usd=f"{10**30}.{'1' * 40}"))
    assert str(only(budgets).left).endswith("1" * 36)  # more digits than arithmetic has by default
    budgets.remove("all")
    assert budgets.list() == ()
    with pytest.raises(InvalidArgument, match="no budget 'all'"):
        budgets.remove("all")


def test_a_day_begins_at_midnight_utc_and_a_call_ends_in_the_day_it_began(
    ledger: PostgresLedger, budgets: Budgets, dsn: str
) -> None:
    budgets.set(SpendingBudget(name="today", usd="1", per="day"))
    late = call("0.7")
    ledger.start(late)
    with psycopg.connect(dsn) as connection:  # midnight has passed
        connection.execute("UPDATE ragdiet.call SET recorded_at = recorded_at - '1 day'::interval")
        connection.execute("UPDATE ragdiet.budget_period SET starts = starts - '1 day'::interval")
    assert only(budgets).left == 1
    ledger.start(call("0.9"))
    ledger.settle(done(late, "0.6"))
    assert held(budgets) == (NONE, Decimal("0.9"))
    with psycopg.connect(dsn) as connection:
        connection.execute("SET timezone = 'Pacific/Kiritimati'")
        rows = connection.execute(
            "SELECT spent, reserved, to_char(starts AT TIME ZONE 'UTC', 'HH24:MI') FROM ragdiet.budget_period "
            "ORDER BY spent"
        ).fetchall()
        ends = connection.execute(
            "SELECT ragdiet.period_end('month', ragdiet.period_start('month', '2026-10-31T23:59:59.999Z'))"
        ).fetchone()
    assert rows == [(0, Decimal("0.9"), "00:00"), (Decimal("0.6"), 0, "00:00")]
    assert ends == (datetime(2026, 11, 1, tzinfo=UTC),)
    resets_at = only(budgets).resets_at
    assert resets_at
    assert resets_at.time() == datetime.min.time()


def test_the_soft_limit_is_told_of_once_a_period(
    ledger: PostgresLedger, budgets: Budgets, caplog: pytest.LogCaptureFixture
) -> None:
    budgets.set(SpendingBudget(name="all", usd="1", soft=0.5))
    ledger.start(call("0.49"))
    assert only(budgets).warned_at is None
    assert not caplog.messages
    ledger.start(call("0.01"))
    ledger.start(call("0.01"))
    assert caplog.messages == ["the budget 'all' is past 50% of its limit"]
    assert only(budgets).warned_at
    assert ledger.strain("", {}) == ""
    budgets.set(SpendingBudget(name="team", usd="1", tag=("team", "search"), soft=0.5, on_soft="cheaper"))
    ledger.start(call("0.4", team="sales"))
    assert ledger.strain("", {"team": "search"}) == ""
    dear = call("0.05", team="search")
    budgets.set(SpendingBudget(name="team", usd="0.1", tag=("team", "search"), soft=0.5, on_soft="cheaper"))
    ledger.start(dear)
    assert ledger.strain("", {"team": "search"}) == "the budget 'team' is past 50% of its limit"
    assert ledger.strain("", {"team": "sales"}) == ""
    ledger.settle(done(dear, "0.01"))
    ledger.start(call("0.01", team="search"))
    assert ledger.strain("", {"team": "search"}) == ""


def test_many_at_once_never_pass_a_limit(dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    """64 threads, two budgets that overlap, and one that is set while they run; a watcher reads all the while."""
    database = Database(dsn, timeout=30, max_size=16)
    ledger, budgets = PostgresLedger(database), Budgets(database, tenant="")
    budgets.set(SpendingBudget(name="all", usd="2"))
    budgets.set(SpendingBudget(name="search", usd="0.7", tag=("team", "search")))
    over, running = list[BudgetState](), threading.Event()

    def watch() -> None:
        while not running.wait(0.005):
            over.extend(state for state in budgets.list() if state.left < 0)

    def ask(seed: int) -> int:
        made = random.Random(seed)
        refused = 0
        for _ in range(6):
            worst = Decimal(made.randint(1, 40_000_000)) / 10**9
            started = call(str(worst), team=made.choice(("search", "sales")))
            try:
                ledger.start(started)
            except OverBudget:
                refused += 1
                continue
            fate = made.random()
            if fate < 0.8:
                ledger.settle(done(started, str((worst * made.randint(0, 1000) / 1000).quantize(Decimal("1e-12")))))
            elif fate < 0.9:
                ledger.settle(replace(started, status="unknown"))
        return refused

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(64) as threads:
        asking = [threads.submit(ask, seed) for seed in range(64)]
        budgets.set(SpendingBudget(name="late", tokens=10**9, per="day"))
        refused = sum(done.result() for done in asking)
    running.set()
    watcher.join()
    assert refused > 0
    assert over == []
    assert [record.message for record in caplog.records if record.name.startswith("psycopg")] == []
    with psycopg.connect(dsn) as connection:
        for state in budgets.list():
            assert state.left >= 0
            tag = state.budget.tag
            assert connection.execute(
                "SELECT sum(ragdiet.booked(%s, c)) FILTER (WHERE status <> 'started'), "
                "sum(ragdiet.booked(%s, c)) FILTER (WHERE status = 'started') FROM ragdiet.call c "
                "WHERE %s::text IS NULL OR tags ->> 'team' = %s",
                (state.budget.unit, state.budget.unit, tag and tag[1], tag and tag[1]),
            ).fetchone() == (state.spent, state.reserved)
    database.close()


def test_a_runtime_role_is_bound_by_all_budgets_and_can_change_none(roles: Roles) -> None:
    owner, app = Database(roles.owner, timeout=5), Database(roles.app, timeout=5)
    as_owner = Budgets(owner, tenant="")
    as_owner.set(SpendingBudget(name="all", usd="1"))
    as_owner.set(SpendingBudget(name="hostile", usd="0.5", tenant=HOSTILE))
    as_owner.set(SpendingBudget(name="acme", usd="0.1", tenant="acme"))
    ledger, as_tenant = PostgresLedger(app), Budgets(app, tenant=HOSTILE)
    ledger.start(call("0.4", tenant=HOSTILE))
    with pytest.raises(OverBudget, match="hostile"):
        ledger.start(call("0.2", tenant=HOSTILE))
    with pytest.raises(OverBudget, match="'all'"):
        ledger.start(call("0.7", tenant="other"))
    assert [state.budget.name for state in as_tenant.list()] == ["hostile"]
    assert only(as_tenant).left == Decimal("0.1")
    assert [state.reserved for state in as_owner.list()] == [0, Decimal("0.4"), Decimal("0.4")]
    with pytest.raises(StoreError, match="may not do that"):
        as_tenant.set(SpendingBudget(name="hostile", usd="50", tenant=HOSTILE))
    with pytest.raises(StoreError, match="may not do that"):
        as_tenant.remove("hostile")
    for statement in (
        "UPDATE ragdiet.budget SET most = 50",
        "UPDATE ragdiet.budget_period SET reserved = 0",
        "DELETE FROM ragdiet.budget_period",
        "INSERT INTO ragdiet.budget_period VALUES (1, now(), NULL, 0, 0)",
        "ALTER TABLE ragdiet.call DISABLE TRIGGER ALL",
    ):
        with pytest.raises(StoreError), app.transaction(tenant=HOSTILE) as connection:
            connection.execute(statement)
    owner.close()
    app.close()


def test_in_a_transaction_of_the_callers_a_refused_call_leaves_it_usable(
    ledger: PostgresLedger, budgets: Budgets, database: Database, dsn: str
) -> None:
    budgets.set(SpendingBudget(name="all", usd="1", soft=0.5, on_soft="cheaper"))
    with psycopg.connect(dsn) as mine, database.using(mine):
        ledger.start(call("0.6"))
        with pytest.raises(OverBudget):
            ledger.start(call("0.6"))
        assert ledger.strain("", {})
        mine.rollback()
    assert only(budgets).reserved == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": ""}, "name is 1 to 200"),
        ({"name": "a\nb"}, "name is 1 to 200"),
        ({"usd": None}, "one limit, usd or tokens"),
        ({"tokens": 5}, "one limit, usd or tokens"),
        ({"usd": "-1"}, "usd is '-1'"),
        ({"usd": "NaN"}, "usd is 'NaN'"),
        ({"usd": "1e900"}, "usd is '1e900'"),
        ({"usd": 0.1}, "usd is 0.1"),
        ({"usd": "five"}, "usd is 'five'"),
        ({"usd": None, "tokens": -1}, "tokens is -1"),
        ({"usd": None, "tokens": 1.5}, "tokens is 1.5"),
        ({"per": "week"}, "per is 'week'"),
        ({"on_soft": "stop"}, "on_soft 'stop'"),
        ({"usd": True}, "usd is True"),
        ({"tag": ("team",)}, "tag is"),
        ({"tag": "ab"}, "tag is 'ab'"),
        ({"tag": ("team", "a\0b")}, "tag is"),
        ({"tag": ("team", "\ud800")}, "tag is"),
        ({"tenant": 5}, "tenant is 5"),
        ({"tenant": "a\0b"}, "tenant is"),
        ({"name": 3}, "not 3"),
        ({"soft": 0}, "soft is 0"),
        ({"soft": float("nan")}, "soft is nan"),
    ],
)
def test_a_budget_that_cannot_be_meant_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        SpendingBudget(**{"name": "all", "usd": "1"} | wrong)
