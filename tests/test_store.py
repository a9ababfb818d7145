"""The schema, who may change it, and what the driver's errors become."""

from __future__ import annotations

import threading

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ragdiet.errors import (
    InvalidArgument,
    SchemaMissing,
    SchemaOutdated,
    SchemaTooNew,
    SpaceMismatch,
    SpaceMissing,
    StoreError,
    StoreUnavailable,
)
from ragdiet.rag import RAG
from ragdiet.store import SCHEMA_VERSION, Database, migrate
from ragdiet.store.migrate import migrations_folder
from ragdiet.types import Document, Space
from tests.embedders import WordEmbedder

SPACE = WordEmbedder().space


def test_version_is_the_newest_migration() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA_VERSION


def test_migrations_make_the_declared_tables(dsn: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    from ragdiet.store.tables import SCHEMA, metadata

    def ours(name: str | None, kind: str, parents: object) -> bool:
        if kind == "schema":
            return name == SCHEMA
        return not (kind == "table" and str(name).startswith(("vector_", "sentence_", "alembic_")))

    # The test's role is called ragdiet too, which would make that schema its default one, without a name.
    plain = make_conninfo(dsn, options="-c search_path=public")
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(plain), poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_schemas": True, "include_name": ours, "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []


def test_downgrade_leaves_nothing(dsn: str) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool)
    with engine.begin() as connection:
        for space in (SPACE.name, "minilm_384"):
            connection.exec_driver_sql(f"DROP TABLE ragdiet.vector_{space}, ragdiet.sentence_{space} CASCADE")
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        left = connection.exec_driver_sql("SELECT relname FROM pg_class WHERE relnamespace = 'ragdiet'::regnamespace")
        assert {row[0] for row in left} == {"alembic_version", "alembic_version_pkc"}


def test_migrate_four_times_at_once(empty_dsn: str) -> None:
    results: list[object] = []

    def run() -> None:
        try:
            results.append(migrate(empty_dsn, SPACE))
        except Exception as error:  # noqa: BLE001 - collected for the assertion
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [SCHEMA_VERSION] * 4


def test_failed_migration_leaves_nothing(empty_dsn: str) -> None:
    with pytest.raises(SpaceMismatch):
        migrate(empty_dsn, SPACE, Space(name=SPACE.name, model="x", dimensions=8))
    with psycopg.connect(empty_dsn) as connection:
        assert connection.execute("SELECT to_regnamespace('ragdiet')").fetchone() == (None,)


def test_unmigrated_database_says_what_to_call(empty_dsn: str) -> None:
    store = Database(empty_dsn)
    rag = RAG(store, embedder=WordEmbedder())
    for call in (lambda: rag.ask("Anything?"), lambda: rag.retrieve("Anything?"), lambda: rag.ingest([]), rag.costs):
        with pytest.raises(SchemaMissing, match=r"rag\.migrate"):
            call()
    rag.migrate()
    assert rag.retrieve("Anything?") == ()
    store.close()


@pytest.mark.parametrize(("version", "error"), [("0000", SchemaOutdated), ("9999", SchemaTooNew)])
def test_schema_of_another_version(dsn: str, rag: RAG, version: str, error: type[Exception]) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE ragdiet.alembic_version SET version_num = %s", (version,))
    with pytest.raises(error):
        rag.ask("Anything?")
    if error is SchemaTooNew:
        with pytest.raises(SchemaTooNew, match="upgrade ragdiet"):
            rag.migrate()


def test_space_of_an_unknown_embedder(database: Database) -> None:
    with pytest.raises(SpaceMissing, match=r"rag\.migrate"):
        RAG(database, embedder=WordEmbedder(name="never_made")).ask("Anything?")


def test_space_of_other_dimensions(database: Database) -> None:
    rag = RAG(database, embedder=WordEmbedder(dimensions=32, name=SPACE.name))
    with pytest.raises(SpaceMismatch, match="another name"):
        rag.ask("Anything?")
    with pytest.raises(SpaceMismatch, match="another name"):
        rag.migrate()


def test_runtime_needs_no_ddl(server: object, dsn: str, database: Database) -> None:
    """A role with nothing but rows to read and write can ingest and ask, and cannot migrate."""
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP ROLE IF EXISTS runtime")
        connection.execute("CREATE ROLE runtime LOGIN")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    migrate(dsn, SPACE, runtime_role="runtime")
    store = Database(make_conninfo(dsn, user="runtime"))
    rag = RAG(store, embedder=WordEmbedder(name="words_64"))
    rag.ingest([Document("a", "The notice period is three months.")])
    rag.ingest([Document("a", "The notice period is four months."), Document("b", "Trains are fast.")], sync=True)
    assert rag.retrieve("notice period")[0].text == "The notice period is four months."
    other = RAG(store, embedder=WordEmbedder(name="new_space"))
    with pytest.raises(StoreError, match="owner"):
        other.migrate()
    store.close()
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP OWNED BY runtime")
        connection.execute("DROP ROLE runtime")


