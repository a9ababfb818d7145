"""The doctor: each fault is made for real, seen, mended by the very commands that it prints, and seen to be gone."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.conninfo import make_conninfo

from ragdiet.chunk import FixedChunker
from ragdiet.cli import main
from ragdiet.doctor import Diagnosis, Finding, gather, server, tenants, upkeep
from ragdiet.doctor.diagnose import _Reader
from ragdiet.doctor.facts import Corpus, Unread
from ragdiet.doctor.search import recall
from ragdiet.embed import MiniLM
from ragdiet.errors import InvalidArgument
from ragdiet.quality import Quality
from ragdiet.rag import RAG
from ragdiet.store import SCHEMA_VERSION, Database
from ragdiet.store.embedded import EmbeddedServer
from ragdiet.store.migrate import migrations_folder
from ragdiet.types import Document
from tests.conftest import create_database, database_dsn
from tests.embedders import WordEmbedder

COMMAND = str(Path(sys.executable).with_name("ragdiet"))
TEXTS = (
    "The notice period is three months for permanent staff.",
    "Trains are booked through the travel desk, planes are not.",
    "The coffee machine is descaled every second Friday.",
)
HNSW = "vector_words_64_hnsw"


def cli(dsn: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RAGDIET_DATABASE": dsn}
    return subprocess.run([COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=120)


def spoil(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def mend(dsn: str, findings: tuple[Finding, ...], source: str = "") -> None:
    """Run the commands: SQL in one session, command lines in this process, which is quicker than one each."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for command in Diagnosis(findings=findings).mend:
            if command.startswith("ragdiet "):
                arguments = shlex.split(command.replace("SOURCE", source))[1:]
                done = CliRunner().invoke(main, arguments, env={"RAGDIET_DATABASE": dsn})
                assert done.exit_code == 0, done.stderr
            else:
                connection.execute(command.encode())


def faults(diagnosis: Diagnosis) -> list[str]:
    return [f"{finding.check}: {finding.what}" for finding in diagnosis.findings if finding.status != "ok"]


def fault(diagnosis: Diagnosis, check: str, says: str, status: str = "fail") -> None:
    """There is that finding, and a command that mends it."""
    found = [finding for finding in diagnosis.of(check) if says in finding.what]
    assert [(finding.status, bool(finding.mend)) for finding in found] == [(status, True)], diagnosis.findings


@pytest.fixture
def filled(rag: RAG) -> RAG:
    rag.ingest([Document(f"d{number}", text) for number, text in enumerate(TEXTS)])
    assert faults(rag.doctor()) == []
    return rag


@pytest.fixture(scope="module")
def large_template(server: EmbeddedServer, template: str) -> str:
    """12,000 chunks in one collection: so many that the HNSW index serves."""
    create_database(server, "template_large", template)
    words = [f"{a}{b}{c}" for a in "bdfgklmn" for b in "aeiou" for c in ("rt", "lk", "nd", "st", "mp", "x")]
    chance = random.Random(7)
    store = Database(database_dsn(server, "template_large"))
    rag = RAG(
        store,
        embedder=WordEmbedder(),
        chunker=FixedChunker(size=24),
        quality=Quality.off(),
    )
    rag.ingest(
        Document(f"d{number}", " ".join(chance.choice(words) for _ in range(4_000)), title=None) for number in range(38)
    )
    store.close()
    return "template_large"


@pytest.fixture
def large(server: EmbeddedServer, large_template: str) -> Iterator[tuple[RAG, str]]:
    name = f"large_{time.monotonic_ns()}"
    create_database(server, name, large_template)
    dsn = database_dsn(server, name)
    spoil(dsn, "ANALYZE")
    store = Database(dsn)
    yield RAG(store, embedder=WordEmbedder()), dsn
    store.close()
    spoil(server.dsn, f"DROP DATABASE {name} WITH (FORCE)")


def test_an_empty_and_a_filled_store_are_healthy(rag: RAG, handbook: Path) -> None:
    assert faults(rag.doctor()) == []
    rag.ingest(handbook)
    diagnosis = rag.doctor()
    assert faults(diagnosis) == []
    assert (diagnosis.status, diagnosis.mend) == ("ok", ())
    assert len({finding.check for finding in diagnosis.findings}) == len(diagnosis.findings) == 18


