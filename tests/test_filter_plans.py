"""The plans of filters over 50,000 chunks: each condition uses the index that it was written for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime

import psycopg
import pytest
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from psycopg.sql import SQL, Identifier

from ragdiet import F
from ragdiet.filters import Filter, index_name
from ragdiet.retrieve.matching import condition_of, matching, predicate
from ragdiet.store import migrate
from ragdiet.store.embedded import EmbeddedServer
from ragdiet.store.tenancy import become
from ragdiet.types import Space
from tests.conftest import create_database, database_dsn

ROLES = ("ragdiet", "plan_reader")
DECLARED = ("year", "published", "page")

SCANNED = re.compile("Seq Scan on (document|chunk|vector_tiny)")

DOCUMENTS = """
    INSERT INTO ragdiet.document (corpus_id, external_id, content_hash, pipeline, meta)
    SELECT 1 + n % 5 / 4, n, '', '', jsonb_build_object(
        'permille', m % 1000, 'team', 'team ' || m % 100, 'tags', jsonb_build_array('t' || m % 1000),
        'year', m % 1000, 'published', (date '2000-01-01' + m % 10000)::text)
    FROM generate_series(1, 10000) n, LATERAL (SELECT n * 7919 AS m) shuffled
"""
CHUNKS = """
    INSERT INTO ragdiet.chunk (document_id, corpus_id, ordinal, text, hash, tokens, start_offset, end_offset, meta,
                               sentences)
    SELECT id, corpus_id, part, repeat('text ', 40), '', 50, 0, 200,
           jsonb_build_object('page', (id * 5 + part) % 500), '{}'
    FROM ragdiet.document, generate_series(1, 5) part
"""
KEYS = """
    INSERT INTO ragdiet.metadata_key
    SELECT DISTINCT corpus_id, key, jsonb_typeof(value), false FROM ragdiet.document, jsonb_each(meta)
    UNION ALL SELECT DISTINCT corpus_id, 'page', 'number', true FROM ragdiet.chunk
"""
VECTORS = """
    INSERT INTO ragdiet.vector_tiny
    SELECT id, corpus_id, ARRAY[sin(id), cos(id), sin(id * 7), 1]::halfvec FROM ragdiet.chunk
"""

INDEXED: dict[str, tuple[Filter, str]] = {
    "equal": (F("team") == "team 7", "document_meta"),
    "in": (F("team").is_in(["team 7", "team 8"]), "document_meta"),
    "has": (F("tags").has("t7"), "document_meta"),
    "or": ((F("permille") == 7) | (F("team") == "team 7"), "document_meta"),
    "and": ((F("permille") > 7) & (F("team") == "team 7"), "document_meta"),
    "declared, equal": (F("year") == 7, index_name("document", "year")),
    "declared, range": ((F("year") >= 100) & (F("year") < 110), index_name("document", "year")),
    "declared, many": (F("year").is_in(range(20, 40)), index_name("document", "year")),
    "declared, days": (F("published") < date(2000, 3, 1), index_name("document", "published")),
    "declared, instants": (F("published") <= datetime(2000, 3, 1, tzinfo=UTC), index_name("document", "published")),
    "declared, of chunks": (F("page") == 7, index_name("chunk", "page")),
}
OTHERS: dict[str, Filter] = {
    "range": F("permille") < 10,
    "not": ~(F("permille") < 990),
    "thousands": F("permille").is_in(range(990, 11_000)),
    "exists": F("year").exists(),
}


@pytest.fixture(scope="module")
def connection(server: EmbeddedServer) -> Iterator[psycopg.Connection]:
    create_database(server, "filter_plans")
    dsn = database_dsn(server, "filter_plans")
    migrate(dsn, Space(name="tiny", model="test:tiny", dimensions=4), filter_keys=DECLARED)
    with psycopg.connect(dsn, autocommit=True) as opened:
        opened.execute("DROP ROLE IF EXISTS plan_reader")
        opened.execute("CREATE ROLE plan_reader")
        migrate(dsn, runtime_role="plan_reader")
        opened.execute("INSERT INTO ragdiet.corpus (tenant, collection) VALUES ('', 'large'), ('', 'small')")
        opened.execute("DROP INDEX ragdiet.vector_tiny_hnsw")
        for statement in (DOCUMENTS, CHUNKS, KEYS, VECTORS):
            opened.execute(statement)
        opened.execute(
            "CREATE INDEX vector_tiny_hnsw ON ragdiet.vector_tiny USING hnsw (embedding halfvec_cosine_ops) "
            "WITH (m = 4, ef_construction = 16)"
        )
        opened.execute("VACUUM ANALYZE")
        register_vector(opened)
        yield opened
        opened.execute("DROP OWNED BY plan_reader")
        opened.execute("DROP ROLE plan_reader")


def act_as(connection: psycopg.Connection, role: str) -> None:
    become(connection, "")
    connection.execute(SQL("SET LOCAL ROLE {}").format(Identifier(role)))


def explained(connection: psycopg.Connection, filter: Filter, role: str) -> str:
    """The plan of ``matching``, by the server's own log of what it runs."""
    notices: list[str] = []

    def keep(notice: psycopg.errors.Diagnostic) -> None:
        notices.append(notice.message_primary or "")

    connection.add_notice_handler(keep)
    with connection.transaction():
        connection.execute("LOAD 'auto_explain'")
        connection.execute("SET LOCAL auto_explain.log_min_duration = 0")
        connection.execute("SET LOCAL auto_explain.log_level = notice")
        act_as(connection, role)
        condition = condition_of(connection, 1, filter, some_expired=False)
        assert condition is not None
        notices.clear()
        matching(connection, 1, condition, 20_000)
    connection.remove_notice_handler(keep)
    return "\n".join(notices)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", INDEXED)
def test_conditions_use_their_index(connection: psycopg.Connection, name: str, role: str) -> None:
    filter, index = INDEXED[name]
    plan = explained(connection, filter, role)
    assert index in plan
    assert not SCANNED.search(plan)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", OTHERS)
def test_chunks_are_never_scanned_for_documents(connection: psycopg.Connection, name: str, role: str) -> None:
    plan = explained(connection, OTHERS[name], role)
    assert re.search(r"Scan (using|on) chunk_document ", plan)
    assert "Seq Scan on chunk" not in plan


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize("name", [*INDEXED, *OTHERS])
def test_candidates_are_looked_up_one_by_one(
    connection: psycopg.Connection, name: str, generic: bool, role: str
) -> None:
    """The index keeps its order, whether values are known to the planner or not."""
    filter = OTHERS[name] if name in OTHERS else INDEXED[name][0]
    condition = condition_of(connection, 1, filter, some_expired=True)
    assert condition is not None
    query = SQL(
        "EXPLAIN SELECT v.chunk_id FROM ragdiet.vector_tiny v WHERE v.corpus_id = 1 AND {} "
        "ORDER BY v.embedding <=> %(vector)s LIMIT 100"
    ).format(predicate(condition, Identifier("v")))
    with connection.transaction():
        act_as(connection, role)
        connection.execute(f"SET LOCAL plan_cache_mode = force_{'generic' if generic else 'custom'}_plan")
        parameters = {**condition.parameters, "vector": HalfVector([1, 0, 0, 1])}
        plan = "\n".join(row[0] for row in connection.execute(query, parameters, prepare=generic))
    assert "Index Scan using vector_tiny_hnsw" in plan
    assert "Index Scan using chunk_pkey" in plan
    assert "Index Scan using document_pkey" in plan
    assert not SCANNED.search(plan)
    assert "Hash Join" not in plan