@pytest.mark.parametrize(
    ("condition", "error", "advice"),
    [
        ("disk_full", StoreError, "nothing of this batch was kept"),
        ("out_of_memory", StoreError, "nothing of this batch was kept"),
        ("read_only_sql_transaction", StoreError, "cannot write"),
        ("insufficient_privilege", StoreError, "grant it"),
        ("undefined_table", SchemaMissing, r"rag\.migrate"),
        ("untranslatable_character", InvalidArgument, "remove NUL"),
        ("admin_shutdown", StoreUnavailable, "call again"),
        ("too_many_connections", StoreUnavailable, "call again"),
        ("deadlock_detected", StoreUnavailable, "call again"),
        ("unique_violation", StoreError, "refused"),
    ],
)
def test_errors_of_the_database_say_what_to_do(
    database: Database, condition: str, error: type[Exception], advice: str
) -> None:
    with pytest.raises(error, match=advice), database.transaction(tenant=None) as connection:
        connection.execute(f"DO $$ BEGIN RAISE EXCEPTION 'scripted' USING ERRCODE = '{condition}'; END $$")
    with database.transaction(tenant=None) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_refused_connection_is_told_at_once() -> None:
    with pytest.raises(StoreUnavailable, match="check the address"):
        Database("host=127.0.0.1 port=1 connect_timeout=2")


def test_malformed_dsn() -> None:
    with pytest.raises(InvalidArgument, match="percent-encoded"):
        Database("this is = not = a dsn")


def test_closed_rag_says_so(dsn: str) -> None:
    store = Database(dsn)
    rag = RAG(store, embedder=WordEmbedder())
    rag.close()
    rag.close()
    with pytest.raises(StoreUnavailable, match="open another"):
        rag.ask("Anything?")


def test_rows_of_the_last_schema_are_upgraded(empty_dsn: str) -> None:
    """A database of schema 0002 with two tenants' rows: each row of 0003 names its corpus."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(empty_dsn), poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE EXTENSION vector")
        connection.exec_driver_sql("CREATE SCHEMA ragdiet")
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.exec_driver_sql(ROWS_OF_0002)
    assert migrate(empty_dsn, SPACE) == SCHEMA_VERSION
    with psycopg.connect(empty_dsn) as connection:
        for table in ("chunk", "sentence_words_64", "lexical", "vector_words_64"):
            key = "id" if table == "chunk" else "chunk_id"
            found = connection.execute(f"SELECT {key}, corpus_id FROM ragdiet.{table} ORDER BY 1").fetchall()  # type: ignore[call-overload]
            assert found == [(101, 1), (102, 2), (103, 2)], table
        assert connection.execute("SELECT DISTINCT language FROM ragdiet.corpus").fetchall() == [("english",)]
        keys = connection.execute("SELECT * FROM ragdiet.metadata_key ORDER BY corpus_id, of_chunks, key").fetchall()
        assert keys == [
            (1, "year", "number", False),
            (1, "page", "number", True),
            (2, "year", "string", False),
            (2, "page", "number", True),
        ]
        # Vectors that no chunk holds might be any tenant's.
        assert connection.execute("SELECT count(*) FROM ragdiet.embedding_cache").fetchone() == (0,)
    rag = RAG(Database(empty_dsn), embedder=WordEmbedder())
    assert [hit.text for hit in rag.retrieve("anything", tenant="b")] == ["two", "three"]
    rag.ingest([Document("y", "two")], tenant="b", sync=True)
    assert [hit.text for hit in rag.retrieve("anything", tenant="b")] == ["two"]
    rag.close()


ROWS_OF_0002 = """
    INSERT INTO ragdiet.space VALUES ('words_64', 'test:words', 64, 0.5, 'active');
    CREATE TABLE ragdiet.vector_words_64 (
        chunk_id bigint PRIMARY KEY REFERENCES ragdiet.chunk ON DELETE CASCADE,
        corpus_id integer NOT NULL REFERENCES ragdiet.corpus ON DELETE CASCADE, embedding halfvec(64) NOT NULL);
    CREATE TABLE ragdiet.sentence_words_64 (
        chunk_id bigint PRIMARY KEY REFERENCES ragdiet.chunk ON DELETE CASCADE, embeddings halfvec(64)[] NOT NULL);
    INSERT INTO ragdiet.corpus (tenant, collection, chunks, total_length, average_length)
    VALUES ('', 'default', 1, 1, 1), ('b', 'default', 2, 2, 1);
    INSERT INTO ragdiet.document (id, corpus_id, external_id, content_hash, pipeline, meta) OVERRIDING SYSTEM VALUE
    VALUES (11, 1, 'x', '', '', '{"year": 2020}'), (12, 2, 'y', '', '', '{"year": "2021"}');
    INSERT INTO ragdiet.chunk (id, document_id, ordinal, text, hash, tokens, start_offset, end_offset, meta, sentences)
    OVERRIDING SYSTEM VALUE
    VALUES (101, 11, 0, 'one', 'a', 1, 0, 3, '{"page": 1}', '{0,3}'),
           (102, 12, 0, 'two', 'b', 1, 0, 3, '{"page": 1}', '{0,3}'),
           (103, 12, 1, 'three', 'c', 1, 0, 5, '{}', '{0,5}');
    INSERT INTO ragdiet.lexical SELECT id, document_id - 10, 1, '{1}', '{1:0.5}/1000000000' FROM ragdiet.chunk;
    INSERT INTO ragdiet.term VALUES (1, 1, 1), (2, 1, 2);
    INSERT INTO ragdiet.vector_words_64
    SELECT id, document_id - 10, array_fill(1, ARRAY[64])::halfvec FROM ragdiet.chunk;
    INSERT INTO ragdiet.sentence_words_64
    SELECT id, ARRAY[array_fill(1, ARRAY[64])::halfvec] FROM ragdiet.chunk;
    INSERT INTO ragdiet.embedding_cache (space, hash, embedding)
    VALUES ('words_64', 'z', array_fill(1, ARRAY[64])::halfvec);
"""
