"""A transaction that the user brings, and which failed transactions are run again."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from ragdiet.account import PostgresLedger
from ragdiet.errors import InvalidArgument, StoreError, StoreUnavailable
from ragdiet.rag import RAG
from ragdiet.store import Database
from ragdiet.store.connection.retry import is_commit_unknown, is_passing
from ragdiet.types import Document

QUESTION = "How long is the notice period?"
STAFF = Document("staff", "The notice period is three months for permanent staff.")
PROBATION = Document("probation", "In probation the notice period is two weeks.")


def rows(dsn: str, table: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(f"SELECT count(*) FROM ragdiet.{table}").fetchone()
    assert row
    return int(row[0])


def test_an_ask_in_the_users_transaction_is_the_users_to_roll_back(rag: RAG, dsn: str) -> None:
    rag.ingest([STAFF])
    rag.ledger.flush()  # rows of local work come by themselves half a second later
    before = rows(dsn, "call"), rows(dsn, "ask")
    with psycopg.connect(dsn, row_factory=dict_row) as mine:
        mine.execute("CREATE TABLE mine ()")
        with rag.store.using(mine):
            assert rag.retrieve(QUESTION)[0].document_id == "staff"
            answer = rag.ask(QUESTION)
            assert answer.outcome == "answered"
            assert rag.ledger.cost_of(answer.prompt_id, tenant="") == answer.cost
        assert mine.row_factory is dict_row
        assert mine.execute("SELECT count(*) AS asks FROM ragdiet.ask").fetchone() == {"asks": before[1] + 1}
        assert (rows(dsn, "call"), rows(dsn, "ask")) == before
        mine.rollback()
    assert (rows(dsn, "call"), rows(dsn, "ask")) == before
    rag.ask(QUESTION)
    assert rows(dsn, "ask") == before[1] + 1


def test_an_ingest_is_kept_or_not_with_the_users_own_rows(rag: RAG, dsn: str) -> None:
    rag.ingest([STAFF])
    with psycopg.connect(dsn) as mine:
        with rag.store.using(mine):
            assert rag.ingest([PROBATION]).added == 1
            assert {hit.document_id for hit in rag.retrieve(QUESTION)} == {"staff", "probation"}
        assert {hit.document_id for hit in rag.retrieve(QUESTION)} == {"staff"}
        mine.rollback()
        assert {hit.document_id for hit in rag.retrieve(QUESTION)} == {"staff"}
        with rag.store.using(mine):
            rag.ingest([PROBATION])
            mine.commit()  # within the block: the next step begins another transaction of the user's
            rag.ingest([Document("late", "The notice period of contractors is one day.")])
        mine.rollback()
    assert {hit.document_id for hit in rag.retrieve(QUESTION)} == {"staff", "probation"}


def test_a_step_that_fails_leaves_the_users_transaction_usable(rag: RAG, dsn: str) -> None:
    with psycopg.connect(dsn) as mine:
        mine.execute("CREATE TABLE mine (name text)")
        mine.execute("INSERT INTO mine VALUES ('kept')")
        with rag.store.using(mine), pytest.raises(StoreError, match="refused"):
            rag.store.run(lambda connection: connection.execute("SELECT 1 / 0"), tenant=None)
        assert mine.info.transaction_status == TransactionStatus.INTRANS
        assert mine.execute("SELECT name FROM mine").fetchall() == [("kept",)]


def test_a_connection_in_autocommit_is_used_only_inside_a_transaction(rag: RAG, dsn: str) -> None:
    rag.ingest([STAFF])
    with psycopg.connect(dsn, autocommit=True) as mine:
        with pytest.raises(InvalidArgument, match="open one first"), rag.store.using(mine):
            rag.retrieve(QUESTION)
        with mine.transaction(force_rollback=True), rag.store.using(mine):
            assert rag.ingest([PROBATION]).added == 1
    with pytest.raises(StoreUnavailable), rag.store.using(mine):
        rag.retrieve(QUESTION)
    assert len(rag.retrieve(QUESTION)) == 1


def test_another_thread_is_not_in_the_users_transaction(rag: RAG, dsn: str) -> None:
    rag.ingest([STAFF])
    seen: list[int] = []
    with psycopg.connect(dsn) as mine, rag.store.using(mine):
        rag.ingest([PROBATION])
        thread = threading.Thread(target=lambda: seen.append(len(rag.retrieve(QUESTION))))
        thread.start()
        thread.join()
        assert len(rag.retrieve(QUESTION)) == 2
    assert seen == [1]


def test_a_deadlock_is_run_again(database: Database) -> None:
    database.run(
        lambda connection: connection.execute("CREATE TABLE pairs AS SELECT 1 AS id, 0 AS sum UNION SELECT 2, 0"),
        tenant=None,
    )
    met = threading.Barrier(2)
    tries: list[int] = []

    def add(first: int, second: int) -> None:
        def work(connection: psycopg.Connection) -> None:
            tries.append(first)
            connection.execute("UPDATE pairs SET sum = sum + 1 WHERE id = %s", (first,))
            if tries.count(first) == 1:
                met.wait(10)
            connection.execute("UPDATE pairs SET sum = sum + 1 WHERE id = %s", (second,))

        database.run(work, tenant=None)

    threads = [threading.Thread(target=add, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(tries) == 3
    assert database.run(lambda connection: connection.execute("SELECT sum FROM pairs").fetchall(), tenant=None) == [
        (2,),
        (2,),
    ]


@pytest.mark.parametrize("state", ["40001", "40P01", "57P01", "57P02", "57P03", "08006", "25006"])
def test_what_passes_is_run_again_from_the_beginning(database: Database, state: str) -> None:
    database.run(lambda connection: connection.execute("CREATE TABLE mine (try int)"), tenant=None)
    tries: list[int] = []

    def work(connection: psycopg.Connection) -> None:
        tries.append(len(tries))
        connection.execute("INSERT INTO mine VALUES (%s)", (len(tries),))
        if len(tries) < 3:
            connection.execute(f"DO $$ BEGIN RAISE EXCEPTION 'scripted' USING ERRCODE = '{state}'; END $$")

    database.run(work, tenant=None)
    assert database.run(lambda connection: connection.execute("SELECT try FROM mine").fetchall(), tenant=None) == [(3,)]


@pytest.mark.parametrize("state", ["23505", "42501", "57014", "53100", "22012"])
def test_what_would_fail_again_is_raised_at_once(database: Database, state: str) -> None:
    tries: list[int] = []

    def work(connection: psycopg.Connection) -> None:
        tries.append(1)
        connection.execute(f"DO $$ BEGIN RAISE EXCEPTION 'scripted' USING ERRCODE = '{state}'; END $$")

    with pytest.raises(StoreError, match="scripted"):
        database.run(work, tenant=None)
    assert len(tries) == 1


def test_a_connection_killed_in_mid_transaction_is_replaced(database: Database) -> None:
    tries: list[int] = []

    def work(connection: psycopg.Connection) -> None:
        tries.append(1)
        connection.execute("CREATE TABLE mine ()")
        if len(tries) == 1:
            connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    database.run(work, tenant=None)
    assert len(tries) == 2


def test_of_commits_only_an_answer_is_certain() -> None:
    lost = psycopg.OperationalError("server closed the connection unexpectedly")
    assert is_passing(lost)
    assert is_commit_unknown(lost)
    assert is_commit_unknown(psycopg.errors.AdminShutdown())
    assert is_passing(psycopg.errors.SerializationFailure())
    assert not is_commit_unknown(psycopg.errors.SerializationFailure())
    assert not is_passing(psycopg.errors.UniqueViolation())


def test_a_ledger_row_written_twice_is_one_row(rag: RAG, dsn: str) -> None:
    from datetime import UTC, datetime

    from ragdiet.account import Call

    ledger = PostgresLedger(rag.store)
    call = Call(call_id="c", prompt_id="p", attempt=1, stage="embed", model="m", started_at=datetime.now(UTC))
    ledger.record(call)
    ledger.record(call)
    assert rows(dsn, "call") == 0  # local work waits
    ledger.flush()
    assert rows(dsn, "call") == 1
    ledger.record(call)
    ledger.flush()
    assert rows(dsn, "call") == 1


def test_an_error_of_a_statement_that_nobody_fetched_is_raised_and_leaves_the_connection_usable(
    database: Database,
) -> None:
    def work(connection: psycopg.Connection) -> psycopg.Cursor[Any]:
        connection.execute("CREATE TABLE unfetched ()")
        return connection.execute("SELECT 1 / 0")

    def numbers(connection: psycopg.Connection) -> psycopg.Cursor[Any]:
        return connection.execute("SELECT pg_backend_pid(), to_regclass('unfetched')")

    (first,) = database.run(numbers, tenant="", pipelined=True).fetchall()
    with pytest.raises(StoreError, match="division by zero"):
        database.run(work, tenant="", pipelined=True)
    assert database.run(numbers, tenant="", pipelined=True).fetchall() == [first]
    assert first[1] is None
