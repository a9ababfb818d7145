"""A primary and its hot standby: where searches and writes run, and what a failover costs."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest

from ragdiet.account import Call, PostgresLedger
from ragdiet.errors import CommitUnknown, StoreError, StoreNotReady, StoreUnavailable
from ragdiet.rag import RAG
from ragdiet.store import Database, migrate
from ragdiet.types import Document
from tests.clusters import Clusters, Server, clusters, until
from tests.embedders import WordEmbedder


@pytest.fixture(scope="module")
def origin() -> Iterator[Clusters]:
    with clusters(lambda dsn: migrate(dsn, WordEmbedder().space)) as opened:
        yield opened


@pytest.fixture
def made(origin: Clusters) -> Iterator[Clusters]:
    yield origin
    origin.end_all()


@pytest.fixture
def pair(made: Clusters) -> tuple[Server, Server]:
    primary = made.primary()
    return primary, made.standby_of(primary)


def both(primary: Server, standby: Server) -> str:
    return f"host=127.0.0.1,127.0.0.1 port={primary.port},{standby.port} user=owner dbname=postgres"


def serving(database: Database, *, read_only: bool) -> int:
    """The port of the server that serves."""
    row = database.run(
        lambda opened: opened.execute("SELECT inet_server_port()").fetchone(), read_only=read_only, tenant=None
    )
    assert row
    return int(row[0])


@contextmanager
def in_thread(work: Callable[[], object]) -> Iterator[list[BaseException | None]]:
    """Run ``work`` beside the block; afterwards the list holds how it ended."""
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # looked at by the test
            ended.append(error)
        else:
            ended.append(None)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ended
    finally:
        thread.join(60)
        assert not thread.is_alive()


def test_reads_run_at_the_reader_and_writes_at_the_writer(pair: tuple[Server, Server]) -> None:
    primary, standby = pair
    with closing(Database(primary.dsn, reader=f"port={standby.port}", timeout=10)) as database:
        assert serving(database, read_only=True) == standby.port
        assert serving(database, read_only=False) == primary.port
        with database.transaction(tenant=None, read_only=True) as connection:
            assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        with database.read_your_writes():
            assert serving(database, read_only=True) == primary.port
            with (
                pytest.raises(StoreError, match="read-only"),
                database.transaction(tenant=None, read_only=True) as connection,
            ):
                connection.execute("CREATE TABLE mine ()")
        assert serving(database, read_only=False) == primary.port


def test_a_search_sees_what_the_reader_has_and_reads_its_own_writes_where_told(pair: tuple[Server, Server]) -> None:
    primary, standby = pair
    with (
        RAG.connect(primary.dsn, reader=f"port={standby.port}", embedder=WordEmbedder(), patience=10) as rag,
        psycopg.connect(standby.dsn, autocommit=True) as replay,
    ):
        rag.ingest([Document("old", "The notice period is three months.")])
        until(lambda: len(rag.retrieve("notice period")) == 1)
        replay.execute("SELECT pg_wal_replay_pause()")
        until(lambda: replay.execute("SELECT pg_get_wal_replay_pause_state()").fetchone() == ("paused",))
        rag.ingest([Document("new", "The notice period is two weeks in probation.")])
        assert [hit.document_id for hit in rag.retrieve("notice period")] == ["old"]
        with rag.store.read_your_writes():
            assert {hit.document_id for hit in rag.retrieve("notice period")} == {"old", "new"}
        replay.execute("SELECT pg_wal_replay_resume()")
        until(lambda: len(rag.retrieve("notice period")) == 2)
        answer = rag.ask("How long is the notice period?")  # its ledger rows are read where they are written
        assert answer.outcome == "answered"
        assert rag.ledger.cost_of(answer.prompt_id, tenant="") == answer.cost


def test_the_writer_serves_searches_while_no_reader_can(
    pair: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ragdiet.store.database._READER_PAUSE", 1.0)
    primary, standby = pair
    with closing(Database(primary.dsn, reader=f"port={standby.port}", timeout=20)) as database:
        assert serving(database, read_only=True) == standby.port
        standby.kill()
        began = time.monotonic()
        assert serving(database, read_only=True) == primary.port
        assert time.monotonic() - began < 5
        assert "no reader can be reached" in caplog.text
        standby.start()
        until(lambda: serving(database, read_only=True) == standby.port)


def test_no_row_is_lost_or_doubled_when_the_primary_is_killed_in_mid_load(pair: tuple[Server, Server]) -> None:
    primary, standby = pair
    stop = threading.Event()
    kept: list[str] = []
    unknown: list[str] = []
    ingested: list[str] = []
    found: list[int] = []

    with RAG.connect(both(primary, standby), embedder=WordEmbedder(), patience=40) as rag:
        rag.store.run(lambda opened: opened.execute("CREATE TABLE mine (name text)"), tenant=None)
        ledger = PostgresLedger(rag.store)

        def write() -> None:
            """Rows that nothing keeps from being written twice."""
            while not stop.is_set():
                name = uuid.uuid4().hex
                try:
                    rag.store.run(
                        lambda opened, name=name: opened.execute("INSERT INTO mine VALUES (%s)", (name,)), tenant=None
                    )
                    kept.append(name)
                except CommitUnknown:
                    unknown.append(name)

        def meter() -> None:
            while not stop.is_set():
                call = Call(
                    call_id=uuid.uuid4().hex,
                    prompt_id="load",
                    attempt=1,
                    stage="embed",
                    model="m",
                    started_at=datetime.now(UTC),
                    cost=Decimal("0.01"),
                    price="test",
                )
                ledger.start(call)
                ledger.settle(replace(call, cost=Decimal("0.02"), status="done"))
                calls.append(call.call_id)

        def ingest() -> None:
            while not stop.is_set():
                name = f"doc-{len(ingested)}"
                report = rag.ingest([Document(name, f"Document {name} says that room {len(ingested)} is blue.")])
                assert not report.rejected
                ingested.append(name)

        def search() -> None:
            while not stop.is_set():
                found.append(len(rag.retrieve("Which room is blue?", k=3)))

        calls: list[str] = []
        with in_thread(write) as one, in_thread(meter) as two, in_thread(ingest) as three, in_thread(search) as four:
            try:
                until(lambda: min(len(kept), len(calls), len(ingested), len(found)) > 5)
                primary.kill()
                before = len(kept), len(calls), len(ingested), len(found)
                standby.promote()
                until(
                    lambda: all(
                        len(now) > then + 5 for now, then in zip((kept, calls, ingested, found), before, strict=True)
                    )
                )
            finally:
                stop.set()
        assert [*one, *two, *three, *four] == [None] * 4
        ledger.flush()

    with psycopg.connect(standby.dsn) as connection:
        rows = [row[0] for row in connection.execute("SELECT name FROM mine")]
        assert len(rows) == len(set(rows))
        assert set(kept) <= set(rows) <= set(kept) | set(unknown)
        settled = connection.execute("SELECT count(*), sum(cost) FROM ragdiet.call WHERE prompt_id = 'load'").fetchone()
        assert settled == (len(calls), Decimal("0.02") * len(calls))
        documents = connection.execute("SELECT external_id FROM ragdiet.document ORDER BY id").fetchall()
        assert [row[0] for row in documents] == ingested
        counted = connection.execute(
            "SELECT (SELECT count(*) FROM ragdiet.chunk), (SELECT count(*) FROM ragdiet.lexical), "
            "(SELECT chunks FROM ragdiet.corpus)"
        ).fetchone()
        assert counted == (len(ingested),) * 3


def test_a_commit_that_was_never_answered_is_repeated_only_where_that_does_no_harm(pair: tuple[Server, Server]) -> None:
    primary, standby = pair
    with closing(Database(both(primary, standby), timeout=40)) as database:
        database.run(lambda opened: opened.execute("CREATE TABLE mine (name text PRIMARY KEY)"), tenant=None)

        def plain() -> None:
            database.run(lambda opened: opened.execute("INSERT INTO mine VALUES ('plain')"), tenant=None)

        def keyed() -> None:
            database.run(
                lambda opened: opened.execute("INSERT INTO mine VALUES ('keyed') ON CONFLICT DO NOTHING"),
                repeatable=True,
                tenant=None,
            )

        standby.pause()  # commits wait for its word
        with in_thread(plain) as one, in_thread(keyed) as two, psycopg.connect(primary.dsn, autocommit=True) as look:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            until(lambda: look.execute(waiting).fetchone() == (2,))
            primary.kill()
            standby.resume()
            standby.promote()
        assert [type(each) for each in one] == [CommitUnknown]
        assert two == [None]
        names = database.run(lambda opened: opened.execute("SELECT name FROM mine").fetchall(), tenant=None)
        assert names.count(("keyed",)) == 1
        assert names.count(("plain",)) <= 1


def test_a_writer_that_hangs_is_left(pair: tuple[Server, Server]) -> None:
    primary, standby = pair
    with closing(Database(f"{both(primary, standby)} connect_timeout=2", timeout=20)) as database:
        assert serving(database, read_only=False) == primary.port
        primary.pause()
        try:
            standby.promote()
            began = time.monotonic()
            assert serving(database, read_only=False) == standby.port
            assert time.monotonic() - began < 12
        finally:
            primary.resume()


def test_a_writer_that_became_a_reader_is_left(pair: tuple[Server, Server]) -> None:
    primary, standby = pair
    with closing(Database(both(primary, standby), timeout=20)) as database:
        assert serving(database, read_only=False) == primary.port
        with psycopg.connect(primary.dsn, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            connection.execute("SELECT pg_reload_conf()")
        standby.promote()
        database.run(lambda opened: opened.execute("CREATE TABLE mine ()"), tenant=None)
        assert serving(database, read_only=False) == standby.port


def test_an_outage_is_waited_out_but_not_for_ever(made: Clusters) -> None:
    primary = made.primary()
    with closing(Database(primary.dsn, timeout=2)) as database:
        assert serving(database, read_only=False) == primary.port
        primary.kill()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{primary.port}.*refused.*check the address"):
            serving(database, read_only=True)
        assert 1.5 < time.monotonic() - began < 5
        with in_thread(lambda: serving(database, read_only=True)) as ended:
            primary.start()
        assert ended == [None]
        primary.pause()
        try:
            with pytest.raises(StoreNotReady, match=f"127.0.0.1:{primary.port}: nothing has answered yet"):
                serving(database, read_only=True)
        finally:
            primary.resume()


def test_a_server_that_wakes_up_is_waited_for(made: Clusters) -> None:
    primary = made.primary()
    dsn = f"{primary.dsn} connect_timeout=2"
    primary.pause()
    try:
        with pytest.raises(StoreNotReady, match="nothing answered in time"):
            Database(dsn, timeout=1)
        timer = threading.Timer(2.5, primary.resume)
        timer.start()
        with closing(Database(dsn, timeout=20)) as database:
            assert serving(database, read_only=False) == primary.port
        timer.join()
    finally:
        primary.resume()


def test_a_database_at_rest_holds_no_connection(made: Clusters) -> None:
    primary = made.primary()
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ragdiet'"
    with (
        closing(Database(primary.dsn, idle=0.2, timeout=5)) as database,
        psycopg.connect(primary.dsn, autocommit=True) as look,
    ):
        assert look.execute(ours).fetchone() == (0,)
        with database.transaction(tenant=None), database.transaction(tenant=None):
            assert look.execute(ours).fetchone() == (2,)
        until(lambda: look.execute(ours).fetchone() == (0,), 5)
        assert serving(database, read_only=False) == primary.port
