"""The ledger while its database dies: rows wait on disk, sums stay right, and nothing is written twice."""

from __future__ import annotations

import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ragdiet import RAG
from ragdiet.account import AskRow, Budgets, Call, PostgresLedger, SpendingBudget
from ragdiet.errors import InvalidArgument, LedgerUnavailable, StoreError, StoreUnavailable
from ragdiet.store import Database, migrate
from ragdiet.types import Usage
from tests.clusters import Clusters, Server, clusters, until
from tests.conftest import Roles
from tests.embedders import WordEmbedder

LONG = Decimal("12345678901234567890.000000000000000000000000000001")
NAME = "'; drop table ragdiet.call; --"


@pytest.fixture(scope="module")
def origin() -> Iterator[Clusters]:
    with clusters(lambda dsn: migrate(dsn, WordEmbedder().space)) as opened:
        yield opened


@pytest.fixture(scope="module")
def primary(origin: Clusters) -> Iterator[Server]:
    yield origin.primary()
    origin.end_all()


@pytest.fixture
def running(primary: Server) -> Server:
    """A server without rows, which each test leaves running."""
    with psycopg.connect(primary.dsn) as connection:
        connection.execute("TRUNCATE ragdiet.call, ragdiet.ask")
    return primary


@pytest.fixture
def ledger(running: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresLedger]:
    monkeypatch.setattr("ragdiet.account.postgres._PATIENCE", 0.2)
    monkeypatch.setattr("ragdiet.account.parked._PAUSE", 0.05)
    with closing(Database(running.dsn)) as database, closing(PostgresLedger(database, spool=tmp_path)) as opened:
        yield opened


def call(name: str, cost: Decimal | str = "0.5", **others: Any) -> Call:
    values = {"prompt_id": "p", "attempt": 1, "stage": "generate", "model": "m", "price": "test"} | others
    return Call(call_id=name, cost=Decimal(cost), started_at=datetime.now(UTC), **values)


def done(started: Call, cost: Decimal | str) -> Call:
    return replace(started, status="done", cost=Decimal(cost), served="m")


def rows(dsn: str) -> dict[str, tuple[str, Decimal]]:
    with psycopg.connect(dsn) as connection:
        return {
            row[0]: (row[1], row[2])
            for row in connection.execute("SELECT call_id, status, cost FROM ragdiet.call ORDER BY call_id")
        }


def test_rows_of_an_outage_wait_on_disk_and_come_by_themselves(
    running: Server, ledger: PostgresLedger, tmp_path: Path
) -> None:
    one, two = call("c1", LONG, tenant=NAME), call("c2", "2e-30", tenant=NAME)
    ledger.start(one)
    running.kill()
    ledger.settle(done(one, LONG))
    ledger.start(two)
    ledger.record(call("c3", "0", tenant=NAME, status="done"))
    with localcontext(prec=5):
        assert ledger.cost_of("p", tenant=NAME) == Decimal("12345678901234567890.000000000000000000000000000003")
    ledger.settle(done(two, "1e-30"))
    cost = ledger.cost_of("p", tenant=NAME)
    assert cost == Decimal("12345678901234567890.000000000000000000000000000002")
    ledger.finish(AskRow(prompt_id="p", outcome="answered", confidence=1.0, tenant=NAME, cost=cost))
    (spooled,) = tmp_path.iterdir()
    assert stat.S_IMODE(spooled.stat().st_mode) == 0o600
    running.start()
    until(lambda: spooled.stat().st_size == 0)
    assert rows(running.dsn) == {
        "c1": ("done", LONG),
        "c2": ("done", Decimal("1e-30")),
        "c3": ("done", Decimal(0)),
    }
    until(lambda: not ledger._parked.is_down)
    assert ledger.cost_of("p", tenant=NAME) == cost
    assert ledger.cost_of("p", tenant="") == 0
    with psycopg.connect(running.dsn) as connection:
        assert connection.execute("SELECT tenant, cost FROM ragdiet.ask").fetchall() == [(NAME, cost)]


