"""The facts, read by SQL. Each function takes a connection in a transaction of its own; none changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragdiet.doctor.facts import (
    CacheTable,
    Corpora,
    Corpus,
    DeclaredIndex,
    IndexState,
    Ledger,
    Schema,
    Server,
    Session,
    SpaceTables,
    TableState,
)
from ragdiet.store.version import VERSION_QUERY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg
    from sqlalchemy import Table

MOST_CORPORA = 20
"""So many collections, the largest, are looked at one by one."""

_SERVER = """
SELECT current_setting('server_version'),
       current_setting('server_version_num')::int,
       to_regproc('aurora_version') IS NOT NULL,
       (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
       (SELECT default_version FROM pg_available_extensions WHERE name = 'vector'),
       pg_size_bytes(current_setting('shared_buffers')),
       pg_size_bytes(current_setting('effective_cache_size')),
       pg_size_bytes(current_setting('maintenance_work_mem')),
       current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int,
       (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL),
       current_setting('autovacuum')::bool AND current_setting('track_counts')::bool,
       (SELECT extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time()))::float8 / 86400
        FROM pg_stat_database WHERE datname = current_database()),
       rolname,
       rolsuper OR rolbypassrls,
       pg_has_role('pg_read_all_stats', 'USAGE')
FROM pg_roles
WHERE rolname = current_user
"""

_SESSIONS = """
SELECT pid,
       usename,
       extract(epoch FROM now() - xact_start)::float8 AS age,
       CASE WHEN state LIKE 'idle in transaction%' THEN extract(epoch FROM now() - state_change)::float8 END,
       backend_xmin IS NOT NULL OR backend_xid IS NOT NULL,
       NULL
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
      AND backend_type = 'client backend'
UNION ALL
SELECT 0, owner, extract(epoch FROM now() - prepared)::float8, NULL, true, gid
FROM pg_prepared_xacts
WHERE database = current_database()
ORDER BY age DESC
LIMIT 100
"""

_SPACES = """
SELECT s.name, s.model, s.dimensions, s.state, vectors.oid IS NOT NULL, sentences.oid IS NOT NULL,
       (SELECT atttypmod FROM pg_attribute WHERE attrelid = vectors.oid AND attname = 'embedding')
FROM ragdiet.space s
LEFT JOIN pg_class vectors ON vectors.oid = to_regclass(format('ragdiet.%I', 'vector_' || s.name))
LEFT JOIN pg_class sentences ON sentences.oid = to_regclass(format('ragdiet.%I', 'sentence_' || s.name))
ORDER BY s.name
"""

_INDEXES = r"""
SELECT index.relname, own.relname, pg_am.amname,
       ARRAY(SELECT coalesce(attname, '') FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS key (number, place)
             LEFT JOIN pg_attribute ON attrelid = i.indrelid AND attnum = number ORDER BY place),
       opcname,
       coalesce((SELECT json_object_agg(option_name, option_value::int) FROM pg_options_to_table(index.reloptions)
                 WHERE option_value ~ '^\d+$'), '{}'),
       i.indisvalid AND i.indisready, i.indisunique,
       EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = index.oid),
       pg_relation_size(index.oid), coalesce(idx_scan, 0)
FROM pg_index i
JOIN pg_class index ON index.oid = i.indexrelid
JOIN pg_class own ON own.oid = i.indrelid
JOIN pg_am ON pg_am.oid = index.relam
JOIN pg_opclass ON pg_opclass.oid = i.indclass[0]
LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = index.oid
WHERE own.relnamespace = 'ragdiet'::regnamespace AND own.relkind = 'r'
ORDER BY own.relname, index.relname
"""

_TABLES = """
SELECT s.relname, n_live_tup, n_dead_tup,
       coalesce(last_analyze, last_autoanalyze) IS NOT NULL,
       extract(epoch FROM now() - greatest(last_vacuum, last_autovacuum))::float8,
       NOT coalesce((SELECT option_value IN ('false', 'off', 'no', '0') FROM pg_options_to_table(c.reloptions)
                     WHERE option_name = 'autovacuum_enabled'), false),
       coalesce(heap_blks_hit, 0), coalesce(heap_blks_read, 0), coalesce(idx_blks_hit, 0), coalesce(idx_blks_read, 0),
       NOT c.relrowsecurity AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid)
