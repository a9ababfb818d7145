"""The two dear indexes, HNSW over the vectors and GIN over the terms, and when to do without them.

Row by row HNSW costs about a millisecond a chunk. A load that is large against what is there drops both
first and builds them at its end: searches are exact meanwhile, as those of small stores always are. A load
that is cut off leaves them missing, and the next ingest builds them. Only a role that owns the tables can
do this; for any other the indexes grow with the rows.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from ragdiet.store.connection import mapped_errors

if TYPE_CHECKING:
    from ragdiet.store.database import Database
    from ragdiet.types import Space

_FEWEST = 5_000
"""Chunks of the smallest load that is worth building the indexes anew."""

_LOCK = 0x7261676469657432
"""Any constant serves, so long as every ragdiet uses the same one."""

_GRAPH_BYTES = 768
"""What pgvector's HNSW takes a row in memory beside the vector, at m = 16: 32 neighbours of 16 bytes and itself."""


def graph_bytes(chunks: int, dimensions: int) -> int:
    """The memory that building HNSW over so many vectors takes."""
    return chunks * (2 * dimensions + _GRAPH_BYTES)


class Indexes:
    """The dear indexes of one embedding space during one load: HNSW, and GIN unless ``keyword`` is false. A context
    manager: it may hold a connection."""

    def __init__(self, database: Database, space: Space, *, keyword: bool = True) -> None:
        self._database = database
        self._space = space
        self._tables = {f"vector_{space.name}_hnsw": f"vector_{space.name}"}
        if keyword:
            self._tables["lexical_terms"] = "lexical"
        self._held = ExitStack()
        self._owner: psycopg.Connection | None = None
        self._is_decided = False
        self._stored: int | None = None

    def expect(self, chunks: int, *, stored: int | None = None) -> None:
        """Told before each write how many chunks the whole run will write, as far as that is known, beside those
        ``stored``, which are all that the database had at the first call unless told."""
        if self._is_decided:
            return
        if self._stored is None:
            self._stored = self._all_chunks() if stored is None else stored
        if chunks >= _FEWEST and chunks > self._stored:
            self._is_decided = True
            self._drop()

    def build(self) -> bool:
        """Build what is missing, or was left half-built, while others read and write. False where this role may not,
        or another process is at it."""
        missing = self._missing()
        if not missing:
            return True
        if (owner := self._own()) is None:
            return False
        with mapped_errors():
            owner.execute(SQL("SET maintenance_work_mem = {}").format(Literal(f"{self._kilobytes(owner)}kB")))
            owner.execute("SET lock_timeout = '60s'")
            for name in missing:
                self._create(owner, name)
                owner.execute(SQL("ANALYZE {}").format(Identifier("ragdiet", self._tables[name])))
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def _all_chunks(self) -> int:
        row = self._database.run(
            lambda connection: connection.execute("SELECT coalesce(sum(chunks), 0) FROM ragdiet.corpus").fetchone(),
            tenant=None,
            repeatable=True,
        )
        assert row is not None
        return int(row[0])

    def _drop(self) -> None:
        owner = self._own()
        if owner is None:
            return
        with mapped_errors():
            owner.execute("SET lock_timeout = '2s'")
            for name in self._tables:
                try:
                    owner.execute(SQL("DROP INDEX IF EXISTS {}").format(Identifier("ragdiet", name)))
                except psycopg.errors.LockNotAvailable:
                    return  # someone has long been reading: the indexes stay, and the load is slower

    def _create(self, owner: psycopg.Connection, name: str) -> None:
        drop = SQL("DROP INDEX IF EXISTS {}").format(Identifier("ragdiet", name))
        owner.execute(drop)
        try:
            owner.execute(self._definition(name))
        except psycopg.errors.DiskFull:  # as a rule a container's small /dev/shm, where workers share the graph
            owner.execute(drop)
            owner.execute("SET max_parallel_maintenance_workers = 0")
            owner.execute(self._definition(name))

    def _own(self) -> psycopg.Connection | None:
        """A connection that may build indexes and that alone does, or None; in a user's transaction there is none,
        since it would wait for that transaction's end."""
        if self._database.is_lent:
            return None
        if self._owner is None:
            owner = self._held.enter_context(self._database.dedicated())
            row = owner.execute(
                "SELECT bool_and(pg_has_role(relowner, 'USAGE')) AND pg_try_advisory_lock(%s) FROM pg_class "
                "WHERE oid = ANY(%s::regclass[])",
                (_LOCK, [f"ragdiet.{table}" for table in self._tables.values()]),
            ).fetchone()
            if row != (True,):
                self._held.close()
                return None
            self._owner = owner
        return self._owner

    def _missing(self) -> list[str]:
        rows = self._database.run(
            lambda connection: connection.execute(
                "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
                "WHERE c.relnamespace = 'ragdiet'::regnamespace AND i.indisvalid AND c.relname = ANY(%s)",
                (list(self._tables),),
            ).fetchall(),
            tenant=None,
            repeatable=True,
        )
        valid = {row[0] for row in rows}
        return [name for name in self._tables if name not in valid]

    def _definition(self, name: str) -> SQL:
        """The index as it is declared, built beside readers and writers."""
        from sqlalchemy.dialects import postgresql
        from sqlalchemy.schema import CreateIndex

        from ragdiet.store import tables

        vectors, _ = tables.space_tables(self._space.name, self._space.dimensions)
        index = next(each for each in (*vectors.indexes, *tables.lexical.indexes) if each.name == name)
        index.dialect_options["postgresql"]["concurrently"] = True
        return SQL(str(CreateIndex(index).compile(dialect=postgresql.dialect())))  # type: ignore[no-untyped-call]

    def _kilobytes(self, owner: psycopg.Connection) -> int:
        """The server's maintenance_work_mem, or what the graph needs up to a quarter of effective_cache_size, the
        memory that the server believes it has. A graph that does not fit is built many times slower."""
        row = owner.execute(
            "SELECT (SELECT coalesce(sum(chunks), 0) FROM ragdiet.corpus), "
            "pg_size_bytes(current_setting('maintenance_work_mem')) / 1024, "
            "pg_size_bytes(current_setting('effective_cache_size')) / 1024"
        ).fetchone()
        assert row is not None
        chunks, own, cache = map(int, row)
        return max(own, min(graph_bytes(chunks, self._space.dimensions) // 1024, cache // 4))
