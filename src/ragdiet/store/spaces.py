"""Embedding spaces side by side: how far each is built, who may search it, the switch to one and the end of another."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg.sql import SQL, Composable, Identifier

from ragdiet.errors import (
    InvalidArgument,
    SpaceBuilding,
    SpaceBusy,
    SpaceInUse,
    SpaceMissing,
    StoreError,
    StoreNotReady,
)
from ragdiet.store.connection import mapped_errors
from ragdiet.store.policies import drop_space_policies
from ragdiet.store.tenancy import act_for
from ragdiet.store.version import check_known, check_space
from ragdiet.types import SpaceStatus

if TYPE_CHECKING:
    from ragdiet.store.database import Database
    from ragdiet.types import Space, SpaceState

_LOCK = 0x72616733
"""The first half of a space's lock; the second is the hash of its name. Every ragdiet uses the same one."""

_DROP_TRIES = 60
_DROP_WAIT = "100ms"  # for which searches may queue behind the lock
_DROP_PAUSE = 0.5  # seconds in which they run

_log = logging.getLogger("ragdiet.store")


class Spaces:
    """The embedding spaces of one database. Only the role that owns the tables may build, switch and retire."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, *, tenant: str) -> tuple[SpaceStatus, ...]:
        """Every space there is or was, oldest first; as the runtime role, with what ``tenant`` has in it."""

        def read(connection: psycopg.Connection) -> tuple[SpaceStatus, ...]:
            act_for(connection, tenant)
            rows = connection.execute(
                "SELECT name, model, dimensions, state, coalesce(indisvalid, false) FROM ragdiet.space "
                "LEFT JOIN pg_index ON indexrelid = to_regclass('ragdiet.vector_' || name || '_hnsw') "
                "ORDER BY created_at, name"
            ).fetchall()
            statuses = []
            for name, model, dimensions, state, is_indexed in rows:
                chunks, total = (0, 0) if state == "retired" else _progress(connection, name)
                statuses.append(
                    SpaceStatus(
                        name=name,
                        model=model,
                        dimensions=dimensions,
                        state=state,
                        chunks=chunks,
                        missing=total - chunks,
                        is_indexed=is_indexed,
                    )
                )
            return tuple(statuses)

        return self._database.run(read, tenant=None, read_only=True)

    def progress(self, space: Space) -> tuple[int, int]:
        """How many chunks have a vector in the space, of how many."""
        return self._database.run(lambda connection: _progress(connection, space.name), tenant=None, repeatable=True)

    def state(self, space: Space) -> SpaceState | None:
        """building, active or retired; None where the space was never made. Raises InvalidArgument for one that cannot
        be, SpaceMismatch for one of another model."""
        check_space(space)
        known = self._database.run(
            lambda connection: connection.execute(
                "SELECT model, dimensions, state FROM ragdiet.space WHERE name = %s", (space.name,)
            ).fetchone(),
            tenant=None,
            repeatable=True,
        )
        check_known(space, known, may_be_retired=True)
        return known[2] if known else None

    def check_owner(self, space: Space) -> None:
        """Raise StoreError for a role that does not own the tables: it could not build the space, nor see all that
        there is to embed."""
        self._database.run(lambda connection: _check_owner(connection, space.name), tenant=None, repeatable=True)

    @contextmanager
    def building(self, name: str) -> Iterator[psycopg.Connection]:
        """Inside the block this process alone builds or retires the space; gives the connection that says so.

        Raises SpaceBusy where another does, StoreError for a role that does not own the tables.
        """
        if self._database.is_lent:
            raise InvalidArgument(
                "a space is built and retired in transactions of its own: call this outside of rag.store.using(...)"
            )
        with self._database.dedicated() as owner:
            _check_owner(owner, name)
            if owner.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (_LOCK, name)).fetchone() != (True,):
                raise SpaceBusy(f"another process builds or retires space {name!r} now: wait until it is done")
            yield owner

    def activate(self, space: Space, *, instead_of: Space) -> None:
        """Let searches use the space, and let documents of the other count as made with it where that is true.

        An ingest would else read each of them again, to find that it has all its vectors.
        """
        self._database.run(
            lambda connection: connection.execute(
                "UPDATE ragdiet.space SET state = 'active' WHERE name = %s AND state = 'building'", (space.name,)
            ),
            tenant=None,
            repeatable=True,
        )
        rows = self._database.run(
            lambda connection: connection.execute("SELECT id FROM ragdiet.corpus ORDER BY id").fetchall(),
            tenant=None,
            repeatable=True,
        )
        for (corpus_id,) in rows:
            self._hand_over(corpus_id, space, instead_of)

    def _hand_over(self, corpus_id: int, space: Space, old: Space) -> None:
        def write(connection: psycopg.Connection) -> None:
            # No writer comes between: all of them lock this row first.
            connection.execute("SELECT FROM ragdiet.corpus WHERE id = %s FOR UPDATE", (corpus_id,))
            connection.execute(
                SQL(
                    "UPDATE ragdiet.document d SET pipeline = replace(pipeline, %(old)s, %(new)s) "
                    "WHERE corpus_id = %(corpus)s AND strpos(pipeline, %(old)s) > 0 AND NOT EXISTS ("
                    "SELECT FROM ragdiet.chunk c LEFT JOIN {vectors} v ON v.chunk_id = c.id "
                    "WHERE c.document_id = d.id AND v.chunk_id IS NULL)"
                ).format(vectors=_vectors(space.name)),
                {"corpus": corpus_id, "old": f"|{old.name}|", "new": f"|{space.name}|"},
            )

        self._database.run(write, tenant=None, repeatable=True)

    def retire(self, name: str, *, in_use: str) -> None:
        """Drop the tables of a space, with all else that is kept of it; ``in_use`` is the caller's own.

        Raises SpaceMissing, SpaceInUse where a chunk has no vector in any other active space, SpaceBusy,
        StoreNotReady where searches do not let go of the tables.
        """
        if name == in_use:
            raise SpaceInUse(f"this RAG searches space {name!r}: retire it from one whose embedder has taken its place")
        with self.building(name) as owner, mapped_errors():
            for _ in range(_DROP_TRIES):
                try:
                    with owner.transaction():
                        _retire(owner, name)
                except psycopg.errors.LockNotAvailable:
                    time.sleep(_DROP_PAUSE)
                else:
                    return
        raise StoreNotReady(
            f"space {name!r} is searched or written without a pause: retire it when there is less to do"
        )


def _check_owner(connection: psycopg.Connection, name: str) -> None:
    row = connection.execute(
        "SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class "
        "WHERE relnamespace = 'ragdiet'::regnamespace AND relname IN ('chunk', %s)",
        (f"vector_{name}",),
    ).fetchone()
    if row != (True,):
        raise StoreError("spaces are built and retired by the role that ran rag.migrate(): connect as that one")


def check_searchable(connection: psycopg.Connection, space: Space, *, tenant: str, collection: str) -> bool:
    """Raise SpaceBuilding where a search of the collection through ``space`` would miss what is there.

    Some chunks without a vector, left by a writer with another embedder, are found by their words: they are
    logged. Returns whether there is anything to search, so that the finding holds for later searches.
    """
    row = connection.execute(
        SQL(
            "SELECT s.state, coalesce(c.chunks, 0), (SELECT count(*) FROM {vectors} v WHERE v.corpus_id = c.id) "
            "FROM ragdiet.space s LEFT JOIN ragdiet.corpus c ON c.tenant = %s AND c.collection = %s WHERE s.name = %s"
        ).format(vectors=_vectors(space.name)),
        (tenant, collection, space.name),
    ).fetchone()
    if row is None:
        raise SpaceMissing(f"space {space.name!r} is gone: call rag.migrate() with this embedder")
    state, total, vectors = row
    if state == "building":
        vectors, total = _progress(connection, space.name)
        raise SpaceBuilding(
            f"space {space.name!r} is still being built: {vectors:,} of {total:,} chunks have a vector in it, and "
            "it was not switched to. Search with the embedder used until now, and call its rag.reembed(...) to go on",
            chunks=vectors,
            total=total,
        )
    if total and not vectors:
        raise SpaceBuilding(
            f"none of the {total:,} chunks of collection {collection!r} has a vector in space {space.name!r}: another "
            "embedder filled it. Search with that one, or call its rag.reembed(...) with this embedder",
            chunks=0,
            total=total,
        )
    if vectors < total:
        _log.warning(
            "%d of %d chunks of collection %r have no vector in space %r, and are found by their words alone: call "
            "rag.reembed(...) or ingest them again",
            total - vectors,
            total,
            collection,
            space.name,
        )
    return bool(total)


def _retire(owner: psycopg.Connection, name: str) -> None:
    owner.execute(SQL("SET LOCAL lock_timeout = {}").format(_DROP_WAIT))
    owner.execute("LOCK TABLE ragdiet.space IN SHARE ROW EXCLUSIVE MODE")
    states: dict[str, str] = dict(owner.execute("SELECT name, state FROM ragdiet.space").fetchall())
    if states.get(name) in (None, "retired"):
        there = ", ".join(sorted(other for other, state in states.items() if state != "retired"))
        raise SpaceMissing(f"there is no space {name!r} to retire: the spaces are {there}")
    others = sorted(other for other, state in states.items() if state == "active" and other != name)
    if states[name] == "active":
        _check_spare(owner, name, others)
    for statement in drop_space_policies(name):
        owner.execute(statement)
    owner.execute(SQL("DROP TABLE {}, {}").format(_vectors(name), Identifier("ragdiet", f"sentence_{name}")))
    owner.execute("DELETE FROM ragdiet.embedding_cache WHERE space = %s", (name,))
    owner.execute("DELETE FROM ragdiet.fusion WHERE space = %s", (name,))
    owner.execute("UPDATE ragdiet.space SET state = 'retired' WHERE name = %s", (name,))


def _check_spare(owner: psycopg.Connection, name: str, others: list[str]) -> None:
    if not others:
        raise SpaceInUse(f"space {name!r} is the only active one: build another with rag.reembed(...) first")
    elsewhere = SQL(" AND ").join(
        SQL("NOT EXISTS (SELECT FROM {} o WHERE o.chunk_id = v.chunk_id)").format(_vectors(other)) for other in others
    )
    lost, collections = owner.execute(
        SQL(
            "SELECT count(*), array_agg(DISTINCT c.collection ORDER BY c.collection) FROM {} v "
            "JOIN ragdiet.corpus c ON c.id = v.corpus_id WHERE {}"
        ).format(_vectors(name), elsewhere)
    ).fetchone() or (0, [])
    if lost:
        raise SpaceInUse(
            f"{lost:,} chunks have a vector in space {name!r} alone, in the collections {', '.join(collections[:5])}"
            f"{' and others' * (len(collections) > 5)}: call rag.reembed(...) with the embedder of another space first"
        )


def _progress(connection: psycopg.Connection, name: str) -> tuple[int, int]:
    row = connection.execute(
        SQL("SELECT count(v.chunk_id), count(*) FROM ragdiet.chunk c LEFT JOIN {} v ON v.chunk_id = c.id").format(
            _vectors(name)
        )
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def _vectors(name: str) -> Composable:
    return Identifier("ragdiet", f"vector_{name}")
