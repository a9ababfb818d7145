"""Which schema this ragdiet speaks, and which spaces, checked without loading Alembic."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg

from ragdiet.errors import (
    InvalidArgument,
    SchemaMissing,
    SchemaOutdated,
    SchemaTooNew,
    SpaceMismatch,
    SpaceMissing,
    SpaceRetired,
)

if TYPE_CHECKING:
    from ragdiet.types import Space

SCHEMA_VERSION = "0008"
"""The newest revision in ``migrations/versions``; revisions sort as strings."""

VERSION_QUERY = "SELECT version_num FROM ragdiet.alembic_version"

_MOST_DIMENSIONS = 4_000
_LONGEST_NAME = 48
_SPACE_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{_LONGEST_NAME - 1}}}")


def check_schema(connection: psycopg.Connection, space: Space) -> None:
    """Raise unless the database has exactly this schema, and a table for ``space``."""
    try:
        row = connection.execute(VERSION_QUERY).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        row = None
    if row is None:
        raise SchemaMissing("this database has no ragdiet schema: call rag.migrate() or run `ragdiet migrate` first")
    if row[0] > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"the database is at schema {row[0]}, this ragdiet knows up to {SCHEMA_VERSION}: upgrade ragdiet"
        )
    if row[0] < SCHEMA_VERSION:
        raise SchemaOutdated(
            f"the database is at schema {row[0]}, this ragdiet needs {SCHEMA_VERSION}: call rag.migrate() or run "
            "`ragdiet migrate`"
        )
    known = connection.execute(
        "SELECT model, dimensions, state FROM ragdiet.space WHERE name = %s", (space.name,)
    ).fetchone()
    if known is None:
        raise SpaceMissing(
            f"there is no table yet for the vectors of {space.model}: call rag.migrate() with this embedder"
        )
    check_known(space, known)


def check_known(space: Space, known: tuple[str, int, str] | None, *, may_be_retired: bool = False) -> None:
    """Raise if ``known``, the model, dimensions and state that a database has under the space's name, rule it out."""
    if known is None:
        return
    model, dimensions, state = known
    if (model, dimensions) != (space.model, space.dimensions):
        raise SpaceMismatch(
            f"space {space.name!r} holds {dimensions} dimensions of {model}, not {space.dimensions} of {space.model}: "
            "give this embedder's space another name"
        )
    if state == "retired" and not may_be_retired:
        raise SpaceRetired(
            f"space {space.name!r} was retired and its vectors are gone: open this database with the embedder of a "
            "space that is active, or call the reembed(...) of such a RAG with this embedder, which builds it again"
        )


def check_space(space: Space) -> None:
    """Raise InvalidArgument for a space that PostgreSQL cannot hold. Its name becomes part of those of tables and
    indexes, which end at 63 bytes."""
    if not _SPACE_NAME.fullmatch(space.name):
        raise InvalidArgument(
            f"a space cannot be named {space.name!r}: give up to {_LONGEST_NAME} of a-z, 0-9 and _, a letter first"
        )
    if not 1 <= space.dimensions <= _MOST_DIMENSIONS:
        raise InvalidArgument(
            f"space {space.name!r} has {space.dimensions:,} dimensions, pgvector's HNSW index takes 1 to "
            f"{_MOST_DIMENSIONS:,} of a halfvec: ask the model for fewer, or take another"
        )
