"""Ledger rows of local work: written a moment later, all of them, without anybody waiting."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

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


class Written:
    """A ``write`` that fails while ``is_down``."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[str]]] = []
        self.is_down = False

    def __call__(self, tenant: str, rows: Sequence[Call]) -> None:
        if self.is_down:
            raise StoreUnavailable("down: wait")
        self.batches.append((tenant, [row.call_id for row in rows]))


def test_rows_are_written_together_without_being_asked_for() -> None:
    written = Written()
    rows = WaitingRows(written)
    for number in range(3):
        rows.add(call(number))
    rows.add(call(3, tenant="t"))
    assert written.batches == []
    deadline = time.monotonic() + 5
    while len(written.batches) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert written.batches == [("", ["c0", "c1", "c2"]), ("t", ["c3"])]


def test_rows_outlast_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    written = Written()
    written.is_down = True
    rows = WaitingRows(written)
    rows.add(call(1))
    with pytest.raises(StoreUnavailable):
        rows.flush()
    deadline = time.monotonic() + 5
    while "could not be written" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "could not be written: down" in caplog.text
    written.is_down = False
    rows.add(call(2))
    rows.close()
    assert written.batches == [("", ["c1", "c2"])]


def test_a_rag_closes_its_store_when_the_last_rows_cannot_be_written(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rag = RAG(database, embedder=WordEmbedder())
    assert isinstance(rag.ledger, PostgresLedger)
    rag.ledger.record(call(1))

    def lost(*_: object, **__: object) -> None:
        raise StoreUnavailable("gone: wait")

    with monkeypatch.context() as patched:
        patched.setattr(database, "run", lost)
        rag.close()
    assert "dropped: gone" in caplog.text
    with pytest.raises(StoreUnavailable, match="was closed"):
        database.run(lambda connection: connection.execute("SELECT"), tenant=None)


def test_no_more_rows_are_kept_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ragdiet.account.waiting._MOST", 2)
    written = Written()
    rows = WaitingRows(written)
    rows.put_back("", [call(number) for number in range(5)])
    assert "3 ledger rows of local work" in caplog.text
    rows.close()
    assert written.batches == [("", ["c3", "c4"])]


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