def test_a_large_store_is_healthy(large: tuple[RAG, str]) -> None:
    diagnosis = large[0].doctor()
    assert faults(diagnosis) == []
    assert diagnosis.of("recall")[0].what.endswith("in default (50 questions, ef_search 200)")


def test_the_doctor_writes_nothing(filled: RAG, database: Database) -> None:
    with database.dedicated() as connection:
        reader = _Reader(connection)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.read(lambda inside: inside.execute("DELETE FROM ragdiet.term"))


def test_the_doctor_does_not_wait(filled: RAG, dsn: str) -> None:
    with psycopg.connect(dsn) as other:
        other.execute("LOCK TABLE ragdiet.chunk")
        began = time.monotonic()
        (counted,) = filled.doctor().of("statistics")
        assert time.monotonic() - began < 30
    assert (counted.status, counted.what) == ("ok", "not counted: a table is locked by another session")


@pytest.mark.parametrize(
    ("statements", "says", "status"),
    [
        (["DROP INDEX ragdiet.lexical_terms"], "lexical_terms on lexical is missing", "fail"),
        (["ALTER TABLE ragdiet.lexical DROP CONSTRAINT lexical_pkey"], "lexical_pkey on lexical is missing", "fail"),
        (
            ["ALTER TABLE ragdiet.corpus DROP CONSTRAINT corpus_tenant_collection_key"],
            "corpus_tenant_collection_key on corpus is missing",
            "fail",
        ),
        (
            ["DROP INDEX ragdiet.document_meta", "CREATE INDEX document_meta ON ragdiet.document USING gin (meta)"],
            "operators of jsonb_ops, the searches need jsonb_path_ops",
            "fail",
        ),
        (
            [
                f"DROP INDEX ragdiet.{HNSW}",
                f"CREATE INDEX {HNSW} ON ragdiet.vector_words_64 USING hnsw (embedding halfvec_l2_ops)",
            ],
            "operators of halfvec_l2_ops, the searches need halfvec_cosine_ops",
            "fail",
        ),
        (
            [
                f"DROP INDEX ragdiet.{HNSW}",
                f"CREATE INDEX {HNSW} ON ragdiet.vector_words_64 USING ivfflat (embedding halfvec_cosine_ops)",
            ],
            "is ivfflat over vector_words_64 (embedding), not hnsw",
            "fail",
        ),
        (
            ["DROP INDEX ragdiet.lexical_corpus", "CREATE INDEX lexical_corpus ON ragdiet.lexical (length)"],
            "is btree over lexical (length), not btree over lexical (corpus_id)",
            "fail",
        ),
        (
            [f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ragdiet.{HNSW}'::regclass"],
            f"{HNSW} is invalid",
            "fail",
        ),
        (
            [
                f"DROP INDEX ragdiet.{HNSW}",
                f"CREATE INDEX {HNSW} ON ragdiet.vector_words_64 USING hnsw (embedding halfvec_cosine_ops) "
                "WITH (m = 4, ef_construction = 16)",
            ],
            "was built with m = 4, ef_construction = 16, not m = 16, ef_construction = 128",
            "warn",
        ),
    ],
)
def test_indexes(filled: RAG, dsn: str, statements: list[str], says: str, status: str) -> None:
    spoil(dsn, *statements)
    diagnosis = filled.doctor()
    fault(diagnosis, "indexes", says, status)
    mend(dsn, diagnosis.of("indexes"))
    assert faults(filled.doctor()) == []


def test_an_index_left_invalid_by_a_build_that_failed(filled: RAG, dsn: str) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        spoil(dsn, 'CREATE UNIQUE INDEX CONCURRENTLY "Left over" ON ragdiet.chunk (corpus_id)')
    diagnosis = filled.doctor()
    fault(diagnosis, "indexes", "Left over on chunk is invalid", "warn")
    mend(dsn, diagnosis.of("indexes"))
    assert faults(filled.doctor()) == []


def test_indexes_that_nobody_uses(large: tuple[RAG, str]) -> None:
    from ragdiet.doctor.indexes import indexes

    rag, dsn = large
    spoil(
        dsn,
        "CREATE INDEX of_somebody ON ragdiet.chunk (text, (text || 'x'), hash, (hash::text)) WITH (fillfactor = 10)",
        "CREATE INDEX small ON ragdiet.chunk (tokens)",
    )
    with psycopg.connect(dsn) as connection:
        about = gather.server(connection)
        there = gather.indexes(connection)
        declared = gather.declared_indexes(gather.schema(connection, SCHEMA_VERSION).spaces)
    dimensions = {"vector_words_64": 64, "vector_minilm_384": 384}

    def unused(counted_days: float) -> tuple[Finding, ...]:
        found = indexes(
            declared, there, replace(about, counted_days=counted_days), chunks=12_000, dimensions=dimensions
        )
        return tuple(each for each in found if "was not used in 30 days" in each.what)

    assert unused(1) == ()
    assert [(each.what.split()[0], len(each.mend)) for each in unused(30)] == [("of_somebody", 1)]
    mend(dsn, unused(30))
    assert faults(rag.doctor()) == []


def test_a_large_collection_without_its_graph(large: tuple[RAG, str]) -> None:
    rag, dsn = large
    spoil(dsn, f"DROP INDEX ragdiet.{HNSW}")
    diagnosis = rag.doctor()
    fault(diagnosis, "indexes", f"{HNSW} on vector_words_64 is missing")
    assert "a search compares every vector" in diagnosis.of("plans")[0].what
    mend(dsn, diagnosis.findings)
    assert faults(rag.doctor()) == []


def test_plans_that_use_no_index(large: tuple[RAG, str]) -> None:
    rag, dsn = large
    spoil(
        dsn,
        f"DROP INDEX ragdiet.{HNSW}, ragdiet.lexical_terms",
        f"CREATE INDEX {HNSW} ON ragdiet.vector_words_64 USING hnsw (embedding halfvec_l2_ops)",
    )
    diagnosis = rag.doctor()
    assert [finding.what for finding in diagnosis.of("plans")] == [
        f"the vector search does not use {HNSW} (default: {chunks(dsn):,} chunks)",
        f"the keyword search does not use lexical_terms (default: {chunks(dsn):,} chunks)",
    ]
    mend(dsn, diagnosis.findings)
    assert faults(rag.doctor()) == []


def test_a_table_read_from_end_to_end(large: tuple[RAG, str]) -> None:
    rag, dsn = large
    spoil(dsn, "ALTER TABLE ragdiet.chunk DROP CONSTRAINT chunk_pkey CASCADE")
    diagnosis = rag.doctor()
    assert f"a search reads all of chunk (default: {chunks(dsn):,} chunks)" in diagnosis.of("plans")[0].what
    mend(dsn, diagnosis.findings)
    assert faults(rag.doctor()) == []


def test_recall_of_a_poor_graph(large: tuple[RAG, str]) -> None:
    rag, dsn = large
    spoil(
        dsn,
        f"DROP INDEX ragdiet.{HNSW}",
        f"CREATE INDEX {HNSW} ON ragdiet.vector_words_64 USING hnsw (embedding halfvec_cosine_ops) "
        "WITH (m = 2, ef_construction = 4)",
    )
    (finding,) = rag.doctor().of("recall")
    assert (finding.status, finding.mend) == ("warn", ())  # the finding about the index has the commands
    spoil(dsn, f"ALTER INDEX ragdiet.{HNSW} SET (m = 16, ef_construction = 128)")  # the graph stays as it is
    diagnosis = rag.doctor()
    fault(diagnosis, "recall", "of the 10 nearest are found in default", "warn")
    mend(dsn, diagnosis.findings)
    assert faults(rag.doctor()) == []
    assert float(rag.doctor().of("recall")[0].what.split()[0]) >= 0.99


def test_what_is_too_large_to_measure_is_said() -> None:
    (finding,) = recall([Unread(reason="an exact search of huge takes too long")], None)
    assert (finding.status, finding.what) == ("ok", "not measured: an exact search of huge takes too long")


def test_an_extension_that_was_left_behind(filled: RAG, dsn: str) -> None:
    for version, status, says in (("0.8.0", "warn", "though the server has"), ("0.7.4", "fail", "no iterative scans")):
        spoil(dsn, f"UPDATE pg_extension SET extversion = '{version}' WHERE extname = 'vector'")
        diagnosis = filled.doctor()
        fault(diagnosis, "extension", says, status)
        if version == "0.8.0":  # the scripts from 0.7 on would make what is there already
            mend(dsn, diagnosis.of("extension"))
            assert faults(filled.doctor()) == []


def test_old_and_strange_servers(database: Database) -> None:
    with database.dedicated() as connection:
        about = gather.server(connection)
    assert server.version(about).status == "ok"
    assert server.version(replace(about, version_number=140_011)).status == "fail"
    aurora = replace(about, aurora="17.4.0", shared_buffers=2**20)
    assert "Aurora 17.4.0" in server.version(aurora).what
    assert aurora.cache == 2**20
    assert server.extension(replace(about, vector=None)).mend == ("CREATE EXTENSION vector",)
    assert server.extension(replace(about, vector=None, vector_available=None)).mend == ()


def test_never_migrated(empty_dsn: str) -> None:
    store = Database(empty_dsn)
    rag = RAG(store, embedder=MiniLM())
    diagnosis = rag.doctor()
    fault(diagnosis, "schema", "has no ragdiet schema")
    fault(diagnosis, "extension", "not installed")
    mend(empty_dsn, diagnosis.findings)
    assert faults(rag.doctor()) == []
    store.close()


def downgrade(dsn: str) -> None:
    """Take the newest migration back."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "-1")


def test_schema_of_another_version(filled: RAG, dsn: str) -> None:
    spoil(dsn, "UPDATE ragdiet.alembic_version SET version_num = '9999'")
    (finding,) = filled.doctor().of("schema")
    assert (finding.status, finding.mend) == ("fail", ())
    assert "upgrade ragdiet" in finding.what
    spoil(dsn, f"UPDATE ragdiet.alembic_version SET version_num = '{SCHEMA_VERSION}'")
    downgrade(dsn)
    diagnosis = filled.doctor()
    fault(diagnosis, "schema", f"this ragdiet needs {SCHEMA_VERSION}")
    mend(dsn, diagnosis.findings)
    assert faults(filled.doctor()) == []


def test_a_space_without_its_table(database: Database, dsn: str, minilm: MiniLM) -> None:
    rag = RAG(database, embedder=minilm)
    spoil(dsn, "DROP TABLE ragdiet.vector_minilm_384 CASCADE")
    diagnosis = rag.doctor()
    fault(diagnosis, "spaces", "has no table vector_minilm_384")
    mend(dsn, diagnosis.findings)
    assert faults(rag.doctor()) == []


def test_a_space_that_was_never_made(database: Database) -> None:
    diagnosis = RAG(database, embedder=WordEmbedder(name="never_made")).doctor()
    fault(diagnosis, "spaces", "there is no space 'never_made' yet, that of test:words")
    assert diagnosis.of("spaces")[0].mend == ("ragdiet migrate",)


def test_a_space_of_other_dimensions(filled: RAG, database: Database, dsn: str) -> None:
    (finding,) = RAG(database, embedder=WordEmbedder(dimensions=32)).doctor().of("spaces")
    assert "holds 64 dimensions of test:words, not 32" in finding.what
    spoil(dsn, "UPDATE ragdiet.space SET dimensions = 65, state = 'building' WHERE name = 'words_64'")
    diagnosis = filled.doctor()
    fault(diagnosis, "spaces", "have 64 dimensions, not 65")
    assert any("'words_64' is still being built" in finding.what for finding in diagnosis.of("spaces"))
    mend(dsn, diagnosis.of("spaces"))
    spoil(dsn, "UPDATE ragdiet.space SET state = 'active'")
    assert faults(filled.doctor()) == []


def state(dsn: str) -> list[list[tuple[object, ...]]]:
    """All that BM25 reads."""
    with psycopg.connect(dsn) as connection:
        return [
            connection.execute(query).fetchall()
            for query in (
                "SELECT chunks, total_length, average_length FROM ragdiet.corpus ORDER BY id",
                "SELECT * FROM ragdiet.term ORDER BY 1, 2",
                "SELECT chunk_id, weights::text FROM ragdiet.lexical ORDER BY 1",
            )
        ]


def chunks(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM ragdiet.chunk").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE ragdiet.corpus SET chunks = chunks + 5", "8 chunks noted, 3 counted"),
        ("UPDATE ragdiet.corpus SET total_length = total_length * 2", "terms noted"),
        ("UPDATE ragdiet.term SET df = df + 3", "frequencies are wrong"),
        ("DELETE FROM ragdiet.term", "frequencies are wrong"),
        ("INSERT INTO ragdiet.term SELECT corpus_id, term % 7 + 1, 1 FROM ragdiet.term LIMIT 1", "1 of"),
        ("UPDATE ragdiet.corpus SET average_length = average_length * 3", "weights of 3 of 3 chunks are wrong"),
    ],
)
def test_statistics(filled: RAG, dsn: str, statement: str, says: str) -> None:
    filled.ingest([Document("other", "Another collection, which stays as it is.")], collection="other")
    before = state(dsn)
    spoil(dsn, statement)
    diagnosis = filled.doctor()
    assert any(says in finding.what for finding in diagnosis.of("statistics")), diagnosis.findings
    assert {finding.status for finding in diagnosis.of("statistics")} == {"fail"}
    mend(dsn, diagnosis.of("statistics"))
    assert faults(filled.doctor()) == []
    assert state(dsn) == before


def test_a_space_while_it_is_built_and_when_it_is_retired(filled: RAG, database: Database, dsn: str) -> None:
    other = RAG(database, embedder=WordEmbedder(32, "other"))
    filled.reembed(other.embedder, gate=lambda old, new: False)
    spoil(dsn, "DROP INDEX ragdiet.vector_other_hnsw")  # as a large build does, until its end
    assert faults(filled.doctor()) == [
        "spaces: space 'other' is still being built, and not searched: call reembed with the embedder of test:words "
        "to go on, or retire the space"
    ]
    filled.retire_space("other")
    assert faults(filled.doctor()) == []
    assert "other" not in filled.doctor().of("spaces")[0].what
    assert [finding.status for finding in other.doctor().of("spaces") if "was retired" in finding.what] == ["fail"]


def test_weights_of_an_average_that_has_moved(filled: RAG, database: Database, dsn: str) -> None:
    from ragdiet.store.documents import DocumentStore

    filled.ingest([Document("long", " ".join(f"word{number}" for number in range(100)))])
    DocumentStore(database, filled.space, tenant="").delete(1, ["long"])  # without the ingest that would weigh anew
    diagnosis = filled.doctor()
    fault(diagnosis, "statistics", "than the average that their weights were made with", "warn")
    mend(dsn, diagnosis.findings)
    assert faults(filled.doctor()) == []


def test_statistics_of_a_collection_that_is_not_there(filled: RAG, dsn: str) -> None:
    with pytest.raises(InvalidArgument, match="there is no collection 'nowhere'"):
        filled.rebuild_statistics("nowhere")
    done = cli(dsn, "--collection", "nowhere", "rebuild-statistics")
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize(("table", "says"), [("vector_minilm_384", "no vector in"), ("lexical", "have no terms")])
def test_half_built_collections(
    database: Database, dsn: str, minilm: MiniLM, handbook: Path, table: str, says: str
) -> None:
    rag = RAG(database, embedder=minilm)
    rag.ingest(handbook)
    spoil(dsn, f"DELETE FROM ragdiet.{table} WHERE chunk_id % 2 = 1")
    diagnosis = rag.doctor()
    fault(diagnosis, "completeness", says)
    mend(dsn, diagnosis.findings, str(handbook))
    assert faults(rag.doctor()) == []
    assert rag.retrieve("notice period")[0].document_id == "leaving.md"


def test_autovacuum_off(filled: RAG, dsn: str) -> None:
    spoil(dsn, "ALTER TABLE ragdiet.lexical SET (autovacuum_enabled = off)")
    fault(filled.doctor(), "vacuum", "autovacuum is off for lexical", "warn")
    mend(dsn, filled.doctor().of("vacuum"))
    assert faults(filled.doctor()) == []
    try:
        spoil(dsn, "ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()", "SELECT pg_sleep(0.3)")
        diagnosis = filled.doctor()
        fault(diagnosis, "vacuum", "autovacuum is off: ")
        mend(dsn, diagnosis.of("vacuum"))
        spoil(dsn, "SELECT pg_sleep(0.3)")
        assert faults(filled.doctor()) == []
    finally:
        spoil(dsn, "ALTER SYSTEM RESET autovacuum", "ALTER SYSTEM RESET track_counts", "SELECT pg_reload_conf()")


def test_dead_rows_and_tables_never_analyzed(large: tuple[RAG, str]) -> None:
    rag, dsn = large
    spoil(
        dsn,
        "ALTER TABLE ragdiet.term SET (autovacuum_enabled = off)",
        "INSERT INTO ragdiet.term SELECT 1, -number, 1 FROM generate_series(1, 20000) AS number",
        "DELETE FROM ragdiet.term WHERE term < 0",
        "CREATE TABLE ragdiet.fresh AS SELECT generate_series(1, 20000)",
        "ALTER TABLE ragdiet.fresh SET (autovacuum_enabled = off)",
        "SELECT pg_stat_force_next_flush()",
    )
    diagnosis = rag.doctor()
    assert any(re.search(r"20,\d{3} rows of term are dead \(99%\)", each) for each in faults(diagnosis))
    fault(diagnosis, "vacuum", "fresh (20,000 rows) was never analyzed", "warn")
    mend(dsn, diagnosis.of("vacuum"))
    assert faults(rag.doctor()) == []


def test_the_cache_is_too_small(large: tuple[RAG, str]) -> None:
    _, dsn = large
    with psycopg.connect(dsn) as connection:
        about, tables, indexes = gather.server(connection), gather.tables(connection), gather.indexes(connection)
    assert list(upkeep.cache(tables, indexes, about)) == []
    small = replace(about, shared_buffers=2**20, effective_cache_size=2**20)
    (finding,) = upkeep.cache(tables, indexes, small)
    assert "the server has 1 MB of cache" in finding.what
    (finding,) = upkeep.cache(tables, indexes, replace(small, aurora="17.4", effective_cache_size=2**40))
    assert "larger instance class" in finding.what
    cold = [replace(table, heap_hits=10_000, heap_reads=90_000) for table in tables]
    (finding,) = upkeep.cache(cold, indexes, about)
    assert "of the pages come from shared_buffers" in finding.what


def test_memory_to_build_the_graph(large: tuple[RAG, str], server: EmbeddedServer) -> None:
    rag, dsn = large
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    spoil(
        dsn,
        f"ALTER DATABASE {name} SET effective_cache_size = '8MB'",
        f"ALTER DATABASE {name} SET maintenance_work_mem = '1MB'",
        f"DROP INDEX ragdiet.{HNSW}",
    )
    try:
        diagnosis = rag.doctor()
        fault(diagnosis, "memory", "/dev/shm", "warn")
        fault(diagnosis, "indexes", "is missing")
        assert diagnosis.of("indexes")[0].mend[0].startswith("SET maintenance_work_mem = '")
        mend(dsn, diagnosis.findings)
        assert rag.doctor().of("memory")[0].status == "ok"
        assert rag.doctor().of("indexes")[0].status == "ok"
    finally:
        spoil(server.dsn, "ALTER ROLE ragdiet RESET maintenance_work_mem")


def test_a_pool_that_the_server_has_no_room_for(dsn: str) -> None:
    store = Database(dsn, max_size=1_000)
    (finding,) = RAG(store, embedder=WordEmbedder()).doctor().of("connections")
    assert finding.status == "fail"
    assert "the pool may open 1000" in finding.what
    with store.dedicated() as connection:
        (full,) = server.connections(replace(gather.server(connection), connections=90), pool=10)
    assert full.status == "warn"
    store.close()


def test_transactions_left_open(filled: RAG, dsn: str) -> None:
    idle = psycopg.connect(dsn)
    with psycopg.connect(dsn, autocommit=True) as look:
        idle.execute("SELECT pg_current_xact_id()")
        about = gather.server(look)
        assert list(server.sessions(gather.sessions(look), about)) == []
        (finding,) = server.sessions(gather.sessions(look), about, idle_after=0)
        assert f"process {idle.info.backend_pid} (ragdiet) has been idle in a transaction" in finding.what
        (finding,) = server.sessions(gather.sessions(look), about, old_after=0)
        assert "has been in one transaction" in finding.what
        (session,) = gather.sessions(look)
        (prepared,) = server.sessions([replace(session, prepared="it's", age=10_000)], about)
        assert prepared.mend == ("ROLLBACK PREPARED 'it''s'",)
        mend(dsn, (finding,))
        time.sleep(0.2)
        assert gather.sessions(look) == ()
    idle.close()
    assert faults(filled.doctor()) == []


def test_the_embedding_cache_is_never_pruned(filled: RAG, dsn: str) -> None:
    filled.ingest([Document("d0", "Another text altogether.")])
    spoil(dsn, "UPDATE ragdiet.embedding_cache SET cached_at = now() - interval '90 days'")
    diagnosis = filled.doctor()
    fault(diagnosis, "embedding cache", "the oldest 90 days old", "warn")
    mend(dsn, diagnosis.findings)
    assert faults(filled.doctor()) == []


def test_calls_never_settled_and_documents_overdue(filled: RAG, dsn: str) -> None:
    filled.ask("How long is the notice period?")
    spoil(
        dsn,
        "UPDATE ragdiet.call SET status = 'started', cost = 0.25, started_at = now() - interval '2 hours'",
        "UPDATE ragdiet.document SET expires_at = now() - interval '1 day' WHERE external_id = 'd1'",
        "UPDATE ragdiet.corpus SET next_expiry = now() - interval '1 day'",
    )
    diagnosis = filled.doctor()
    fault(diagnosis, "ledger", "never settled", "warn")
    fault(diagnosis, "expiry", "1 expired documents", "warn")
    mend(dsn, diagnosis.findings)
    assert {finding.status for finding in filled.doctor().findings if finding.check in ("ledger", "expiry")} == {"ok"}


@pytest.fixture
def role(dsn: str) -> Iterator[str]:
    """A role that owns nothing; the one of the doctor's commands is dropped with it."""
    spoil(dsn, "CREATE ROLE stranger LOGIN")
    yield "stranger"
    with psycopg.connect(dsn, autocommit=True) as connection:
        for name in ("stranger", "ragdiet_app"):
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).fetchone() is not None:
                connection.execute(f"DROP OWNED BY {name}".encode())
                connection.execute(f"DROP ROLE {name}".encode())