def test_a_program_that_dies_in_an_outage_leaves_its_rows_to_the_next(running: Server, tmp_path: Path) -> None:
    program = """
        import os, signal, sys
        from ragdiet.account import PostgresLedger
        from ragdiet.store import Database
        from tests.test_ledger_outage import call, done
        ledger = PostgresLedger(Database(sys.argv[1]), spool=sys.argv[2])
        ledger.start(call("c1"))
        print("up", flush=True)
        sys.stdin.readline()
        ledger.settle(done(call("c1"), "0.25"))
        ledger.start(call("c2"))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), running.dsn, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        child.stdout.readline()
        running.kill()
        child.stdin.write(b"\n")
        child.stdin.flush()
        child.wait()
    running.start()
    assert rows(running.dsn) == {"c1": ("started", Decimal("0.5"))}
    with closing(Database(running.dsn)) as database, closing(PostgresLedger(database, spool=tmp_path)):
        until(lambda: not [*tmp_path.iterdir()])
    assert rows(running.dsn) == {"c1": ("done", Decimal("0.25")), "c2": ("started", Decimal("0.5"))}


def test_rows_that_come_late_or_twice_change_nothing(running: Server, ledger: PostgresLedger) -> None:
    started, failed = call("c1"), replace(call("c1"), status="failed", cost=Decimal(0))
    ledger.settle(done(started, "0.25"))
    ledger.start(started)
    for late in (started, replace(started, status="unknown"), failed, done(started, "0.25")):
        ledger._parked.keep([late])
        ledger.flush()
        assert rows(running.dsn) == {"c1": ("done", Decimal("0.25"))}
    ledger.finish(AskRow(prompt_id="p", outcome="answered", confidence=0.9))
    ledger._parked.keep([AskRow(prompt_id="p", outcome="failed", confidence=0.1)])
    ledger.flush()
    with psycopg.connect(running.dsn) as connection:
        assert connection.execute("SELECT outcome FROM ragdiet.ask").fetchall() == [("failed",)]


def test_a_call_that_is_settled_before_its_start_is_brought_costs_what_was_settled(
    running: Server, ledger: PostgresLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger._parked, "_wake", lambda: None)
    ledger._parked.keep([call("c1"), call("c2")])
    assert ledger.cost_of("p", tenant="") == 1
    ledger.settle(done(call("c1"), "0.25"))
    assert ledger.cost_of("p", tenant="") == Decimal("0.75")
    ledger.flush()
    assert ledger.cost_of("p", tenant="") == Decimal("0.75")


def test_where_no_row_can_be_kept_nothing_is_sent(
    running: Server, ledger: PostgresLedger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sent = call("c1")
    ledger.start(sent)
    ledger._parked._spool.folder = tmp_path / "file"
    (tmp_path / "file").touch()
    running.kill()
    with pytest.raises(LedgerUnavailable, match=r"nothing was sent.*name another folder"):
        ledger.start(call("c2"))
    assert ledger.cost_of("p", tenant="") == Decimal("0.5")
    ledger.settle(done(sent, "0.25"))  # was sent before: it is kept in memory, and said whole
    assert '"call_id": "c1"' in caplog.text
    assert '"cost": "0.25"' in caplog.text
    assert ledger.cost_of("p", tenant="") == Decimal("0.25")
    with pytest.raises(StoreUnavailable):
        ledger.flush()
    running.start()
    ledger.flush()
    assert rows(running.dsn) == {"c1": ("done", Decimal("0.25"))}


def test_a_row_that_the_database_refuses_is_not_lost(
    running: Server, ledger: PostgresLedger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sent = call("c1")
    ledger.start(sent)
    with pytest.raises(StoreError):
        ledger.start(call("c2", region="\0"))
    ledger.settle(replace(done(sent, "0.25"), region="\0"))
    ledger.settle(done(call("c3"), "0.75"))
    ledger.flush()
    assert rows(running.dsn) == {"c1": ("started", Decimal("0.5")), "c3": ("done", Decimal("0.75"))}
    (bad,) = tmp_path.glob("*.bad")
    assert b'"cost": "0.25"' in bad.read_bytes()
    assert str(bad) in caplog.text


def test_a_lent_transaction_that_fails_does_not_take_what_was_spent_with_it(
    running: Server, ledger: PostgresLedger
) -> None:
    database = ledger._database
    assert isinstance(database, Database)
    with psycopg.connect(running.dsn) as mine, database.using(mine):
        ledger.start(call("c1"))
        ledger.settle(done(call("c1"), "0.25"))
        ledger.start(call("c2"))
        assert ledger.cost_of("p", tenant="") == Decimal("0.75")
        mine.close()
        with pytest.raises(StoreError):
            ledger.start(call("c3"))
        ledger.settle(done(call("c2"), "0.125"))
    ledger.flush()
    assert rows(running.dsn) == {"c2": ("done", Decimal("0.125"))}


def test_a_sweep_goes_by_the_databases_clock(running: Server, ledger: PostgresLedger) -> None:
    ancient = replace(call("c1"), started_at=datetime(1999, 1, 1, tzinfo=UTC))
    future = replace(call("c2"), started_at=datetime(2999, 1, 1, tzinfo=UTC))
    for row in (ancient, future, call("c3")):
        ledger.start(row)
    ledger.settle(done(call("c3"), "0.25"))
    assert ledger.sweep() == 0
    with psycopg.connect(running.dsn) as connection:
        connection.execute("UPDATE ragdiet.call SET recorded_at = now() - interval '16 minutes'")
    assert ledger.sweep(older_than=timedelta(minutes=17)) == 0
    assert ledger.sweep() == 2
    assert ledger.sweep() == 0
    half = Decimal("0.5")
    assert rows(running.dsn) == {"c1": ("unknown", half), "c2": ("unknown", half), "c3": ("done", Decimal("0.25"))}
    ledger.settle(done(future, "0.125"))  # the process lived after all
    ledger.start(ancient)
    assert rows(running.dsn)["c1"] == ("unknown", half)
    assert rows(running.dsn)["c2"] == ("done", Decimal("0.125"))
    with pytest.raises(InvalidArgument, match="older_than"):
        ledger.sweep(older_than=timedelta(0))


def test_a_runtime_role_sweeps_its_tenants_calls(roles: Roles, tmp_path: Path) -> None:
    for dsn, swept in ((roles.app, 1), (roles.owner, 2)):
        with closing(Database(dsn)) as database, closing(PostgresLedger(database, spool=tmp_path)) as ledger:
            ledger.start(call("a", tenant="a"))
            ledger.start(call("b", tenant=NAME))
            ledger.start(call("c", tenant="c"))
            with psycopg.connect(roles.admin) as connection:
                connection.execute("UPDATE ragdiet.call SET recorded_at = now() - interval '1 day'")
            assert ledger.sweep(tenant=NAME) == swept


def test_rag_sweep_marks_calls_that_a_crash_left(rag: RAG, dsn: str) -> None:
    rag.ledger.start(call("c1"))
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE ragdiet.call SET recorded_at = now() - interval '1 day'")
    rag.sweep()
    assert rows(dsn) == {"c1": ("unknown", Decimal("0.5"))}


def test_a_full_pool_is_waited_for_longer_than_an_outage(
    running: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragdiet.account.postgres._PATIENCE", 0.01)
    with (
        closing(Database(running.dsn, max_size=1, timeout=2.5)) as database,
        closing(PostgresLedger(database, spool=tmp_path)) as ledger,
    ):
        ledger.start(call("c1"))  # which tells that no budget binds such calls
        with database.transaction(tenant=None):
            began = time.monotonic()
            ledger.start(call("c2"))
            assert time.monotonic() - began > 1
            assert list(tmp_path.iterdir())
    assert rows(running.dsn) == {name: ("started", Decimal("0.5")) for name in ("c1", "c2")}


def test_what_a_budget_may_bind_is_not_sent_while_it_cannot_be_checked(running: Server, ledger: PostgresLedger) -> None:
    with closing(Database(running.dsn)) as database:
        Budgets(database, tenant="").set(SpendingBudget(name="acme", usd="10", tenant="acme"))
    ledger.start(call("c1"))
    ledger.start(call("c2", tenant="acme"))
    running.kill()
    ledger.start(call("c3"))
    for tenant in ("acme", "never seen before"):
        with pytest.raises(LedgerUnavailable, match="nothing was sent, since a budget may bind this call"):
            ledger.start(call("c4", tenant=tenant))
    running.start()
    until(lambda: not ledger._parked.is_down and len(rows(running.dsn)) == 3)
    ledger.start(call("c5", tenant="acme"))
    with psycopg.connect(running.dsn) as connection:
        assert connection.execute("SELECT reserved FROM ragdiet.budget_period").fetchall() == [(1,)]
        connection.execute("DELETE FROM ragdiet.budget")


def test_the_usage_of_a_row_survives_the_disk(running: Server, ledger: PostgresLedger) -> None:
    usage = Usage(input_tokens=1, output_tokens=2, cache_read_tokens=3, cache_write_5m_tokens=4, units=5)
    ledger._parked.keep([replace(done(call("c1"), "1"), usage=usage, tags={"team": "x"}, seconds=0.25)])
    ledger.flush()
    with psycopg.connect(running.dsn) as connection:
        found = connection.execute(
            "SELECT input_tokens, output_tokens, cache_read_tokens, cache_write_5m_tokens, units, tags, seconds "
            "FROM ragdiet.call"
        ).fetchone()
    assert found == (1, 2, 3, 4, 5, {"team": "x"}, 0.25)