FROM pg_stat_user_tables s
JOIN pg_statio_user_tables USING (relid)
JOIN pg_class c ON c.oid = relid
WHERE s.schemaname = 'ragdiet'
ORDER BY s.relname
"""


def server(connection: psycopg.Connection) -> Server:
    """The server and this role. Needs no rights."""
    row = _row(connection, _SERVER)
    aurora = _row(connection, "SELECT aurora_version()")[0] if row[2] else None
    return Server(
        version=row[0],
        version_number=row[1],
        aurora=aurora,
        vector=row[3],
        vector_available=row[4],
        shared_buffers=row[5],
        effective_cache_size=row[6],
        maintenance_work_mem=row[7],
        max_connections=row[8],
        reserved_connections=row[9],
        connections=row[10],
        autovacuum=row[11],
        counted_days=row[12],
        role=row[13],
        bypasses_policies=row[14],
        sees_activity=row[15],
    )


def sessions(connection: psycopg.Connection) -> tuple[Session, ...]:
    """The oldest transactions of others in this database; without rights to see them, none."""
    return tuple(
        Session(pid=row[0], role=row[1], age=row[2], idle=row[3], holds_back=row[4], prepared=row[5])
        for row in connection.execute(_SESSIONS)
    )


def schema(connection: psycopg.Connection, known: str) -> Schema:
    """The schema's revision and, if it is ``known``, its spaces."""
    if _row(connection, "SELECT to_regnamespace('ragdiet') IS NULL OR to_regclass('ragdiet.alembic_version') IS NULL")[
        0
    ]:
        return Schema(revision=None)
    row = connection.execute(VERSION_QUERY).fetchone()
    if row is None or row[0] != known:
        return Schema(revision=row[0] if row else None)
    owner, is_owner = _row(
        connection,
        "SELECT relowner::regrole::text, pg_has_role(relowner, 'USAGE') FROM pg_class "
        "WHERE oid = 'ragdiet.corpus'::regclass",
    )
    spaces = tuple(
        SpaceTables(
            name=row[0],
            model=row[1],
            dimensions=row[2],
            state=row[3],
            has_vectors=row[4],
            has_sentences=row[5],
            column=row[6],
        )
        for row in connection.execute(_SPACES)
    )
    return Schema(revision=known, owner=owner, is_owner=is_owner, spaces=spaces)


def corpora(connection: psycopg.Connection) -> Corpora:
    """The largest collections, and the sums over all of them."""
    largest = connection.execute(
        "SELECT id, tenant, collection, chunks, total_length, average_length FROM ragdiet.corpus "
        "ORDER BY chunks DESC, id LIMIT %s",
        (MOST_CORPORA,),
    ).fetchall()
    count, chunks, tenants = _row(
        connection, "SELECT count(*), coalesce(sum(chunks), 0), count(DISTINCT tenant) FROM ragdiet.corpus"
    )
    return Corpora(
        largest=tuple(
            Corpus(
                id=row[0], tenant=row[1], collection=row[2], chunks=row[3], total_length=row[4], average_length=row[5]
            )
            for row in largest
        ),
        count=count,
        chunks=int(chunks),
        tenants=tenants,
    )


def indexes(connection: psycopg.Connection) -> tuple[IndexState, ...]:
    """Every index on a table of ours."""
    return tuple(
        IndexState(
            name=row[0],
            table=row[1],
            method=row[2],
            columns=tuple(row[3]),
            opclass=row[4],
            options=row[5],
            is_valid=row[6],
            is_unique=row[7],
            is_building=row[8],
            size=row[9],
            scans=row[10],
        )
        for row in connection.execute(_INDEXES)
    )