def test_a_role_without_rights(filled: RAG, dsn: str, role: str) -> None:
    store = Database(make_conninfo(dsn, user=role))
    rag = RAG(store, embedder=WordEmbedder())
    diagnosis = rag.doctor()
    fault(diagnosis, "schema", "permission denied for schema ragdiet to stranger", "warn")
    mend(dsn, diagnosis.of("schema"))
    diagnosis = rag.doctor()
    assert "its tables belong to ragdiet" in diagnosis.of("schema")[0].what
    assert faults(diagnosis) == ["sessions: stranger may not see what other roles do"]
    mend(dsn, diagnosis.findings)
    assert faults(rag.doctor()) == []
    spoil(dsn, "REVOKE SELECT ON ragdiet.call FROM stranger")
    fault(rag.doctor(), "ledger", "permission denied for table call to stranger", "warn")
    store.close()


def test_tenants(filled: RAG, dsn: str, role: str) -> None:
    filled.ingest([Document("a", "Of another tenant.")], tenant="it's")
    spoil(dsn, "ALTER TABLE ragdiet.chunk DISABLE ROW LEVEL SECURITY")
    diagnosis = filled.doctor()
    assert [finding.status for finding in diagnosis.of("tenants")] == ["fail", "warn"]
    assert "2 tenants, and ragdiet passes by every policy" in diagnosis.of("tenants")[1].what
    mend(dsn, diagnosis.of("tenants"))
    store = Database(make_conninfo(dsn, user="ragdiet_app"))
    bound = RAG(store, embedder=WordEmbedder(), tenant="it's").doctor()
    assert faults(bound) == ["sessions: ragdiet_app may not see what other roles do"]
    assert bound.of("tenants")[0].what == "ragdiet_app is held to one by row-level security"
    assert bound.of("statistics")[0].what == "as counted; 1 chunks in 1 collection"
    with store.dedicated() as connection:
        about, found = gather.server(connection), gather.schema(connection, SCHEMA_VERSION)
        (finding,) = tenants.tenants(about, replace(found, is_owner=True), gather.tables(connection), 2)
        assert "owns the tables" in finding.what
    store.close()


