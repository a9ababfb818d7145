"""Ledger rows of local work: written a moment later, all of them, without anybody waiting."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from ragdiet import RAG
from ragdiet.account import Call
from ragdiet.account.postgres import PostgresLedger
from ragdiet.account.waiting import WaitingRows
from ragdiet.errors import StoreUnavailable
from ragdiet.report import read_costs
from ragdiet.store import Database
from tests.embedders import WordEmbedder


def call(number: int, tenant: str = "", cost: str = "0") -> Call:
    return Call(
        call_id=f"c{number}",
        prompt_id="p",
        attempt=1,
        stage="retrieve",
        model="local:test",
        started_at=datetime.now(UTC),
        tenant=tenant,
        cost=Decimal(cost),
        status="done",
    )


def test_rows_are_written_together_without_being_asked_for() -> None:
    batches: list[list[str]] = []
    rows = WaitingRows(lambda written: batches.append([row.call_id for row in written]))
    for number in range(3):
        rows.add(call(number))
    rows.add(call(3, tenant="t"))
    assert batches == []
    deadline = time.monotonic() + 5
    while len(batches) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert batches == [["c0", "c1", "c2"], ["c3"]]
    rows.add(call(4))
    rows.close()
    assert batches == [["c0", "c1", "c2"], ["c3"], ["c4"]]


def test_a_rag_closes_its_store_when_the_last_rows_cannot_be_written(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rag = RAG(database, embedder=WordEmbedder(), spool=tmp_path)
    rag.ledger.record(call(1))

    def lost(*_: object, **__: object) -> None:
        raise StoreUnavailable("gone: wait")

    with monkeypatch.context() as patched:
        patched.setattr(database, "run", lost)
        rag.close()
    (spooled,) = tmp_path.iterdir()
    assert f"ledger rows wait in {tmp_path} until this database is opened: gone" in caplog.text
    assert b'"call_id": "c1"' in spooled.read_bytes()
    with pytest.raises(StoreUnavailable, match="was closed"):
        database.run(lambda connection: connection.execute("SELECT"), tenant=None)


def test_what_costs_money_is_written_at_once(rag: RAG, dsn: str) -> None:
    ledger = PostgresLedger(rag.store)
    ledger.record(call(1, cost="0.5"))
    ledger.record(call(2))
    assert ids(dsn) == ["c1"]
    ledger.close()
    assert ids(dsn) == ["c1", "c2"]


def test_rows_of_a_users_transaction_go_with_it(rag: RAG, dsn: str) -> None:
    ledger = PostgresLedger(rag.store)
    ledger.record(call(1))
    with psycopg.connect(dsn) as mine:
        with rag.store.using(mine):
            ledger.record(call(2))
            ledger.flush()
            assert [row.calls for row in read_costs(rag.store, by="stage", since=None, tenant="")] == [2]
        mine.rollback()
    assert ids(dsn) == ["c1"]


def test_the_last_rows_of_a_program_are_written(rag: RAG, dsn: str) -> None:
    program = """
        import sys
        from ragdiet.account import PostgresLedger
        from ragdiet.store import Database
        from tests.test_waiting_rows import call
        PostgresLedger(Database(sys.argv[1])).record(call(7))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program), dsn], check=True, timeout=60)
    assert ids(dsn) == ["c7"]


def ids(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        return [row[0] for row in connection.execute("SELECT call_id FROM ragdiet.call ORDER BY call_id")]