def declared_indexes(spaces: Sequence[SpaceTables]) -> tuple[DeclaredIndex, ...]:
    """The indexes that this ragdiet declares on the tables that every database has, and on those of ``spaces``."""
    from ragdiet.store import tables

    own = [table for space in spaces for table in tables.space_tables(space.name, space.dimensions)]
    return tuple(index for table in (*tables.metadata.tables.values(), *own) for index in _declared(table))


def _declared(table: Table) -> Iterator[DeclaredIndex]:
    from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.schema import AddConstraint, CreateIndex

    dialect: Any = postgresql.dialect()  # type: ignore[no-untyped-call]
    for constraint in table.constraints:
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
            columns = tuple(column.name for column in constraint.columns)
            kind = "pkey" if isinstance(constraint, PrimaryKeyConstraint) else f"{'_'.join(columns)}_key"
            yield DeclaredIndex(
                name=f"{table.name}_{kind}",
                table=table.name,
                method="btree",
                columns=columns,
                opclass=None,
                options={},
                create=_one_line(AddConstraint(constraint, isolate_from_table=False).compile(dialect=dialect)),
                is_constraint=True,
            )
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        options = index.dialect_options["postgresql"]
        columns = tuple(column.name for column in index.columns)
        index.dialect_options["postgresql"]["concurrently"] = True
        create = _one_line(CreateIndex(index).compile(dialect=dialect))
        index.dialect_options["postgresql"]["concurrently"] = False
        yield DeclaredIndex(
            name=str(index.name),
            table=table.name,
            method=options["using"] or "btree",
            columns=columns,
            opclass=options["ops"].get(columns[0]),
            options={name: value for name, value in options["with"].items() if isinstance(value, int)},
            create=create,
        )


def tables(connection: psycopg.Connection) -> tuple[TableState, ...]:
    """The counters of our tables. Needs no rights."""
    return tuple(
        TableState(
            name=row[0],
            live=row[1],
            dead=row[2],
            is_analyzed=row[3],
            vacuumed=row[4],
            autovacuum=row[5],
            heap_hits=row[6],
            heap_reads=row[7],
            index_hits=row[8],
            index_reads=row[9],
            is_unprotected=row[10],
        )
        for row in connection.execute(_TABLES)
    )


def embedding_cache(connection: psycopg.Connection) -> CacheTable:
    """The embedding cache."""
    rows, size, oldest = _row(
        connection,
        "SELECT greatest(reltuples, 0)::bigint, pg_total_relation_size(oid), "
        "(SELECT extract(epoch FROM now() - min(cached_at))::float8 / 86400 FROM ragdiet.embedding_cache) "
        "FROM pg_class WHERE oid = 'ragdiet.embedding_cache'::regclass",
    )
    return CacheTable(rows=rows, size=size, oldest_days=oldest)


def ledger(connection: psycopg.Connection) -> Ledger:
    """Calls that were begun and never settled."""
    unsettled, cost = _row(
        connection,
        "SELECT count(*), coalesce(sum(cost), 0) FROM ragdiet.call "
        "WHERE status = 'started' AND started_at < now() - interval '1 hour'",
    )
    return Ledger(unsettled=unsettled, worst_cost=f"{cost:f}")


def expired_documents(connection: psycopg.Connection) -> int:
    """Documents whose time has come, and that are still stored."""
    counted: int = _row(
        connection,
        "SELECT count(*) FROM ragdiet.corpus c JOIN ragdiet.document d ON d.corpus_id = c.id "
        "WHERE c.next_expiry <= now() AND d.expires_at <= now()",
    )[0]
    return counted


def _row(connection: psycopg.Connection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row


def _one_line(compiled: object) -> str:
    return " ".join(str(compiled).split())