def test_the_role_of_the_application_counts_its_collection_anew(filled: RAG, dsn: str, role: str) -> None:
    filled.migrate(runtime_role=role)
    before = state(dsn)
    spoil(dsn, "DELETE FROM ragdiet.term", "UPDATE ragdiet.corpus SET average_length = 3")
    store = Database(make_conninfo(dsn, user=role))
    rag = RAG(store, embedder=WordEmbedder())
    assert rag.doctor().of("statistics")[0].status == "fail"
    rag.rebuild_statistics()
    assert rag.doctor().of("statistics")[0].status == "ok"
    assert state(dsn) == before
    store.close()


def test_commands_name_their_collection(filled: RAG, dsn: str) -> None:
    filled.ingest([Document("a", "Of another tenant.")], tenant="it's", collection="my books")
    spoil(dsn, "UPDATE ragdiet.corpus SET chunks = 9 WHERE tenant <> ''")
    diagnosis = filled.doctor()
    assert diagnosis.of("statistics")[0].what.startswith("it's/my books: 9 chunks noted, 1 counted")
    mend(dsn, diagnosis.of("statistics"))
    assert filled.doctor().of("statistics")[0].status == "ok"


def test_the_command_line(filled: RAG, dsn: str, tmp_path: Path) -> None:
    healthy = cli(dsn, "doctor")
    assert (healthy.returncode, healthy.stderr) == (0, "")
    lines = healthy.stdout.splitlines()
    assert len(lines) == 18
    assert all(line.startswith("ok    ") for line in lines)
    assert len({line.index(line[22:].split()[0], 22) for line in lines}) == 1  # aligned
    spoil(dsn, "ALTER TABLE ragdiet.lexical SET (autovacuum_enabled = off)")
    warned = cli(dsn, "doctor")
    assert warned.returncode == 0
    assert warned.stdout.endswith(
        '\nTo mend it, in this order:\nALTER TABLE ragdiet."lexical" RESET (autovacuum_enabled)\n'
    )
    spoil(dsn, "UPDATE ragdiet.corpus SET chunks = 9")
    failed = cli("", "--database", make_conninfo(dsn, password="of the owner"), "doctor")
    assert failed.returncode == 1
    assert "of the owner" not in failed.stdout
    command = failed.stdout.splitlines()[-2]
    assert command.startswith("ragdiet --database ")
    assert cli("", *shlex.split(command)[1:]).returncode == 0
    found = json.loads(cli(dsn, "doctor", "--json").stdout)
    assert found["status"] == "warn"
    assert [finding["check"] for finding in found["findings"] if finding["mend"]] == ["vacuum"]


def test_shown_in_a_notebook() -> None:
    shown = Diagnosis(
        findings=(
            Finding(check="server", status="ok", what="<fine>"),
            Finding(check="vacuum", status="fail", what="off", mend=("SELECT '<x>'",)),
        )
    )._repr_html_()
    assert "&lt;fine&gt;" in shown
    assert "<code>SELECT &#x27;&lt;x&gt;&#x27;</code>" in shown


def test_collections_of_the_default_tenant_have_plain_names() -> None:
    corpus = Corpus(id=1, tenant="", collection="a b", chunks=0, total_length=0, average_length=None)
    assert str(corpus) == "a b"
    assert str(replace(corpus, tenant="t")) == "t/a b"
